# Hashing per core: user time of `verify` from the page cache, beside openssl on the same core.
# shellcheck shell=bash disable=SC2016,SC2154

# User time is told in steps of 10 ms: several passes in one measurement make them small.
PASSES=5

hashing_answer() {
  local round bytes
  bytes=$(hashed_bytes)
  for ((round = 0; round < ROUNDS; round++)); do
    warm "$IMAGE"
    measure verify-one-core taskset -c 0 bash -c 'for ((left = $0; left > 0; left--)); do "$@" || exit; done' \
      "$PASSES" "${VERIFY[@]}" "$IMAGE"
    note hash-core "$(calculate "$bytes * $PASSES / $(last_field 5) / 1e6")"
    measure openssl-speed taskset -c 0 openssl speed -seconds 2 -bytes 16384 sha256
    note hash-openssl "$(awk '/^sha256/ { print $2 / 1000 }' "$RESULTS.out")"
  done
}

# Bytes of the image in blocks that are hashed: the digest of a block of zeros is known.
hashed_bytes() {
  python3 - "$IMAGE" <<'END'
import sys

with open(sys.argv[1], "rb") as image:
    print(sum(len(block) for block in iter(lambda: image.read(4096), b"") if block.strip(b"\0")))
END
}
