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

# note ROW VALUE [RSS_KIB [BYTES_WRITTEN]]: a figure that was not taken with a clock. What is no number fails the step: the table
# would take it for a very good one.
note() {
  local figure
  for figure in "${@:2}"; do
    [[ $figure =~ ^[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?$ ]] || { echo "$1: '$figure' is no number" >&2; return 1; }
  done
  printf '%s\t%s\t%s\t%s\t\n' "$1" "$2" "${3:-}" "${4:-}" >>"$RESULTS"
}

# warm FILE...: into the page cache, as a download leaves them.
warm() {
  cat "$@" >/dev/null
}

# What an installation leaves in the target must not be there before the next: every byte becomes another one than the image's.
scribble_target() {
  tr '\000-\377' '\001-\377\000' <"$IMAGE" | dd "of=$TARGET" bs=1M iflag=fullblock conv=notrunc,fdatasync status=none
}

# installed FILE: it must be the image now; if it is not, the figure that was written last is taken back.
installed() {
  cmp "$IMAGE" "$1" || { sed -i '$d' "$RESULTS"; return 1; }
}

# last_field N: a field of the line that was written last.
last_field() {
  tail -n 1 "$RESULTS" | cut -f "$1"
}

# value_of ROW: what was written last for it.
value_of() {
  awk -F '\t' -v row="$1" '$1 == row { value = $2 } END { print value }' "$RESULTS"
}

# json_number KEY: from the document that the measured command wrote. To be called in an assignment of its own: inside of an argument
# its failure would not end the step.
json_number() {
  local number
  number=$(sed -n "s/.*\"$1\": *\([0-9][0-9.e-]*\).*/\1/p" "$RESULTS.out" | head -n 1)
  [[ -n $number ]] || { echo "no number \"$1\" in what the command wrote" >&2; return 1; }
  echo "$number"
}

# calculate EXPRESSION
calculate() {
  awk "BEGIN { print $1 }"
}
