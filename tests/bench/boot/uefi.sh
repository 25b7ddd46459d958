# OVMF: our application and the slot's kernel, beside a kernel that the firmware starts by itself. Both kernels are UKIs; the second one's
# initramfs opens the image with veritysetup.
# shellcheck shell=bash disable=SC2034,SC2153,SC2154

UEFI_OWN=(disk table try signature floor blocks)
UEFI_PARTITIONS='
[[partition]]
role = "boot"
label = "boot-{slot}"
type = "0fc63daf-8483-4772-8e79-3d69d8477de4"
size = "24M"

[[partition]]
label = "esp"
type = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
size = "36M"
'
# Where the package ovmf has it.
OVMF=/usr/share/OVMF

uefi_prepare() {
  local folder data tree
  folder=$("$ROOT/tests/shell/unpack.sh" linux-image-cloud-amd64)
  profile uefi "$UEFI_PARTITIONS" $'hand-over = "kexec"\npayload = "boot"'
  hook_initramfs uefi "$WORK/uefi-hook.initramfs" "$PROGRAMS/initramfs-hook" "$folder" virtio_pci virtio_blk dm-verity erofs efivarfs
  verity_initramfs "$WORK/uefi-verity.initramfs" "$folder" virtio_pci virtio_blk dm-verity erofs efivarfs
  root "$WORK/uefi-one.erofs" musl-gcc /bin/busybox 1.0
  root "$WORK/uefi-panics.erofs" musl-gcc /bin/busybox 3.0 panics
  uki "$(kernel "$folder")" "$WORK/uefi-hook.initramfs" "" "$WORK/hook.uki"
  on uefi "$WORK/uefi.disk" provision --size 160M "$(bundle uefi 1.0 "$WORK/uefi-one.erofs" "$WORK/hook.uki")"
  veritysetup format --root-hash-file="$WORK/uefi-hash" "$WORK/uefi-one.erofs" "$WORK/uefi-tree" >/dev/null
  fill "$WORK/uefi.disk" data "$WORK/uefi-tree"
  read -r data _ < <(partition "$WORK/uefi.disk" root-a)
  read -r tree _ < <(partition "$WORK/uefi.disk" data)
  uki "$(kernel "$folder")" "$WORK/uefi-verity.initramfs" \
    "bench.way=verity bench.data=/dev/vda$data bench.tree=/dev/vda$tree roothash=$(cat "$WORK/uefi-hash")" "$WORK/verity.uki"
  on uefi /dev/null hook-config -o "$WORK/uefi.config"
  "$ROOT/initramfs-hook/uefi/build" with "$WORK/uefi.config" "$WORK/updater.efi"
  cp "$WORK/uefi.disk" "$WORK/uefi-verity.disk"
  esp "$WORK/verity.uki" "$WORK/uefi-verity.disk"
  esp "$WORK/updater.efi" "$WORK/uefi.disk"
  cp "$WORK/uefi.disk" "$WORK/uefi-panics.disk"
  on uefi "$WORK/uefi-panics.disk" install "$(bundle uefi 3.0 "$WORK/uefi-panics.erofs" "$WORK/hook.uki")"
}

# uki KERNEL INITRAMFS WORDS FILE: at the places that systemd-stub(7) gives them.
uki() {
  echo "console=ttyS0 $WORDS $3" >"$4.cmdline"
  echo ID=bench >"$4.osrel"
  objcopy --add-section ".osrel=$4.osrel" --change-section-vma .osrel=0x20000 \
    --add-section ".cmdline=$4.cmdline" --change-section-vma .cmdline=0x30000 \
    --add-section ".linux=$1" --change-section-vma .linux=0x2000000 \
    --add-section ".initrd=$2" --change-section-vma .initrd=0x4000000 /usr/lib/systemd/boot/efi/linuxx64.efi.stub "$4"
}

# esp APPLICATION DISK: what the firmware starts.
esp() {
  local file=$1.esp
  truncate -s 36M "$file"
  mkfs.vfat "$file" >/dev/null
  mmd -i "$file" ::/EFI ::/EFI/BOOT
  mcopy -i "$file" "$1" ::/EFI/BOOT/BOOTX64.EFI
  fill "$2" esp "$file"
}

uefi_round() {
  uefi_boots uefi-verity uefi-verity
  note uefi-verity "$(calculate "$(at 'bench: init runs') - $(at 'qemu starts')")"
  uefi_boots uefi uefi
  note uefi "$(calculate "$(at 'bench: init runs') - $(at 'qemu starts')")"
  phases uefi "${UEFI_OWN[@]}"
  adds uefi-adds uefi uefi-verity
  uefi_counted
  uefi_boots uefi-panic uefi-panics
  falls_back uefi
}

uefi_counted() {
  local TCG=("${COUNTED[@]}")
  uefi_boots uefi-counted uefi
  phases uefi-counted "${UEFI_OWN[@]}"
}

# uefi_boots ROW DISK
uefi_boots() {
  fresh "$WORK/$2.disk"
  cp "$OVMF/OVMF_VARS_4M.fd" "$WORK/variables"
  guest "${X86[@]}" "${EVERY[@]}" "${TCG[@]}" -drive "if=pflash,format=raw,unit=0,readonly=on,file=$OVMF/OVMF_CODE_4M.fd" \
    -drive "if=pflash,format=raw,unit=1,file=$WORK/variables" "${DRIVE[@]}"
  own_clock "$1"
}
