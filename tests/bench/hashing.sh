# Hashing and unpacking per core: user time from the page cache, beside the hasher and `zstd -d` alone on the same core, in turn.
# shellcheck shell=bash disable=SC2016,SC2034,SC2154

# User time is told in steps of 10 ms: several passes in one measurement make them small.
PASSES=3
FRAMES=$WORK/frames.zst

# The image as `zstd` itself packs it, in frames of a chunk: what `zstd -d` does with them is all that unpacking takes.
hashing_prepare() {
  split -b 512K --filter='zstd -q -16 -c' "$IMAGE" >"$FRAMES"
}

hashing_round() {
  local hashed packed unpacking verifying one_stream
  hashed=$(hashed_bytes)
  warm "$IMAGE" "$ZSTD" "$FRAMES"
  on_one_core hash-alone "$HASHER" "$((hashed / 1048576))"
  note hash-alone-rate "$(calculate "int($hashed / 1048576) * 1048576 * $PASSES / $(last_field 5) / 1e6")"
  on_one_core verify-one-core "${VERIFY[@]}" "$IMAGE"
  verifying=$(last_field 5)
  note hash-verify "$(calculate "$hashed * $PASSES / $verifying / 1e6")"
  measure openssl-speed taskset -c 0 openssl speed -seconds 2 -bytes 16384 sha256
  one_stream=$(awk '/^sha256/ { print $2 / 1000 }' "$RESULTS.out")
  note hash-openssl "$one_stream"
  on_one_core unpack-alone zstd -q -d -c "$FRAMES"
  note unpack-alone-rate "$(calculate "$(stat -c %s "$IMAGE") * $PASSES / $(last_field 5) / 1e6")"
  on_one_core verify-zstd-one-core "${VERIFY[@]}" "$ZSTD"
  # Beside unpacking it hashes what comes out, as above, and what is carried, in one stream.
  packed=$(stat -c %s "$ZSTD")
  unpacking=$(calculate "$(last_field 5) - $verifying - $packed * $PASSES / $one_stream / 1e6")
  note unpack-verify "$(calculate "$(stat -c %s "$IMAGE") * $PASSES / $unpacking / 1e6")"
}

# on_one_core ROW COMMAND...: as many times as there are passes.
on_one_core() {
  local row=$1
  shift
  measure "$row" taskset -c 0 bash -c 'for ((left = $0; left > 0; left--)); do "$@" >/dev/null || exit; done' "$PASSES" "$@"
}

# Bytes of the image in blocks that are hashed: the digest of a block of zeros is known.
hashed_bytes() {
  [[ -s $WORK/hashed ]] || python3 - "$IMAGE" >"$WORK/hashed" <<'END'
import sys

with open(sys.argv[1], "rb") as image:
    print(sum(len(block) for block in iter(lambda: image.read(4096), b"") if block.strip(b"\0")))
END
  cat "$WORK/hashed"
}
