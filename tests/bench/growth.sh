# Seconds for each GiB of a small image and of large ones. The images repeat the first one; the installation takes its bundle
# from a pipe, so that the largest is not on the disk twice.
# shellcheck shell=bash disable=SC2154

SIZES=(64 512 1229 8192)

growth_answer() {
  local mib
  rm -rf "$RAW" "$ZSTD" "$WORK/new" "$WORK/swupdate" "$RAUC"/*.raucb
  for mib in "${SIZES[@]}"; do
    repeated "$mib" >"$WORK/grown"
    grown "create-$mib" "$mib" "${CREATE[@]}" --image "$WORK/grown" --version 2 --detached
    grown "verify-$mib" "$mib" "${VERIFY[@]}" "$WORK/grown"
    rm "$WORK/grown"
    new_disk "$(slot_mib "$mib")"
    { cat "$WORK/grown.manifest"; repeated "$mib"; } | grown "install-$mib" "$mib" "${ON_DISK[@]}" install -
    rm "$DISK"
  done
}

# grown ROW MIB COMMAND...
grown() {
  local row=$1 mib=$2
  shift 2
  measure "growth-$row" "$@"
  note "growth-$row-each" "$(calculate "$(last_field 2) * 1024 / $mib")" "$(last_field 3)" "$(last_field 4)"
}

# repeated MIB: that many of the image again and again.
repeated() {
  local left=$(($1 << 20)) size=$((MIB << 20))
  while ((left > 0)); do
    head -c "$left" "$IMAGE"
    left=$((left - size))
  done
}
