# unit and documentation tests of every crate that ships
# shellcheck shell=bash disable=SC2034
packages=(e2fsprogs gdisk mount openssl perl-base util-linux)

part() {
  cargo_tests "every crate" "${WHOLE[@]}" --lib --bins
  cargo_tests "examples in the documentation" "${WHOLE[@]}" --doc
}
