#!/usr/bin/env bash
# fits.sh FILE BYTES: fails where a program is larger than that, as it is shipped.
set -euo pipefail

bytes=$(stat -c %s "$1")
echo "result: $(basename "$1"): $bytes bytes of at most $2"
[[ $bytes -gt 0 && $bytes -le $2 ]]
