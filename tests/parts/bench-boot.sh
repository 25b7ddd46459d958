# only where it is named: what a boot costs, beside Debian's own ways to dm-verity, and a fallback; 20 minutes, 2 GiB
# shellcheck shell=bash disable=SC2034
packages=(apt bc binutils bison busybox-static cargo-web cpio cryptsetup-bin dosfstools dpkg-dev dracut-core erofs-utils flex gcc
  gcc-aarch64-linux-gnu initramfs-tools-core kmod libc6-dev-arm64-cross libssl-dev lld make mtools musl-tools openssl ovmf
  qemu-system-arm qemu-system-x86 rust-web-src rustc-web systemd systemd-boot-efi udev util-linux xxd xz-utils zstd)

part() {
  local table=$LOGS/bench-boot-table.md status=0
  check "updater-cli, as it is released" cargo build --locked --release -p updater-cli
  check "the static hook fits, on x86-64 and on ARMv8" tests/guest/build fits x86_64 aarch64
  check "the boot application of UEFI fits" initramfs-hook/uefi/build fits
  # Its progress is shown as it goes: nobody waits 20 minutes before an empty screen.
  tests/bench/boot/run "$TARGET/release/updater-cli" "$(tests/guest/build programs)" direct uefi u_boot >"$table" || status=$?
  cat "$table"
  if [[ $status == 0 ]]; then count 1 0 "every guest booted; the table is in $table"; else count 0 1 "some did not boot"; fi
}
