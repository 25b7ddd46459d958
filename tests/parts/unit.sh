# unit and documentation tests of every crate that ships
# shellcheck shell=bash disable=SC2034
packages=()

part() {
  cargo_tests "every crate" --workspace --exclude tests --all-features
}
