# Counting: what passed and failed, in which part, and how long it took.
# shellcheck shell=bash

# shellcheck source-path=SCRIPTDIR
. tests/shell/times.sh

# What cargo is told of packages, the same each time: libraries get the features that those packages ask for which are named, and
# would be compiled anew for others. With it goes a target of tests (`--test`, `--lib`), since features that only tests ask for count
# only then; `layers` is the smallest.
# shellcheck disable=SC2034
WHOLE=(--workspace --all-features)

begin_tally() {
  TALLY=$(mktemp)
  TIMES=$(mktemp)
  trap 'rm -f "$TALLY" "$TIMES"' EXIT
  trap 'exit 130' INT TERM
  STARTED=$SECONDS
}

# Prints the last line of the run. Fails where a check failed or none ran.
end_tally() {
  local passed failed
  read -r passed failed < <(sum "")
  show_slowest
  echo
  echo "took $((SECONDS - STARTED)) s"
  echo "$passed passed, $failed failed"
  [[ $failed == 0 && $passed -gt 0 ]]
}

begin_part() {
  PART=$1
  PART_STARTED=$SECONDS
  echo
  echo "== $PART: $(sed -n '1s/^# //p' "tests/parts/$PART.sh")"
}

end_part() {
  local passed failed
  read -r passed failed < <(sum "$PART")
  [[ $((passed + failed)) -gt 0 ]] || { count 0 1 "no check ran"; failed=1; }
  echo "   $PART: $passed passed, $failed failed in $((SECONDS - PART_STARTED)) s"
}

# count PASSED FAILED TITLE: adds to the tally, through a file, since parts run in subshells.
count() {
  local verdict=ok
  [[ $2 == 0 ]] || verdict=FAILED
  echo "${PART:-setup} $1 $2" >>"$TALLY"
  printf '   %-6s %s\n' "$verdict" "$3"
}

# Sums of passed and failed of one part, or of all.
sum() {
  awk -v part="$1" 'part == "" || $1 == part { passed += $2; failed += $3 } END { print passed + 0, failed + 0 }' "$TALLY"
}

# check TITLE COMMAND...: one check. The command's output is shown only when it fails, but for lines that begin with
# 'result: ', which are what a person wants to read.
check() {
  local title=$1 log began=$SECONDS
  shift
  log=$(log_file "$title")
  if quietly "$log" "$@"; then
    count 1 0 "$title$(since "$began")"
    show_results "$log"
  else
    count 0 1 "$title"
    show_end "$log"
  fi
}

# cargo_tests TITLE ARGUMENT...: runs `cargo test` and counts each test. A test binary that gives no result (a crash, an
# error of the build) counts as one failure, and so does an ignored test, or none at all.
cargo_tests() {
  local title=$1 log passed failed silent began=$SECONDS
  shift
  log=$(log_file "$title")
  timed "$log" cargo test --locked --no-fail-fast "$@"
  read -r passed failed silent < <(read_results "$log")
  if [[ $STATUS != 0 && $failed == 0 && $silent == 0 ]]; then failed=1; fi
  if [[ $passed == 0 && $failed == 0 ]]; then failed=1; fi
  count "$passed" "$((failed + silent))" "$title: $passed tests$(since "$began")"
  show_results "$log"
  [[ $((failed + silent)) == 0 ]] || show_end "$log"
}

# since BEGAN: the seconds that have passed, where there are some.
since() {
  [[ $SECONDS == "$1" ]] || echo ", $((SECONDS - $1)) s"
}

show_results() {
  sed -n 's/^result: /          /p' "$1"
}

# Passed, failed (an ignored test counts as one), and test binaries that began and gave no result.
read_results() {
  awk '
    /^ +(Running|Doc-tests) / { silent += open; open = 1 }
    /^test result: / { open = 0; passed += $4; failed += $6 + $8 }
    END { print passed + 0, failed + 0, silent + open }
  ' "$1"
}

# quietly LOG COMMAND...: runs it with its output in LOG; its status also in STATUS. The command is a program, not a function:
# a caller's `if` would switch off `set -e` inside one.
quietly() {
  local log=$1
  shift
  STATUS=0
  "$@" >"$log" 2>&1 </dev/null || STATUS=$?
  return "$STATUS"
}

log_file() {
  echo "$LOGS/$PART-$(tr -cs '[:alnum:]\n' - <<<"$1").log"
}

# show_end LOG: its last lines, without what went well.
show_end() {
  echo "   ----- the end of $1"
  sed -E '/^ +(Compiling|Checking|Download(ed|ing)|Documenting) /d; /^test .* \.\.\. ok$/d; s/^/   | /' "$1" | tail -n 120
  echo "   -----"
}
