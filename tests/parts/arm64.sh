# only where it is named: Debian packages for arm64, built here, linted, their programs run in emulation; compiling them takes ten minutes
# shellcheck shell=bash disable=SC2034
packages=(apt cargo-web debhelper dpkg-dev gcc gcc-aarch64-linux-gnu git libc6-dev-arm64-cross lintian make qemu-user-static rust-web-src rustc-web)

part() {
  local debs=$TARGET/deb
  export CARGO_TARGET_DIR=$TARGET PROGRAM_TARGET=$TARGET/tmp/readme/target
  check "packages for arm64" updater-cli/package/build-deb arm64
  check "lintian" lintian --allow-root --fail-on error,warning "$debs"/updater_*_arm64.changes
  check "an ARMv8 Debian takes them, and runs their programs" tests/packages/foreign "$debs"/*_arm64.deb
}
