#!/usr/bin/env bash
# kernel.sh PACKAGE: unpacks the kernel that this Debian package stands for, once, and prints its folder. Nothing is installed on
# the machine: guests run it.
set -euo pipefail

package=${1:?which package?}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=${CARGO_TARGET_DIR:-$root/target}/guest/$package

# shellcheck source-path=SCRIPTDIR
. "$root/tests/shell/packages.sh"

# The package that holds the kernel: PACKAGE itself is empty and depends on it.
newest() {
  apt-cache depends "$package" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1
}

# The lists of packages may be missing, or older than the mirror.
download() {
  local name
  name=$(newest)
  [[ -n $name ]] && apt-get -qq download "$name" && return
  as_root apt-get -qq update
  apt-get -qq download "$(newest)"
}

if [[ ! -d $folder ]]; then
  mkdir -p "$(dirname "$folder")"
  # Whoever comes second waits, and finds it done.
  exec 9>"$folder.lock"
  flock 9
  if [[ ! -d $folder ]]; then
    work=$(mktemp -d -p "$(dirname "$folder")")
    trap 'rm -rf "$work"' EXIT
    (cd "$work" && download && dpkg-deb -x ./*.deb unpacked) >&2
    chmod -R a+rX "$work/unpacked"
    mv "$work/unpacked" "$folder"
  fi
fi
echo "$folder"
