# How fast the device gives back what was written: a bound for everything that reads back.
# shellcheck shell=bash disable=SC2154

reads_round() {
  local count
  for count in 1 2 8; do measure "read-$count" "$BENCH/streams" "$TARGET" "$count"; done
}
