# the D-Bus service: RAUC's own client and GLib's, on a bus of their own
# shellcheck shell=bash disable=SC2034
packages=(cgpt dbus-daemon erofs-utils libglib2.0-bin libxml2-utils mount openssl polkitd procps rauc rauc-service squashfs-tools systemd util-linux)

part() {
  # The tests see to it themselves; here its time is not taken for theirs.
  check "updater-cli builds" cargo build --locked "${WHOLE[@]}" --bin updater-cli --test layers
  check "updater-dbus builds" cargo build --locked "${WHOLE[@]}" --bin updater-dbus --test layers
  cargo_tests "clients of the service" "${WHOLE[@]}" --test dbus
}
