# the floors of the core, the house style, and that these scripts count right
# shellcheck shell=bash disable=SC2034
packages=(git)

part() {
  cargo_tests "floors, style, counting" "${WHOLE[@]}" --test layers
}
