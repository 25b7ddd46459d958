# Measuring one command, and writing down what came out.
# shellcheck shell=bash disable=SC2154

# measure ROW COMMAND...: the command must succeed. MEASURE_STATUS=N before it asks for another exit status.
measure() {
  local row=$1
  shift
  # What earlier commands left to be written back is not this one's.
  sync -f "$WORK"
  # shellcheck disable=SC2086
  ${BENCH_WRAP:-} "$BENCH/timed" "$RESULTS" "$row" "${MEASURE_STATUS:-0}" "$@"
}

# note ROW VALUE [RSS_KIB [BYTES_WRITTEN]]: a figure that was not taken with a clock.
note() {
  printf '%s\t%s\t%s\t%s\t\n' "$1" "$2" "${3:-}" "${4:-}" >>"$RESULTS"
}

# warm FILE...: into the page cache, as a download leaves them.
warm() {
  cat "$@" >/dev/null
}

# last_field N: a field of the line that was written last.
last_field() {
  tail -n 1 "$RESULTS" | cut -f "$1"
}

# json_number KEY: from the document that the measured command wrote.
json_number() {
  sed -n "s/.*\"$1\": *\([0-9.e-]*\).*/\1/p" "$RESULTS.out" | head -n 1
}

# calculate EXPRESSION
calculate() {
  awk "BEGIN { print $1 }"
}
