# integration tests with foreign tools as oracles
# shellcheck shell=bash disable=SC2034
packages=(cgpt cryptsetup-bin erofs-utils fdisk gdisk git grub-common libubootenv-tool openssl squashfs-tools u-boot-tools)

part() {
  cargo_tests "package tests" "${WHOLE[@]}" --test oracle
}
