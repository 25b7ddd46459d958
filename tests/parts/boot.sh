# boots of real kernels in qemu: updates, trials, every way to fall back
# shellcheck shell=bash disable=SC2034
packages=(apt bc binutils bison busybox-static cargo-web cgpt cpio dosfstools dpkg-dev dracut-core e2fsprogs erofs-utils flex gcc gcc-aarch64-linux-gnu gdisk grub-common grub-efi-amd64-bin initramfs-tools-core kmod libc6-dev-arm64-cross libssl-dev libubootenv-tool lld lz4 make mmdebstrap mtools musl-tools openssl ovmf python3-jsonschema qemu-system-arm qemu-system-x86 rust-web-src rustc-web sbsigntool squashfs-tools systemd systemd-boot-efi u-boot-tools xxd xz-utils zstd)
# Of the part loaders.
LOADERS=(uboot:: u_boot_env:: grub:: systemd_boot:: efi_boot_next::)

ahead() {
  tests/guest/build fits x86_64 aarch64
  initramfs-hook/uefi/build fits
}

part() {
  local boots
  check "the static hook fits, on x86-64 and on ARMv8" tests/guest/build fits x86_64 aarch64
  check "the boot application of UEFI fits" initramfs-hook/uefi/build fits
  export GUEST_BOOTS=$LOGS/guest-boots
  rm -f "$GUEST_BOOTS"
  # Those of the parts live and loaders take half an hour and eight minutes more. Three guests at once, as some wait: most take a processor and 256 MiB, those with systemd two and 1 GiB.
  cargo_tests "guests" "${WHOLE[@]}" --test boot -- --nocapture --test-threads=3 --skip offline:: --skip packs::systemd --skip apply_live::systemd "${LOADERS[@]/#/--skip=}"
  boots=$(wc -l <"$GUEST_BOOTS" || echo 0)
  echo "   guest boots: $boots"
}
