# only where it is named: bytes that cross the link, beside xdelta3, zstd and casync; 45 minutes, 8 GiB
# shellcheck shell=bash disable=SC2034
packages=(casync erofs-utils lz4 mmdebstrap nginx-light python3 time xdelta3 xz-utils zstd)

part() {
  local table=$LOGS/delta-table.txt status=0
  check "updater-cli, as it is released" cargo build --locked --release -p updater-cli
  tests/bench/delta/run "$TARGET/release/updater-cli" "$TARGET/tests-run/delta" >"$table" || status=$?
  cat "$table"
  if [[ $status == 0 ]]; then count 1 0 "every tool ran; the table is in $table"; else count 0 1 "some did not run"; fi
}
