# rustdoc without a warning, the README's commands carried out, links
# shellcheck shell=bash disable=SC2034
packages=(cgpt cryptsetup-bin erofs-utils gdisk git openssl squashfs-tools)

part() {
  check "rustdoc" env RUSTDOCFLAGS=-Dwarnings cargo doc --locked --workspace --no-deps --all-features
  test_targets docs
  cargo_tests "README and links" -p tests "${TARGETS[@]}"
}
