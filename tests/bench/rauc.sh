# RAUC: bundles in format plain, as mksquashfs makes them and without compression; the service on a bus of its own.
# shellcheck shell=bash disable=SC2016,SC2154

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
  SERVICE=
  # A service that a failed installation left behind would answer in the next round.
  trap rauc_service_stop EXIT
  rauc_install default
  rauc_install uncompressed
}

# rauc_install NAME: the work is the service's, so the memory and the writes are asked of it.
rauc_install() {
  rauc_service_start
  warm "$RAUC/$1.raucb"
  scribble_target
  measure "rauc-$1-client" "$BENCH/durable" "$TARGET" rauc install "$RAUC/$1.raucb"
  note "rauc-$1" "$(last_field 2)" "$(awk '/^VmHWM/ { print $2 }' "/proc/$SERVICE/status")" \
    "$(awk '/^write_bytes/ { print $2 }' "/proc/$SERVICE/io")"
  rauc_service_stop
  installed "$TARGET"
}

# It has 30 seconds to answer.
rauc_service_start() {
  export DBUS_SYSTEM_BUS_ADDRESS
  DBUS_SYSTEM_BUS_ADDRESS=$(cat "$RAUC/bus")
  rauc --conf="$RAUC/system.conf" --override-boot-slot=a service &>"$RAUC/service.log" &
  SERVICE=$!
  if ! timeout 30 bash -c 'until rauc status; do kill -0 "$0" || exit; sleep 0.1; done' "$SERVICE" &>/dev/null; then
    { echo "the RAUC service does not answer:"; tail -n 20 "$RAUC/service.log"; } >&2
    return 1
  fi
}

rauc_service_stop() {
  [[ -n $SERVICE ]] || return 0
  kill "$SERVICE" || true
  wait "$SERVICE" || true
  SERVICE=
}

rauc_stop() {
  if [[ -s $RAUC/bus.pid ]]; then kill "$(cat "$RAUC/bus.pid")"; fi
}
