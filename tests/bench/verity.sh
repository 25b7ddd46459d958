# Hash trees made and checked, beside veritysetup.
# shellcheck shell=bash disable=SC2154

verity_round() {
  local hash=$WORK/verity.hash root=$WORK/verity.root
  warm "$IMAGE"
  rm -f "$hash" "$root"
  measure verity-format veritysetup format "--root-hash-file=$root" "$IMAGE" "$hash"
  measure create-detached "${CREATE[@]}" --version 2 --image "$IMAGE" --detached
  measure create "${CREATE[@]}" --version 2 --image "$IMAGE" -o "$RAW"
  warm "$IMAGE" "$RAW" "$ZSTD"
  measure verity-verify veritysetup verify "$IMAGE" "$hash" "$(cat "$root")"
  measure verify "${VERIFY[@]}" "$RAW"
  measure verify-zstd "${VERIFY[@]}" "$ZSTD"
}
