# the core on bare machines and in C, and how small it is
# shellcheck shell=bash disable=SC2034
packages=(binutils cargo-web g++ gdisk libssl-dev lld llvm openssl pkg-config qemu-system-arm rust-web-src rustc-web valgrind)

ahead() {
  tests/firmware/build fits installer
  libupdate/c/build fits
}

part() {
  check "the slot chooser fits" tests/firmware/build fits chooser
  check "the installer fits" tests/firmware/build fits installer
  check "libupdate for C fits" libupdate/c/build fits
  check "libupdate for C, other machines" libupdate/c/build sizes aarch64-unknown-none-softfloat riscv64gc-unknown-none-elf x86_64-unknown-none
  cargo_tests "on an emulated Cortex-M4, and in C under valgrind" "${WHOLE[@]}" --test nostd -- --nocapture
}
