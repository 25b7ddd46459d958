# Installing with updater-cli into slot b of a disk image file.
# shellcheck shell=bash disable=SC2034,SC2154

DISK=$WORK/disk.img
RAW=$WORK/update.bundle
ZSTD=$WORK/update-zstd.bundle
PROFILE=$WORK/bench.toml
ON_DISK=("$UPDATER" --quiet --profile "$PROFILE" --trust "$WORK/bench.pub" --disk "$DISK" --json)
CREATE=("$UPDATER" bundle create --quiet --compatible bench --key "$WORK/bench.key" --force)
VERIFY=("$UPDATER" --quiet --trust "$WORK/bench.pub" verify)

# new_disk SLOT_MIB [SIZE]: a disk with a small system in slot a, and nothing but holes in slot b.
new_disk() {
  sed "s/qemu-x86_64/bench/; s/512M/${1}M/" "$BENCH/../../hardware-profiles/qemu-x86_64.toml" >"$PROFILE"
  rm -f "$DISK"
  "${ON_DISK[@]}" provision --size "${2:-$((2 * $1 + 64))M}" "$WORK/first.bundle" >/dev/null
}

# slot_mib MIB: for an image of that size: 1 % for the hash tree, and the trailer.
slot_mib() {
  echo $(($1 + $1 / 100 + 2))
}

# The disk as it was when it was new, but with foreign data in every block of slot b.
old_disk() {
  local start sectors
  write_at 0 <"$WORK/table"
  write_at $(($(stat -c %s "$DISK") - 1048576)) <"$WORK/backup"
  read -r start sectors < <(partx --show --noheadings --output START,SECTORS --nr 2 "$DISK")
  { tail -c +1048577 "$IMAGE"; cat "$IMAGE"; } | (head -c $((sectors * 512)); cat >/dev/null) | write_at $((start * 512))
}

# write_at BYTE: stdin into the disk file.
write_at() {
  dd "of=$DISK" bs=1M iflag=fullblock oflag=seek_bytes "seek=$1" conv=notrunc,fdatasync status=none
}

# measure_install ROW SOURCE: all of it, the part until every byte is durable, and the read-back. Leaves its user time in USER_TIME.
measure_install() {
  local write flush read_back
  measure "$1" "${ON_DISK[@]}" install "$2"
  USER_TIME=$(last_field 5)
  write=$(json_number write)
  flush=$(json_number flush)
  read_back=$(json_number read_back)
  note "$1-durable" "$(calculate "$write + $flush")"
  note "$1-read-back" "$read_back"
}

updater_prepare() {
  "$UPDATER" keygen --out "$WORK" --name bench >/dev/null
  head -c 16M "$IMAGE" >"$WORK/first.img"
  "${CREATE[@]}" --image "$WORK/first.img" --version 1 -o "$WORK/first.bundle" >/dev/null
  "${CREATE[@]}" --image "$IMAGE" --version 2 --detached >/dev/null
  "${CREATE[@]}" --image "$IMAGE" --version 2 -o "$RAW" >/dev/null
  # Takes minutes: one figure is enough, and nobody else has to stop so long.
  BENCH_WRAP="" measure create-zstd "${CREATE[@]}" --image "$IMAGE" --version 2 --compression zstd -o "$ZSTD"
  new_disk "$(slot_mib "$MIB")"
  head -c 1M "$DISK" >"$WORK/table"
  tail -c 1M "$DISK" >"$WORK/backup"
}

updater_round() {
  local kept total fresh reading
  new_disk "$(slot_mib "$MIB")"
  warm "$IMAGE" "$RAW" "$ZSTD"
  measure_install install-new "$IMAGE"
  old_disk
  measure_install install "$IMAGE"
  note hash-install "$(calculate "2 * $(hashed_bytes) / $USER_TIME / 1e6")"
  old_disk
  measure_install install-bundle "$RAW"
  fresh=$(value_of install-bundle)
  reading=$(value_of install-bundle-read-back)
  old_disk
  measure_install install-zstd "$ZSTD"
  MEASURE_STATUS=7 measure install-equal "${ON_DISK[@]}" install "$ZSTD"
  old_disk
  half_install
  measure_install install-resumed "$RAW"
  kept=$(json_number kept_bytes)
  total=$(json_number total_bytes)
  note resumed-kept "$(calculate "$kept / $total")"
  note fresh-and-reading "$(calculate "$fresh + $reading * $kept / $total")"
}

# The source ends in the middle.
half_install() {
  local status=0
  head -c $(($(stat -c %s "$RAW") / 2)) "$RAW" | "${ON_DISK[@]}" install - &>/dev/null || status=$?
  [[ $status == 4 ]]
}
