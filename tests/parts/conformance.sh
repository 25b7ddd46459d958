# the catalogue of GPT cases, and what other readers see after a cut
# shellcheck shell=bash disable=SC2034
packages=(busybox-static cgpt cpio cryptsetup-bin diffutils erofs-utils fdisk gdisk grub-common kmod mount openssl qemu-system-x86 squashfs-tools)

part() {
  check "updater-cli builds" cargo build --locked "${WHOLE[@]}" --bin updater-cli --test layers
  # Unpacked, not installed: a guest runs it.
  check "a kernel for the guest" tests/shell/unpack.sh linux-image-cloud-amd64
  cargo_tests "GPT conformance and foreign readers" "${WHOLE[@]}" --test conformance
}
