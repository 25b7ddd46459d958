# What a copy costs that checks nothing.
# shellcheck shell=bash disable=SC2154

dd_round() {
  local copy=(dd "if=$IMAGE" bs=4M status=none)
  warm "$IMAGE"
  measure dd-new "${copy[@]}" "of=$WORK/new" conv=fsync
  rm "$WORK/new"
  measure dd "${copy[@]}" "of=$TARGET" conv=fsync,notrunc
  measure dd-direct "${copy[@]}" "of=$TARGET" oflag=direct conv=fsync,notrunc
}
