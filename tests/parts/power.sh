# power cuts in every act, at every write, and again in every recovery
# shellcheck shell=bash disable=SC2034
packages=()

part() {
  local alone=() target
  test_targets power
  # The laboratory itself is run alone: it uses every processor, and its numbers come last.
  for target in "${TARGETS[@]}"; do
    [[ $target == power || $target == --test ]] || alone+=(--test "$target")
  done
  cargo_tests "wrong writers are caught, failing drives survived" -p tests "${alone[@]}" -- --nocapture --test-threads=1
  cargo_tests "every act under every cut" -p tests --test power -- --nocapture
}
