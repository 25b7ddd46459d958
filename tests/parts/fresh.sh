# only where it is named: docs/START.md in an empty Debian 12 and an empty Debian 13, ten minutes each
# shellcheck shell=bash disable=SC2034
packages=(git mmdebstrap util-linux)

part() {
  check "docs/START.md in an empty Debian 12" tests/recipes/fresh bookworm
  check "docs/START.md in an empty Debian 13" tests/recipes/fresh trixie
}
