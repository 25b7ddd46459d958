# only where it is named: guests with systemd that update while nothing else runs, or merge packs, or apply a version live; 40 boots, half an hour
# shellcheck shell=bash disable=SC2034
packages=(apt binutils busybox-static cargo-web cgpt cpio e2fsprogs erofs-utils gdisk initramfs-tools-core kmod mmdebstrap musl-tools openssl python3-jsonschema qemu-system-x86 rust-web-src rustc-web squashfs-tools systemd xz-utils zstd)

part() {
  check "the static hook fits" tests/guest/build fits x86_64
  GUEST_BOOTS=$LOGS/guest-boots cargo_tests "guests" "${WHOLE[@]}" --test boot -- --nocapture --test-threads=2 offline:: packs::systemd apply_live::systemd
}
