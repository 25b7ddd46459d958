# Debian packages: built, linted, installed, upgraded and purged in a Debian 12 of their own
# shellcheck shell=bash disable=SC2034
packages=(apt binutils cargo-web cpio debhelper dpkg-dev gcc git kmod lintian make mmdebstrap musl-tools rust-web-src rustc-web)

# Each check goes on where the one before has ended. What is packaged is the commit, without what is not committed.
part() {
  local debs=$TARGET/deb root=$TARGET/packages/root
  # What docs and the first check here have built stays built.
  export CARGO_TARGET_DIR=$TARGET PROGRAM_TARGET=$TARGET/tmp/readme/target
  mkdir -p "$TARGET/packages"
  check "packages for amd64" updater-cli/package/build-deb amd64
  check "lintian" lintian --allow-root --fail-on error,warning "$debs"/updater_*_amd64.changes
  check "make install puts the same files there" tests/packages/same-files "$debs/tree" "$debs"/*_amd64.deb
  check "a Debian 12 with a kernel" tests/packages/root "$root"
  check "installed, they leave a machine without a profile as it is" tests/packages/life installed "$root" "$debs"/*_amd64.deb
  check "with a profile and its keys an initramfs has the hook" tests/packages/life configured "$root"
  check "one of dracut, too" tests/packages/life dracut "$root"
  check "upgraded" tests/packages/life upgraded "$root" "$debs"/*_amd64.deb
  check "purged, they leave nothing" tests/packages/life purged "$root"
}
