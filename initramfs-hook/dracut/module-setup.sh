#!/bin/bash
# dracut: what the image needs. Installed with its scripts as /usr/lib/dracut/modules.d/95updater. A machine with a profile gets it;
# without one it is `dracut --add updater`, and then a hook.config has to be there.

check() {
  require_binaries /usr/lib/updater/initramfs-hook || return 1
  [[ -e /etc/updater/profile.toml || -e /etc/updater/hook.config ]] || return 255
}

depends() {
  echo base
}

installkernel() {
  hostonly='' instmods dm-verity erofs squashfs ext4 overlay efivarfs
}

install() {
  inst_binary /usr/lib/updater/initramfs-hook /sbin/initramfs-hook
  # dracut goes on where a module fails, and would make an image that boots nothing: it ends here, and the image before stays.
  # shellcheck disable=SC2154
  /usr/lib/updater/updater-hook-config "$initdir/etc/updater/hook.config" || exit 1
  # shellcheck disable=SC2154
  inst_hook cmdline 95 "$moddir/updater-root.sh"
  # shellcheck disable=SC2154
  inst_hook mount 10 "$moddir/updater-mount.sh"
  local hook
  # With systemd in the image and `rd.shell=0` it is the second one.
  for hook in emergency shutdown-emergency; do
    # shellcheck disable=SC2154
    inst_hook "$hook" 10 "$moddir/updater-restart.sh"
  done
  # systemd, where it cannot run the slot's init, would stop for ever.
  # shellcheck disable=SC2154
  mkdir -p "$initdir/etc/systemd/system.conf.d"
  printf '[Manager]\nCrashReboot=yes\n' >"$initdir/etc/systemd/system.conf.d/updater.conf"
}
