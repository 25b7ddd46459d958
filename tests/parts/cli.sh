# the real program: oracles after each act, and bad input
# shellcheck shell=bash disable=SC2034
packages=(bash busybox-static cgpt cryptsetup-bin diffutils docker-registry e2fsprogs erofs-utils fdisk gdisk groff-base libubootenv-tool mount nginx-light openssl python3-jsonschema squashfs-tools strace systemd time tinyproxy-bin u-boot-tools util-linux)

part() {
  # The tests see to it themselves; here its time is not taken for theirs.
  check "updater-cli builds" cargo build --locked "${WHOLE[@]}" --bin updater-cli --test layers
  cargo_tests "updater-cli as it is run" "${WHOLE[@]}" --test cli
}
