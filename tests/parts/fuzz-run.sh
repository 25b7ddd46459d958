# only where it is named: fuzz targets, 60 s each or FUZZ_SECONDS=N: random bytes, and random lives against the rules
# shellcheck shell=bash disable=SC2034
packages=(g++)

part() {
  local name
  check "the targets are built" fuzz/run build
  # Each takes one processor.
  for name in gpt superblock_geometry manifest bundle_stream delta pack profile c acts; do
    [[ $(jobs -rp | wc -l) -lt $(nproc) ]] || wait -n || true
    check "$name" fuzz/run "$name" "${FUZZ_SECONDS:-60}" &
  done
  wait
}
