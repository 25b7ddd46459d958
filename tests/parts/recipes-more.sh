# only where it is named: the other recipes: Debian 12 by UEFI, busybox, Debian 13 by its kernel, by UEFI, and by mkosi in a Debian 13 of its own
# shellcheck shell=bash disable=SC2034
. tests/parts/recipes.sh

# MIRROR: for mkosi, a mirror that has no security and debug archives beside it.
part() {
  export PROGRAM_TARGET=$TARGET/tmp/readme/target
  local tools="build-essential debhelper git cargo-web rustc-web rust-web-src musl-tools mmdebstrap erofs-utils fdisk qemu-system-x86 openssh-client python3 mkosi reprepro"
  check "packages" updater-cli/package/build-deb amd64
  # Two guests at a time.
  check "Debian 12 by UEFI, and busybox" tests/shell/beside.sh "hardware-profiles/recipes/debian-uefi/run bookworm" hardware-profiles/recipes/busybox/run
  check "Debian 13 by its kernel" hardware-profiles/recipes/debian/run trixie
  check "Debian 13 by UEFI" hardware-profiles/recipes/debian-uefi/run trixie
  check "mkosi, in a Debian 13" tests/recipes/fresh trixie sh -ec "apt-get update; apt-get install --yes $tools; export MIRROR='${MIRROR:-}'; hardware-profiles/recipes/mkosi/run"
}
