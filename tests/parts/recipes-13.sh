# only where it is named: the recipes with Debian 13; how long it takes was not measured yet
# shellcheck shell=bash disable=SC2034
. tests/parts/recipes.sh

part() {
  export PROGRAM_TARGET=$TARGET/tmp/readme/target
  check "packages" updater-cli/package/build-deb amd64
  check "Debian 13 by its kernel" hardware-profiles/recipes/debian/run trixie
  check "Debian 13 by UEFI" hardware-profiles/recipes/debian-uefi/run trixie
}
