#!/usr/bin/env bash
# An image of a root folder that does not depend on when and where it is made.
#
#   tests/bench/delta/images.sh ROOT IMAGE
set -euo pipefail

mkfs.erofs --quiet -T0 -U11111111-2222-3333-4444-555555555555 "$2" "$1"
# Bundles pad to whole blocks by themselves; other tools do not.
truncate -s %4K "$2"
