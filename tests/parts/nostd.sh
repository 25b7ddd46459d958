# the core builds for bare machines, and fits a small one
# shellcheck shell=bash disable=SC2034
packages=(cargo-web gdisk lld llvm qemu-system-arm rust-web-src rustc-web)

part() {
  check "libupdate for x86_64-unknown-uefi, core only" tests/firmware/build core x86_64-unknown-uefi
  check "the slot chooser fits" tests/firmware/build fits chooser
  check "the installer fits" tests/firmware/build fits installer
  cargo_tests "both run on an emulated Cortex-M4" "${WHOLE[@]}" --test nostd -- --nocapture
}
