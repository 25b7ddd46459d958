# only where it is named: speed and memory beside dd, veritysetup, swupdate, RAUC, casync; 15 minutes, 12 GiB
# shellcheck shell=bash disable=SC2034
packages=(binutils casync cargo-web cpio cryptsetup-bin dbus-daemon erofs-utils fdisk musl-tools openssl
  python3 rauc rust-web-src rustc-web squashfs-tools swupdate time util-linux zstd)

part() {
  local table=$LOGS/bench-table.md status=0
  check "updater-cli, as it is released" cargo build --locked --release -p updater-cli
  check "its hasher alone" cargo build --locked --release -p libupdate-linux --example hasher
  check "the static hook fits" tests/guest/build fits
  # Its progress is shown as it goes: nobody waits 15 minutes before an empty screen.
  tests/bench/run "$TARGET/release/updater-cli" >"$table" || status=$?
  cat "$table"
  if [[ $status == 0 ]]; then count 1 0 "every contestant ran; the table is in $table"; else count 0 1 "some did not run"; fi
}
