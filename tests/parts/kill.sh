# the program killed at each write and at random moments, and on disks that fail
# shellcheck shell=bash disable=SC2034
packages=(diffutils erofs-utils openssl squashfs-tools strace)

part() {
  test_targets kill
  # The tests see to it themselves; here its time is not taken for theirs.
  check "updater-cli builds" cargo build --locked -p updater-cli
  cargo_tests "updater-cli under the knife" -p tests "${TARGETS[@]}" -- --nocapture --test-threads=2
}
