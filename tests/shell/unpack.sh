#!/usr/bin/env bash
# unpack.sh PACKAGE [SUITE ARCHITECTURE]: unpacks a Debian package, once, and prints its folder; for a package that only stands
# for a kernel, that kernel. Nothing is installed on the machine: guests run it. Of another suite or architecture it comes through
# an apt with a state of its own, so that the machine's does not learn of them.
set -euo pipefail

package=${1:?which package?}
suite=${2:-}
architecture=${3:-}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=${CARGO_TARGET_DIR:-$root/target}/guest/$package${suite:+-$suite-$architecture}

# shellcheck source-path=SCRIPTDIR
. "$root/tests/shell/packages.sh"
# shellcheck source-path=SCRIPTDIR
. "$root/tests/shell/apt_of.sh"

# The package with the content: one that stands for a kernel is empty and depends on it.
newest() {
  local kernel
  kernel=$(apt-cache depends "$package" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
  echo "${kernel:-$package}"
}

# The lists of packages may be missing, or older than the mirror.
download() {
  apt-get -qq download "$(newest)" && return
  [[ -z $suite ]] || return
  as_root apt-get -qq update
  apt-get -qq download "$(newest)"
}

# What `modprobe --show-depends` reads; /lib is a link in newer packages' systems, and not in the packages.
know_modules() {
  [[ -e $1/lib || ! -e $1/usr/lib/modules ]] || ln -s usr/lib "$1/lib"
  [[ ! -e $1/lib/modules ]] || depmod -b "$1" "$(ls "$1/lib/modules")"
}

if [[ ! -d $folder ]]; then
  mkdir -p "$(dirname "$folder")"
  # Whoever comes second waits, and finds it done.
  exec 9>"$folder.lock"
  flock 9
  if [[ ! -d $folder ]]; then
    work=$(mktemp -d -p "$(dirname "$folder")")
    trap 'rm -rf "$work"' EXIT
    [[ -z $suite ]] || apt_of "$work/apt" "$suite" "$architecture" >&2
    (cd "$work" && download && dpkg-deb -x ./*.deb unpacked) >&2
    know_modules "$work/unpacked" >&2
    chmod -R a+rX "$work/unpacked"
    mv "$work/unpacked" "$folder"
  fi
fi
echo "$folder"
