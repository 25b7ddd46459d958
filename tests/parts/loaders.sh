# only where it is named: guests whose boot loader chooses by itself: U-Boot, which is compiled, GRUB, systemd-boot, UEFI's BootNext; eight minutes
# shellcheck shell=bash disable=SC2034
. tests/parts/boot.sh

part() {
  check "the static hook fits, on x86-64 and on ARMv8" tests/guest/build fits x86_64 aarch64
  GUEST_BOOTS=$LOGS/guest-boots cargo_tests "guests" "${WHOLE[@]}" --test boot -- --nocapture --test-threads=3 "${LOADERS[@]}"
}
