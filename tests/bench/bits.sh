# Small acts: a change of slot bits, and status of a large disk; beside them the start of a program that does nothing.
# shellcheck shell=bash disable=SC2154

TIMES=15

bits_answer() {
  local time booted=a hook
  new_disk "$(slot_mib "$MIB")"
  "${CREATE[@]}" --image "$WORK/first.img" --version 2 -o "$WORK/second.bundle" >/dev/null
  "${ON_DISK[@]}" install "$WORK/second.bundle" >/dev/null
  "${ON_DISK[@]}" --booted b mark-good >/dev/null
  for ((time = 0; time < TIMES; time++)); do
    measure start true
    measure flip "${ON_DISK[@]}" --booted "$booted" rollback
    [[ $booted == a ]] && booted=b || booted=a
  done
  new_disk 30000 64G
  for ((time = 0; time < TIMES; time++)); do
    measure status "${ON_DISK[@]}" status
  done
  rm "$DISK"
  note binary "$(calculate "$(stat -c %s "$UPDATER") / 1048576")"
  # Where a boot test or `tests/run bench` has built it.
  for hook in "${CARGO_TARGET_DIR:-$BENCH/../../target}"/guest/*-musl/hook/initramfs-hook; do
    [[ ! -e $hook ]] || note hook "$(calculate "$(stat -c %s "$hook") / 1024")"
  done
}
