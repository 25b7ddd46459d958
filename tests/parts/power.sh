# power cuts in every act, at every write, and again in every recovery
# shellcheck shell=bash disable=SC2034
packages=()

part() {
  cargo_tests "wrong writers are caught, failing drives survived" "${WHOLE[@]}" --test power -- --skip laboratory:: --nocapture --test-threads=2
  # The laboratory itself is run alone: it uses every processor, and its numbers come last.
  cargo_tests "every act under every cut" "${WHOLE[@]}" --test power -- laboratory:: --nocapture
}
