# the catalogue of GPT cases, and what other readers see after a cut
# shellcheck shell=bash disable=SC2034
packages=(cgpt cryptsetup-bin diffutils erofs-utils fdisk gdisk grub-common mount openssl squashfs-tools)

part() {
  test_targets conformance
  check "updater-cli builds" cargo build --locked -p updater-cli
  cargo_tests "GPT conformance and foreign readers" -p tests "${TARGETS[@]}"
}
