#!/usr/bin/env bash
# document.sh FILE: runs the commands of a document, those of its blocks marked `sh`, in one shell from top to bottom, as a reader would.
set -euo pipefail

commands=$(awk '/^```sh$/ { inside = 1; next } /^```/ { inside = 0 } inside' "$1")
[[ -n $commands ]] || { echo "document.sh: $1 has no commands" >&2; exit 1; }
echo "$commands" | bash -exuo pipefail
