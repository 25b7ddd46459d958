# the real program: oracles after each act, and bad input
# shellcheck shell=bash disable=SC2034
packages=(cgpt cryptsetup-bin diffutils erofs-utils fdisk gdisk mount openssl squashfs-tools)

part() {
  local file name targets=()
  for file in tests/tests/*.rs; do
    name=$(basename "$file" .rs)
    case $name in
      spine_oracle | slot_oracle | bad_* | install_*) targets+=(--test "$name") ;;
    esac
  done
  cargo_tests "updater-cli as it is run" -p tests "${targets[@]}"
}
