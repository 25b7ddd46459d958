# Which part runs which test file of package `tests`: one table, so that each file is run, and once.
# shellcheck shell=bash

part_of() {
  case $1 in
    house | layers | tally) echo layers ;;
    demo | health | manual | spine_oracle | slot_oracle | bad_* | create_* | install_*) echo cli ;;
    conformance_* | foreign_readers) echo conformance ;;
    firmware) echo nostd ;;
    boot) echo boot ;;
    links | readme) echo docs ;;
    fault | kill) echo kill ;;
    power | power_*) echo power ;;
    *) echo oracle ;;
  esac
}

# test_targets PART: sets TARGETS to cargo's arguments for the part's test files.
test_targets() {
  local file name
  TARGETS=()
  for file in tests/tests/*.rs; do
    name=$(basename "$file" .rs)
    if [[ $(part_of "$name") == "$1" ]]; then TARGETS+=(--test "$name"); fi
  done
}
