# casync: chunks from a store on the same disk, nothing to take them from in the target.
# shellcheck shell=bash disable=SC2154

casync_prepare() {
  casync --store="$WORK/store.castr" make "$WORK/image.caibx" "$IMAGE" >/dev/null
}

# As swupdate, it does not flush.
casync_round() {
  rm -f "$WORK/new"
  measure casync "$BENCH/durable" "$WORK/new" \
    casync --store="$WORK/store.castr" extract "$WORK/image.caibx" "$WORK/new"
  installed "$WORK/new"
  rm "$WORK/new"
}
