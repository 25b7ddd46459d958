# fuzz targets: their seeds, and random lives against the rules; tests/run fuzz-run fuzzes
# shellcheck shell=bash disable=SC2034
packages=(g++)

part() {
  check "clippy" cargo clippy --locked --manifest-path fuzz/Cargo.toml --release --target-dir "$TARGET/fuzz" --all-targets -- -D warnings -D clippy::dbg_macro -D clippy::too_many_lines
  cargo_tests "the seeds" --manifest-path fuzz/Cargo.toml --release --target-dir "$TARGET/fuzz"
}
