# Steps of a bench: one that fails is told, and the rest goes on without it.
# shellcheck shell=bash disable=SC2154

say() { echo "bench: $*" >&2; }

# try FUNCTION: runs it where it is defined. No `if` and no `||` around the call: either would switch off `set -e` inside.
try() {
  local status
  declare -F "$1" >/dev/null || return 0
  set +e
  (set -e; "$1")
  status=$?
  set -e
  [[ $status != 0 ]] || return 0
  say "$1 FAILED with status $status"
  BROKEN=$((BROKEN + 1))
}

# Each contestant is prepared once, and has its turn in each round.
rounds() {
  local round name
  for name in "${CONTESTANTS[@]}"; do try "${name}_prepare"; done
  for ((round = 1; round <= ROUNDS; round++)); do
    sample_others
    for name in "${CONTESTANTS[@]}"; do
      say "round $round of $ROUNDS: $name"
      try "${name}_round"
    done
  done
}
