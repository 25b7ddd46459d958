# Peak memory of the long acts for images of 64 MiB, 1 GiB and 8 GiB: up to 256 MiB of data, behind zeros that are written in the
# image of 1 GiB and a hole in that of 8 GiB. More data takes more time and no other path. And whether the acts end well where a cgroup gives them 24 MiB for everything, page cache and all.
# shellcheck shell=bash disable=SC2153,SC2154

memory_answer() {
  local mib image=$WORK/memory.img limited=0
  rm -rf "$RAW" "$ZSTD" "$WORK/new" "$WORK/swupdate" "$RAUC"/*.raucb "$DISK"
  "$BENCH/limited" true || limited=$?
  for mib in 64 1024 8192; do
    make_large_image "$mib" "$image"
    each_act "$mib" "$image" peak
    [[ $limited != 0 ]] || each_act "$mib" "$image" fits
    rm "$image"
  done
}

# make_large_image MIB FILE
make_large_image() {
  local data=$(($1 < 256 ? $1 : 256))
  data=$((data < MIB ? data : MIB))
  rm -f "$2"
  if (($1 > 1024)); then
    truncate -s "$(($1 - data))M" "$2"
  else
    head -c "$(($1 - data))M" /dev/zero >"$2"
  fi
  head -c "${data}M" "$IMAGE" >>"$2"
}

# each_act MIB IMAGE FUNCTION: FUNCTION gets a row and a command.
each_act() {
  local mib=$1 image=$2 how=$3 bundle=$WORK/memory.bundle
  "$how" create-raw "${CREATE[@]}" --version 2 --image "$image" --detached
  "$how" create-zstd "${CREATE[@]}" --version 2 --image "$image" --compression zstd -o "$bundle"
  "$how" verify-raw "${VERIFY[@]}" "$image"
  "$how" verify-zstd "${VERIFY[@]}" "$bundle"
  new_disk "$(slot_mib "$mib")"
  "$how" install-raw "${ON_DISK[@]}" install "$image"
  new_disk "$(slot_mib "$mib")"
  "$how" install-zstd "${ON_DISK[@]}" install "$bundle"
  rm "$DISK" "$bundle"
}

peak() {
  local row=$1
  shift
  # No clock: nobody else has to stop.
  BENCH_WRAP="" measure "memory-$row" "$@"
  note "peak-$row" "$(calculate "$(last_field 3) / 1024")"
}

fits() {
  local row=$1
  shift
  BENCH_WRAP="" measure "limited-$row" "$BENCH/limited" "$@"
  note limited 1
}
