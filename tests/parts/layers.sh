# the floors of the core and the house style
# shellcheck shell=bash disable=SC2034
packages=(git)

part() {
  cargo_tests "floors and style" -p tests --test layers --test house
}
