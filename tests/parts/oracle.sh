# integration tests with foreign tools as oracles
# shellcheck shell=bash disable=SC2034
packages=(cgpt cryptsetup-bin erofs-utils fdisk gdisk git openssl squashfs-tools)

# Test files of package `tests` that other parts run.
ELSEWHERE=" firmware house layers links readme tally "

part() {
  local file name targets=(--lib)
  for file in tests/tests/*.rs; do
    name=$(basename "$file" .rs)
    [[ $ELSEWHERE == *" $name "* ]] || targets+=(--test "$name")
  done
  cargo_tests "package tests" -p tests "${targets[@]}"
}
