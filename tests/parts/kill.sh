# the program killed at each write and at random moments, and on disks that fail
# shellcheck shell=bash disable=SC2034
packages=(diffutils erofs-utils openssl squashfs-tools strace)

part() {
  # The tests see to it themselves; here its time is not taken for theirs.
  check "updater-cli builds" cargo build --locked "${WHOLE[@]}" --bin updater-cli --test layers
  cargo_tests "updater-cli under the knife" "${WHOLE[@]}" --test kill -- --nocapture --test-threads=2
}
