# What the device gives and takes at best, with several requests on their way: a bound for everybody.
# shellcheck shell=bash disable=SC2154

device_round() {
  local count
  warm "$IMAGE"
  for count in 2 8; do measure "write-$count" "$BENCH/streams" "$IMAGE" "$count" "$TARGET"; done
  measure write-read "$BENCH/streams" "$IMAGE" 8 "$TARGET" back
  for count in 1 2 8; do measure "read-$count" "$BENCH/streams" "$TARGET" "$count"; done
}
