#!/usr/bin/env bash
# beside.sh COMMAND...: runs the commands, each one word, at once; fails where one fails, and shows what that one said.
set -uo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
running=()
for command in "$@"; do
  # shellcheck disable=SC2086
  $command >"$folder/${#running[@]}" 2>&1 &
  running+=($!)
done
failed=0
for index in "${!running[@]}"; do
  wait "${running[index]}" || failed=1
  cat "$folder/$index"
done
exit "$failed"
