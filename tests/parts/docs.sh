# rustdoc without a warning, the README's commands carried out, the released program's size, links
# shellcheck shell=bash disable=SC2034
packages=(cgpt cryptsetup-bin erofs-utils gdisk git openssl python3 squashfs-tools)

part() {
  check "rustdoc" env RUSTDOCFLAGS=-Dwarnings cargo doc --locked --workspace --no-deps --all-features
  check "each crate as crates.io would get it" cargo publish --locked --allow-dirty --workspace --dry-run --no-verify --quiet
  check "libupdate builds from its package" cargo package --locked --allow-dirty --offline --quiet -p libupdate -p libupdate-host-crypto
  cargo_tests "README and links" "${WHOLE[@]}" --test docs
  # Built by the README's first command, and beside it, where most of what it stands on is compiled.
  check "updater-cli fits, stripped, with TLS and zstd" tests/shell/fits.sh "$TARGET/tmp/readme/target/release/updater-cli" $((6 << 20))
  check "it hashes as veritysetup does" tests/shell/hashes.sh "$TARGET/tmp/readme/target/release/updater-cli"
  check "updater-cli without features is built" cargo build --locked --release -p updater-cli --no-default-features --target-dir "$TARGET/tmp/readme/target"
  check "it fits, with zstd" tests/shell/fits.sh "$TARGET/tmp/readme/target/release/updater-cli" $((2 << 20))
}
