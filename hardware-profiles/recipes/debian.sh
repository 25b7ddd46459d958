# A Debian for the recipes: its system, what makes it a device, its releases, and their life.
# shellcheck shell=bash

# system SUITE FILE: SYSTEM, with the packages that the file lists, and the project's; made once. Its words of no use on a device stay out.
system() {
  local path include=() list
  SYSTEM=$(dirname "$OUT")/system-$1
  [[ ! -e $SYSTEM/etc/os-release ]] || return 0
  list=$(sed 's/#.*//' "$2" | xargs | tr ' ' ,)
  for path in $(debs); do include+=("--include=$path"); done
  for path in doc info locale man; do include+=("--dpkgopt=path-exclude=/usr/share/$path/*"); done
  as_root rm -rf "$SYSTEM.new"
  as_root mmdebstrap --mode=root --variant=minbase --dpkgopt=force-unsafe-io --hook-dir=/usr/share/mmdebstrap/hooks/file-mirror-automount \
    "--include=$list" "${include[@]}" "$1" "$SYSTEM.new" >"$OUT/system.log" 2>&1 || { cat "$OUT/system.log" >&2; return 1; }
  as_root mv "$SYSTEM.new" "$SYSTEM"
}

# device PROFILE FOLDER: DEVICE, a copy of the system with the profile, the keys, and the folder's files.
device() {
  DEVICE=$OUT/root
  cp "$1" "$OUT/profile.toml"
  as_root rm -rf "$DEVICE"
  as_root cp -a --reflink=auto "$SYSTEM" "$DEVICE"
  as_root cp -R "$2/." "$DEVICE/"
  as_root cp "$1" "$DEVICE/etc/updater/profile.toml"
  as_root cp "$OUT/release.pub" "$DEVICE/etc/updater/trust/"
  as_root install -m 600 -D "$OUT/ssh.pub" "$DEVICE/root/.ssh/authorized_keys"
  # A check of a boot: nothing has failed.
  as_root ln -s /usr/share/updater/health.d/10-system "$DEVICE/etc/updater/health.d/"
  # On /var, so that it is the same in each boot, and the journal one.
  as_root ln -sf /var/lib/machine-id "$DEVICE/etc/machine-id"
  # qemu's PC has no watchdog that Debian's cloud kernel knows; a board's driver is listed in the same way.
  echo softdog | as_root tee -a "$DEVICE/etc/initramfs-tools/modules" >>"$OUT/device.log"
  as_root chroot "$DEVICE" systemctl --quiet enable app.service systemd-networkd.service
  as_root chroot "$DEVICE" update-initramfs -u >>"$OUT/device.log" 2>&1 || { cat "$OUT/device.log" >&2; return 1; }
}

# release VERSION COMMAND: a bundle of the device's root, in which the device's own program runs that command.
release() {
  printf '#!/bin/sh\necho "app %s runs"\n%s\n' "$1" "$2" | as_root tee "$DEVICE/usr/lib/app" >>"$OUT/device.log"
  as_root chmod 755 "$DEVICE/usr/lib/app"
  bundle "$1" "$DEVICE"
}

# life: the first boot; an update that is good; one that is not, and what the old one says about it.
life() {
  console_says 1 "updater: slot a boots: version 1.0"
  shows '(^|\n)a +good +1\.0' updater-cli status >>"$OUT/life.log"
  done_with "1.0 is up"
  on_device updater-cli --quiet install "http://10.0.2.2:$HTTP/2.0.bundle" || fail "2.0 is not installed"
  done_with "2.0 is installed"
  on_device reboot || true
  console_says 1 "updater: slot b boots: version 2.0, trial, 1 tries left"
  shows '(^|\n)b +good +2\.0' updater-cli status >>"$OUT/life.log"
  done_with "2.0 is up, and marked good"
  shows 'app 1\.0 runs' journalctl --boot -1 --unit app >>"$OUT/life.log"
  shows 'fed' updater-cli --json status >>"$OUT/life.log"
  on_device updater-cli --quiet install --reboot "http://10.0.2.2:$HTTP/3.0.bundle" || true
  console_says 1 "updater: slot a boots: version 3.0, trial, 1 tries left"
  done_with "3.0 is installed, and restarts"
  console_says 1 "updater: slot b boots: version 2.0, counted"
  shows '(^|\n)a +exhausted +3\.0' updater-cli status
  done_with "2.0 is back"
  on_device poweroff || true
  wait "$MACHINE" || fail "the machine did not power off"
  done_with "power is off"
}
