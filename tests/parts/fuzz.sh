# fuzz targets, 12 s each or FUZZ_SECONDS=N: random bytes, and random lives against the rules
# shellcheck shell=bash disable=SC2034
packages=(g++)

part() {
  local name
  check "clippy" cargo clippy --locked --manifest-path fuzz/Cargo.toml --release --target-dir "$TARGET/fuzz" --all-targets -- -D warnings -D clippy::dbg_macro -D clippy::too_many_lines
  cargo_tests "the seeds" --manifest-path fuzz/Cargo.toml --release --target-dir "$TARGET/fuzz"
  check "the targets are built" fuzz/run build
  # Each takes one processor.
  for name in gpt superblock_geometry manifest bundle_stream delta profile c acts; do
    [[ $(jobs -rp | wc -l) -lt $(nproc) ]] || wait -n || true
    check "$name" fuzz/run "$name" "${FUZZ_SECONDS:-12}" &
  done
  wait
}
