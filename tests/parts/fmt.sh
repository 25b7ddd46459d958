# every Rust file as rustfmt writes it
# shellcheck shell=bash disable=SC2034
packages=()

part() {
  check "the workspace" cargo fmt --all --check
  check "the firmware" cargo fmt --manifest-path tests/firmware/Cargo.toml --check
  check "the boot application" cargo fmt --manifest-path initramfs-hook/uefi/Cargo.toml --check
  check "the fuzz targets" cargo fmt --manifest-path fuzz/Cargo.toml --check
}
