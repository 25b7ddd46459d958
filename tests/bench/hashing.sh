# Hashing per core: user time of `verify` from the page cache, beside openssl on the same core.
# shellcheck shell=bash disable=SC2154

hashing_answer() {
  local round bytes
  bytes=$(stat -c %s "$IMAGE")
  for ((round = 0; round < ROUNDS; round++)); do
    warm "$IMAGE"
    measure verify-one-core taskset -c 0 "${VERIFY[@]}" "$IMAGE"
    note hash-core "$(calculate "$bytes / $(last_field 5) / 1e6")"
    measure openssl-speed taskset -c 0 openssl speed -seconds 2 -bytes 16384 sha256
    note hash-openssl "$(awk '/^sha256/ { print $2 / 1000 }' "$RESULTS.out")"
  done
}
