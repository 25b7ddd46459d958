# U-Boot with the command `updater`, on qemu's ARMv8 machine. Words that are typed before the boot take its steps one by one; the
# serial console tells when each has ended.
# shellcheck shell=bash disable=SC2034,SC2153,SC2154

U_BOOT_PARTITIONS='
[[partition]]
role = "boot"
label = "boot-{slot}"
type = "0fc63daf-8483-4772-8e79-3d69d8477de4"
size = "24M"
'

u_boot_prepare() {
  local folder busybox built start size
  folder=$("$ROOT/tests/shell/unpack.sh" linux-image-cloud-arm64 bookworm arm64)
  busybox=$("$ROOT/tests/shell/unpack.sh" busybox-static bookworm arm64)/bin/busybox
  profile u_boot "$U_BOOT_PARTITIONS" 'spends-try = "boot-loader"'
  hook_initramfs u_boot "$WORK/u-boot.initramfs" "$("$ROOT/tests/guest/build" programs aarch64)/initramfs-hook" "$folder" \
    virtio_pci virtio_blk dm-verity sha256-arm64 erofs
  on u_boot /dev/null hook-config --c-header -o "$WORK/board.h"
  built=$("$ROOT/tests/guest/u-boot/build" "$WORK/board.h")
  fit "$built" "$(kernel "$folder")" "$WORK/u-boot.initramfs" "$WORK/boot.itb"
  root "$WORK/arm-one.erofs" aarch64-linux-gnu-gcc "$busybox" 1.0
  root "$WORK/arm-panics.erofs" aarch64-linux-gnu-gcc "$busybox" 3.0 panics
  on u_boot "$WORK/u-boot.disk" provision --size 128M "$(bundle u_boot 1.0 "$WORK/arm-one.erofs" "$WORK/boot.itb")"
  cp "$WORK/u-boot.disk" "$WORK/u-boot-panics.disk"
  on u_boot "$WORK/u-boot-panics.disk" install "$(bundle u_boot 3.0 "$WORK/arm-panics.erofs" "$WORK/boot.itb")"
  read -r _ start _ < <(partition "$WORK/u-boot.disk" boot-a)
  size=$(stat -c %s "$WORK/boot.itb")
  typed "$WORK/steps" "echo bench: begins; updater choose virtio 0; echo bench: chosen; updater spend virtio 0; echo bench: spent; \
updater verify virtio 0 a boot 46000000; virtio dev 0; echo bench: verified; \
virtio read 46000000 $(printf %x "$start") $(printf %x $((size / 512))); echo bench: read"
  cp "$built/u-boot.bin" "$WORK/u-boot.bin"
}

# fit BUILT KERNEL INITRAMFS FILE: as `tests/src/fit.rs` makes it.
fit() {
  gzip -1 -n -c "$2" >"$4.gz"
  PATH=$1/scripts/dtc:$PATH "$1/tools/mkimage" -f auto -A arm64 -O linux -T kernel -C gzip -a 0x40400000 -e 0x40400000 -n updater \
    -d "$4.gz" -i "$3" "$4" >/dev/null
}

# typed FILE WORDS: a second disk, whose words U-Boot of `tests/guest/u-boot` runs before it boots.
typed() {
  echo "typed=$2" >"$1"
  truncate -s 1M "$1"
}

u_boot_round() {
  u_boot_boots u-boot "$WORK/steps"
  between u-boot-choose 'bench: begins' 'bench: chosen'
  between u-boot-spend 'bench: chosen' 'bench: spent'
  between u-boot-verify 'bench: spent' 'bench: verified'
  at 'blocks read: OK' 2 >/dev/null
  between u-boot-read 'bench: verified' 'bench: read'
  # The last thing that is said before `updater boot` begins, and the first that it says.
  note u-boot-boot "$(calculate "$(at 'updater: slot a boots' 3) - $(at 'bench: read')")"
  processor ARMv8
  u_boot_boots u-boot-panics
  falls_back u-boot
}

# u_boot_boots DISK [WORDS]
u_boot_boots() {
  local more=()
  fresh "$WORK/$1.disk"
  [[ -z ${2:-} ]] || more=(-drive "file=$2,format=raw,if=none,id=words,snapshot=on" -device "virtio-blk-pci,drive=words")
  guest "${ARM[@]}" "${EVERY[@]}" "${TCG[@]}" -bios "$WORK/u-boot.bin" "${DRIVE[@]}" "${more[@]}"
}
