# A Debian for the recipes: its system, what makes it a device, its releases, and their life.
# shellcheck shell=bash

# system SUITE FILE: SYSTEM, a Debian of the packages that the file lists. It is made once, and kept for each list.
system() {
  local list key kept
  list=$(sed 's/#.*//' "$2" | xargs | tr ' ' ,)
  key=$(echo "$1 $list" | sha256sum | cut -c 1-8)
  SYSTEM=$(dirname "$OUT")/system-$1-$key
  [[ ! -e $SYSTEM ]] || return 0
  # What nobody reads on a device stays out.
  kept=$(printf -- '--dpkgopt=path-exclude=/usr/share/%s/* ' doc info locale man)
  as_root rm -rf --one-file-system "$SYSTEM.new"
  # shellcheck disable=SC2086
  as_root mmdebstrap --mode=root --variant=minbase --dpkgopt=force-unsafe-io $kept "--include=$list" "$1" "$SYSTEM.new" >"$OUT/system.log" 2>&1 ||
    { cat "$OUT/system.log" >&2; return 1; }
  as_root mv "$SYSTEM.new" "$SYSTEM"
}

# inside COMMAND...: in the device's root.
inside() {
  as_root env LC_ALL=C DEBIAN_FRONTEND=noninteractive chroot "$DEVICE" "$@" >>"$OUT/device.log" 2>&1 </dev/null ||
    { tail -n 40 "$OUT/device.log" >&2; fail "'$*' failed in the device's root"; }
}

# own_files FOLDER: into DEVICE, before the project's packages: the profile, the keys, the folder's files.
own_files() {
  as_root cp -R "$1/." "$DEVICE/"
  as_root mkdir -p "$DEVICE/etc/updater/trust" "$DEVICE/etc/updater/health.d" "$DEVICE/etc/initramfs-tools"
  as_root cp "$OUT/profile.toml" "$DEVICE/etc/updater/"
  as_root cp "$OUT/release.pub" "$DEVICE/etc/updater/trust/"
  as_root install -m 600 -D "$OUT/ssh.pub" "$DEVICE/root/.ssh/authorized_keys"
  # A check of each boot: nothing has failed.
  as_root ln -s /usr/share/updater/health.d/10-system "$DEVICE/etc/updater/health.d/"
  # qemu's PC has no watchdog that Debian's cloud kernel knows; a board's driver is listed in the same way.
  echo softdog | as_root tee -a "$DEVICE/etc/initramfs-tools/modules" >>"$OUT/device.log"
}

# machine_id: on /var, so that a device is the same in each boot, and its journal one. Empty and not missing: where it is missing, systemd
# takes each boot for the first one, whose id lasts only once it has been committed to a writable /etc.
machine_id() {
  as_root ln -sf /var/lib/machine-id "$DEVICE/etc/machine-id"
  as_root install -m 444 /dev/null "$DEVICE/var/lib/machine-id"
}

# device PROFILE FOLDER: DEVICE, the system with what is the device's own, and then the project's packages: they make its initramfs anew.
device() {
  DEVICE=$OUT/root
  cp "$1" "$OUT/profile.toml"
  : >"$OUT/device.log"
  as_root rm -rf --one-file-system "$DEVICE"
  as_root cp -a --reflink=auto "$SYSTEM" "$DEVICE"
  own_files "$2"
  machine_id
  as_root mkdir "$DEVICE/debs"
  # shellcheck disable=SC2046
  as_root cp $(debs) "$DEVICE/debs/"
  inside sh -c 'exec dpkg --install /debs/*.deb'
  as_root rm -r "$DEVICE/debs"
  inside systemctl enable app.service systemd-networkd.service
}

# release VERSION COMMAND: a bundle of the device's root, in which the device's own program runs that command.
release() {
  printf '#!/bin/sh\necho "app %s runs"\n%s\n' "$1" "$2" | as_root tee "$DEVICE/usr/lib/app" >>"$OUT/device.log"
  as_root chmod 755 "$DEVICE/usr/lib/app"
  bundle "$1" "$DEVICE"
}

# releases: three, which differ in one file; the third one's does not start.
releases() {
  release 1.0 'exec sleep infinity'
  release 2.0 'exec sleep infinity'
  release 3.0 'exit 1'
  done_with "three bundles, each $(($(stat -c %s "$OUT/1.0.bundle") >> 20)) MiB"
}

# life: the first boot; an update that is good; one that is not, and what the old one says about it.
life() {
  console_says 1 "updater: slot a boots: version 1.0"
  console_says 1 "healthy: 1 checks"
  shows 'a +good +1\.0' updater-cli status >>"$OUT/life.log"
  done_with "1.0 is up"
  on_device updater-cli --quiet install "http://10.0.2.2:$HTTP/2.0.bundle" || fail "2.0 is not installed"
  done_with "2.0 is installed"
  on_device reboot || true
  console_says 1 "updater: slot b boots: version 2.0, trial, 1 tries left"
  shows 'b +good +2\.0' updater-cli status >>"$OUT/life.log"
  done_with "2.0 is up, and marked good"
  shows '"state": *"fed"' updater-cli --json status >>"$OUT/life.log"
  on_device updater-cli --quiet install --reboot "http://10.0.2.2:$HTTP/3.0.bundle" || true
  console_says 1 "updater: slot a boots: version 3.0, trial, 1 tries left"
  done_with "3.0 is installed, and restarts"
  console_says 1 "updater: slot b boots: version 2.0, counted"
  # Why is said, too: the health check's name.
  shows 'a +exhausted +3\.0.*10-system' updater-cli status
  # And so is all that the failed boot wrote.
  shows 'app 3\.0 runs.*not healthy: 10-system' journalctl --quiet --boot=-1 --unit=app.service --unit=updater-mark-good.service
  done_with "2.0 is back, with the journal of 3.0"
  on_device poweroff || true
  wait "$MACHINE" || fail "the machine did not power off"
  done_with "power is off"
}
