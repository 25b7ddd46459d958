# A kernel that qemu starts, Debian 12's for clouds: the hook, and Debian's means to open the same image, each in three initramfs images.
# shellcheck shell=bash disable=SC2034,SC2153,SC2154

MODULES=(virtio_pci virtio_blk dm-verity erofs)
# Of the hook's phases those in which it works itself. The others are the kernel's: mounts, modules, the disk, mapping, mounting.
OWN=(table try signature floor blocks report)
# As `initramfs-hook/` has its glue, and as `tests/tests/boot/glue.rs` installs it.
DRACUT=(dracut -f --no-hostonly --tmpdir /var/tmp --compress zstd --drivers "virtio_pci virtio_blk dm-verity erofs")
DRACUT_MODULES="base systemd systemd-initrd dracut-systemd udev-rules kernel-modules fs-lib"

direct_prepare() {
  local folder
  folder=$("$ROOT/tests/shell/unpack.sh" linux-image-cloud-amd64)
  KERNEL=$(kernel "$folder")
  profile direct "" ""
  root "$WORK/one.erofs" musl-gcc /bin/busybox 1.0
  root "$WORK/two.erofs" musl-gcc /bin/busybox 2.0
  root "$WORK/panics.erofs" musl-gcc /bin/busybox 3.0 panics
  on direct "$WORK/good.disk" provision --size 128M "$(bundle direct 1.0 "$WORK/one.erofs")"
  with_debians_tree "$WORK/good.disk" "$WORK/one.erofs"
  cp "$WORK/good.disk" "$WORK/trial.disk"
  on direct "$WORK/trial.disk" install "$(bundle direct 2.0 "$WORK/two.erofs")"
  cp "$WORK/good.disk" "$WORK/panics.disk"
  on direct "$WORK/panics.disk" install "$(bundle direct 3.0 "$WORK/panics.erofs")"
  hook_initramfs direct "$WORK/hook.initramfs" "$PROGRAMS/initramfs-hook" "$folder" "${MODULES[@]}"
  verity_initramfs "$WORK/verity.initramfs" "$folder" "${MODULES[@]}"
  by_makers "$folder"
  declare -p KERNEL ROOT_HASH >"$WORK/direct.names"
}

# The same image behind a hash tree that veritysetup has made, on the partition for data: systemd-veritysetup of Debian 12 knows
# no tree behind its data.
with_debians_tree() {
  veritysetup format --root-hash-file="$WORK/root-hash" "$2" "$WORK/tree" >/dev/null
  fill "$1" data "$WORK/tree"
  ROOT_HASH=$(cat "$WORK/root-hash")
  [[ $(partition "$1" root-a) == "1 "* && $(partition "$1" data) == "3 "* ]]
}

# Images of initramfs-tools and dracut, in a mount namespace where the guests' kernel and our files look installed.
by_makers() {
  local files=$WORK/files
  mkdir -p "$files"/{lib/updater,lib/dracut/modules.d/95updater,etc/updater} "$files/etc/initramfs-tools"/{hooks,scripts/local-top}
  cp "$PROGRAMS/initramfs-hook" "$ROOT/initramfs-hook/updater-hook-config" "$files/lib/updater/"
  cp "$WORK/hook.initramfs.tree/etc/updater/hook.config" "$files/etc/updater/"
  cp "$ROOT"/initramfs-hook/dracut/* "$files/lib/dracut/modules.d/95updater/"
  printf 'MODULES=list\nBUSYBOX=auto\nCOMPRESS=zstd\nFSTYPE=auto\nRUNSIZE=10%%\n' >"$files/etc/initramfs-tools/initramfs.conf"
  printf 'virtio_pci\nvirtio_blk\n' >"$files/etc/initramfs-tools/modules"
  cp "$BOOT/tools-hook" "$files/etc/initramfs-tools/hooks/verity"
  cp "$BOOT/tools-local-top" "$files/etc/initramfs-tools/scripts/local-top/verity"
  installed_as "$1" mkinitramfs -d /etc/initramfs-tools -o "$WORK/tools-verity.initramfs"
  rm "$files/etc/initramfs-tools/hooks/verity" "$files/etc/initramfs-tools/scripts/local-top/verity"
  cp "$ROOT/initramfs-hook/initramfs-tools/hooks/updater" "$files/etc/initramfs-tools/hooks/"
  cp "$ROOT/initramfs-hook/initramfs-tools/scripts/updater" "$files/etc/initramfs-tools/scripts/"
  installed_as "$1" mkinitramfs -d /etc/initramfs-tools -o "$WORK/tools-hook.initramfs"
  installed_as "$1" "${DRACUT[@]}" -m "$DRACUT_MODULES systemd-veritysetup dm rootfs-block" "$WORK/dracut-verity.initramfs" --kver
  installed_as "$1" "${DRACUT[@]}" -m "$DRACUT_MODULES updater" "$WORK/dracut-hook.initramfs" --kver
}

# installed_as FOLDER COMMAND...: with the version of the kernel in this folder as its last word.
installed_as() {
  local folder=$1 version
  shift
  version=$(kernel "$folder")
  # shellcheck disable=SC2016
  unshare -m sh -e -c '
    mount -t overlay -o "lowerdir=$1/lib:$2/lib:/usr/lib" overlay /usr/lib
    mount -t overlay -o "lowerdir=$1/etc:/etc" overlay /etc
    mount --bind "$2/boot" /boot
    shift 2
    exec "$@"' installed "$WORK/files" "$folder" "$@" "${version##*/vmlinuz-}" >"$WORK/maker.log" 2>&1 || { cat "$WORK/maker.log" >&2; return 1; }
}

direct_round() {
  # shellcheck disable=SC1091
  . "$WORK/direct.names"
  local root="roothash=$ROOT_HASH root=/dev/mapper/root rootfstype=erofs ro"
  small ""
  adds hook-adds hook-all verity-all
  adds trial-adds trial-all verity-all
  boots tools-verity good tools-verity "$root"
  boots tools-hook good tools-hook
  adds tools-adds tools-hook-all tools-verity-all
  boots dracut-verity good dracut-verity "$root systemd.verity_root_data=/dev/vda1 systemd.verity_root_hash=/dev/vda3"
  boots dracut-hook good dracut-hook
  adds dracut-adds dracut-hook-all dracut-verity-all
  counted
  boots panic panics hook
  falls_back panic
}

counted() {
  local TCG=("${COUNTED[@]}")
  small counted-
}

# small PREFIX: each way to the root whose initramfs has no more than it takes.
small() {
  local tree="bench.data=/dev/vda1 bench.tree=/dev/vda3 roothash=$ROOT_HASH"
  boots "$1plain" good verity "$tree bench.way=plain"
  boots "$1verity" good verity "$tree bench.way=verity"
  boots "$1hook" good hook
  phases "$1hook" "${OWN[@]}"
  adds "$1hook-rest" "$1hook-initramfs" "$1hook-phases"
  boots "$1trial" trial hook
  phases "$1trial" "${OWN[@]}"
  adds "$1trial-rest" "$1trial-initramfs" "$1trial-phases"
}

# boots ROW DISK INITRAMFS [WORDS]
boots() {
  fresh "$WORK/$2.disk"
  guest "${X86[@]}" "${EVERY[@]}" "${TCG[@]}" -kernel "$KERNEL" -initrd "$WORK/$3.initramfs" -append "console=ttyS0 $WORDS ${4:-}" "${DRIVE[@]}"
  own_clock "$1"
  processor x86-64
}
