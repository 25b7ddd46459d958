#!/usr/bin/env bash
# A program as it is released hashes as `veritysetup format` does, whatever its processor hashes side by side: its tests are built without optimization,
# and take another way on some processors.
#
#   hashes.sh UPDATER-CLI
set -euo pipefail

program=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

# Zeros, noise, and a tail that fills no batch.
{ head -c 20000000 /dev/urandom; head -c 8388608 /dev/zero; head -c 13000004 /dev/urandom; } >image
truncate -s %4096 image
salt=$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
"$program" keygen --quiet --out . --name k
"$program" bundle create --quiet --image image --version 1 --compatible c --key k.key --salt "$salt" -o bundle
ours=$("$program" info --json bundle | grep -o '"root_hash":"[0-9a-f]*"' | cut -d'"' -f4)
theirs=$(veritysetup format --salt "$salt" image tree | sed -n 's/^Root hash:[[:space:]]*//p')
echo "root hash: $ours"
[[ -n $ours && $ours == "$theirs" ]] || { echo "veritysetup says $theirs" >&2; exit 1; }
