# How long each test took. The stable libtest tells only when a test ended; it begins them in the order of their names, one
# whenever another ends, so tests/shell/times.awk finds when each began.
# shellcheck shell=bash

# stamp_lines LOG RUNNING: each line that tells of a test, with the time it was read at; until the file RUNNING is gone, or this run.
stamp_lines() {
  local line='' piece
  while :; do
    if IFS= read -r piece; then
      line+=$piece
      case $line in
        'running '* | 'test '* | ok | FAILED) printf '%s %s\n' "${EPOCHREALTIME/,/.}" "$line" ;;
      esac
      line=''
    elif line+=$piece; [[ -e $2 ]] && kill -0 $$; then
      sleep 0.1
    elif [[ -n $piece ]] || ! IFS= read -r piece; then
      return
    fi
  done <"$1"
}

# timed LOG COMMAND...: quietly, with the time of each test added to $TIMES.
timed() {
  local log=$1 stamper
  shift
  : >"$log"
  : >"$log.running"
  stamp_lines "$log" "$log.running" >"$log.stamps" &
  stamper=$!
  quietly "$log" "$@" || true
  rm "$log.running"
  wait "$stamper"
  awk -v part="$PART" -v threads="$(threads_of "$@")" -f tests/shell/times.awk "$log.stamps" >>"$TIMES"
  rm "$log.stamps"
}

# How many tests a command runs at once.
threads_of() {
  local argument threads
  threads=$(nproc)
  for argument in "$@"; do
    case $argument in --test-threads=*) threads=${argument#*=} ;; esac
  done
  echo "$threads"
}

# The ten tests that took longest, of all parts.
show_slowest() {
  [[ -s $TIMES ]] || return 0
  echo
  echo "the slowest tests"
  LC_ALL=C sort -rn "$TIMES" | sed -n 1,10p
}
