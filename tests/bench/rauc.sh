# RAUC: bundles in format plain, as mksquashfs makes them and without compression; the service on a bus of its own.
# shellcheck shell=bash disable=SC2154

RAUC=$WORK/rauc

rauc_prepare() {
  mkdir "$RAUC" "$RAUC/mnt" "$RAUC/content"
  cd "$RAUC" || return
  openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=bench -days 30 2>/dev/null
  touch slot-a
  ln "$IMAGE" content/image.img
  printf '%s\n' '[update]' compatible=bench version=2 '[bundle]' format=plain '[image.rootfs]' filename=image.img >content/manifest.raucm
  rauc --cert cert.pem --key key.pem bundle content default.raucb &>log
  rauc --cert cert.pem --key key.pem --mksquashfs-args='-noI -noD -noF -noX' bundle content uncompressed.raucb &>log
  cat >system.conf <<END
[system]
compatible=bench
bootloader=noop
mountprefix=$RAUC/mnt
statusfile=$RAUC/status
bundle-formats=plain
[keyring]
path=$RAUC/cert.pem
check-purpose=any
[slot.rootfs.0]
device=$RAUC/slot-a
type=raw
bootname=a
[slot.rootfs.1]
device=$TARGET
type=raw
bootname=b
END
  dbus-daemon --session --fork --print-address=3 --print-pid=4 3>bus 4>bus.pid 2>>log
}

rauc_round() {
  rauc_install default
  rauc_install uncompressed
}

# rauc_install NAME: the work is the service's, so the memory and the writes are asked of it.
rauc_install() {
  local service
  export DBUS_SYSTEM_BUS_ADDRESS
  DBUS_SYSTEM_BUS_ADDRESS=$(cat "$RAUC/bus")
  rauc --conf="$RAUC/system.conf" --override-boot-slot=a service &>"$RAUC/service.log" &
  service=$!
  until rauc status &>/dev/null; do kill -0 "$service"; sleep 0.1; done
  warm "$RAUC/$1.raucb"
  scribble_target
  measure "rauc-$1-client" "$BENCH/durable" "$TARGET" rauc install "$RAUC/$1.raucb"
  note "rauc-$1" "$(last_field 2)" "$(awk '/^VmHWM/ { print $2 }' "/proc/$service/status")" \
    "$(awk '/^write_bytes/ { print $2 }' "/proc/$service/io")"
  kill "$service"
  wait "$service" || true
  cmp "$IMAGE" "$TARGET"
}

rauc_stop() {
  if [[ -s $RAUC/bus.pid ]]; then kill "$(cat "$RAUC/bus.pid")"; fi
}
