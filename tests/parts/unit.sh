# unit and documentation tests of every crate that ships, and the core's examples
# shellcheck shell=bash disable=SC2034
packages=(binutils cpio e2fsprogs gdisk mount openssl perl-base util-linux)

part() {
  cargo_tests "every crate" "${WHOLE[@]}" --lib --bins --test hostile
  cargo_tests "examples in the documentation" "${WHOLE[@]}" --doc
  check "examples of the core" cargo build --locked "${WHOLE[@]}" --examples
  check "example: boot" "$TARGET/debug/examples/boot"
  check "example: install" "$TARGET/debug/examples/install"
}
