# integration tests with foreign tools as oracles
# shellcheck shell=bash disable=SC2034
packages=(cgpt cryptsetup-bin erofs-utils fdisk gdisk git openssl squashfs-tools)

# Whether another part runs this test file of package `tests`.
elsewhere() {
  case $1 in
    firmware | house | layers | links | readme | tally) true ;;
    spine_oracle | slot_oracle | bad_* | install_*) true ;;
    *) false ;;
  esac
}

part() {
  local file name targets=(--lib)
  for file in tests/tests/*.rs; do
    name=$(basename "$file" .rs)
    elsewhere "$name" || targets+=(--test "$name")
  done
  cargo_tests "package tests" -p tests "${targets[@]}"
}
