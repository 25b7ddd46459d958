# only where it is named: docs/START.md as it stands: an image from the packages, booted in qemu, updated from a server, and back
# shellcheck shell=bash disable=SC2034
packages=(apt binutils build-essential busybox-static cargo-web cpio debhelper dosfstools dpkg-dev e2fsprogs erofs-utils fdisk gcc git kmod make mmdebstrap mtools musl-tools openssh-client ovmf python3 python3-kconfiglib qemu-system-x86 rust-web-src rustc-web systemd-boot-efi util-linux)

# What is packaged is the commit.
part() {
  # What docs has built stays built.
  export PROGRAM_TARGET=$TARGET/tmp/readme/target
  check "docs/START.md: packages, and a Debian 12 by its kernel" tests/shell/document.sh docs/START.md
  check "the tree for Buildroot is read" tests/recipes/buildroot
}
