# A machine in qemu, and when its serial console said what.
# shellcheck shell=bash disable=SC2034,SC2153,SC2154

# The machines of `tests/run boot`: one processor, software emulation.
X86=(qemu-system-x86_64 -cpu max)
ARM=(qemu-system-aarch64 -M virt -cpu "max,pauth-impdef=on")
EVERY=(-smp 1 -m 768 -nodefaults -no-user-config -display none -serial stdio -monitor none)
TCG=(-accel "tcg,thread=multi")
# One instruction is one nanosecond of the guest's clock, whatever the machine below has to do: a millisecond is a million of them. Only
# the time that a guest waits for its disk, or sleeps, is still the machine's.
COUNTED=(-accel "tcg,thread=single" -icount "shift=0,sleep=on")
WORDS="quiet cryptomgr.notests panic=-1"
# A guest that has not ended by then hangs.
PATIENCE=400

# guest OPTION...: runs a machine until it powers itself off. $WORK/console gets each line of its console behind the second at which it
# ended, seconds since 1970; the first line is the start of qemu.
guest() {
  local status=0
  stamp "qemu starts" >"$WORK/console"
  # The pipe ends with qemu.
  timeout "$PATIENCE" "$@" 2>&1 | stamps >>"$WORK/console" || status=$?
  [[ $status == 0 ]] && grep -q 'bench: off' "$WORK/console" && return
  say "the guest did not power off ($status); its console ended with:"
  tail -n 40 "$WORK/console" >&2
  return 1
}

stamp() {
  echo "${EPOCHREALTIME/,/.} $1"
}

stamps() {
  local line
  while IFS= read -r line || [[ -n $line ]]; do stamp "${line//$'\r'/}"; done
}

# drive FILE: a virtio disk, as the tests have it. Sets DRIVE.
drive() {
  DRIVE=(-drive "file=$1,cache=writeback,format=raw,if=none,id=disk" -device "virtio-blk-pci,drive=disk")
}

# fresh DISK: a copy of it, so that each boot finds the same bits. Sets DRIVE.
fresh() {
  cp --sparse=always "$1" "$WORK/disk"
  drive "$WORK/disk"
}

# at TEXT [N]: the second at which the console said it, or said it for the Nth time.
at() {
  local second
  second=$(grep -aF -- "$1" "$WORK/console" | sed -n "${2:-1}s/ .*//p")
  [[ -n $second ]] || { echo "the console did not say '$1' ${2:-1} times" >&2; return 1; }
  echo "$second"
}

# between ROW TEXT TEXT: the seconds between two lines.
between() {
  local from to
  from=$(at "$2")
  to=$(at "$3")
  note "$1" "$(calculate "$to - $from")"
}

# What the guest's clock said, in the Nth boot: its kernel started at 0. `guest_time WORD [N]`
guest_time() {
  local second
  second=$(sed -n "s/.*bench: $1 at \([0-9.]*\)\$/\1/p" "$WORK/console" | sed -n "${2:-1}p")
  [[ -n $second ]] || { echo "the guest told no time of $1" >&2; return 1; }
  echo "$second"
}

# own_clock ROW [N]: ROW-all from the kernel's start to the first process of the slot, and ROW-initramfs, of it in the initramfs.
own_clock() {
  local run init
  run=$(guest_time run "${2:-1}")
  init=$(guest_time init "${2:-1}")
  note "$1-all" "$init"
  note "$1-initramfs" "$(calculate "$init - $run")"
}

# phases ROW OWN...: what our program said that each of its parts took, as ROW-NAME, the sum of those that are named as ROW-own, and of
# all as ROW-phases. It says whole milliseconds, and cuts off what is below.
phases() {
  local row=$1 line part sum=0
  shift
  line=$(sed -n 's/.*updater: \([0-9]* ms: \)/\1/p' "$WORK/console" | head -n 1)
  [[ -n $line ]] || { echo "no phases were said" >&2; return 1; }
  while read -r part; do
    note "$row-${part% *}" "$(calculate "${part##* } / 1000")"
    [[ " $* " != *" ${part% *} "* ]] || sum=$((sum + ${part##* }))
  done < <(tr ',' '\n' <<<"${line#* ms: }")
  note "$row-own" "$(calculate "$sum / 1000")"
  note "$row-phases" "$(calculate "${line%% *} / 1000")"
}

# adds ROW MINUEND SUBTRAHEND: the difference of what was measured last in two rows, which may be negative.
adds() {
  local of=()
  of=("$(last_of "$2")" "$(last_of "$3")")
  printf '%s\t%s\t\t\t\n' "$1" "$(calculate "${of[0]} - ${of[1]}")" >>"$RESULTS"
}

last_of() {
  awk -F '\t' -v row="$1" '$1 == row { value = $2 } END { if (value == "") exit 1; print value }' "$RESULTS"
}

# falls_back ROW: from the panic of a trial to the first process of the old slot, with one restart between them; ROW-wait, of it until the
# next kernel begins: the kernel's wait, the firmware, the boot loader.
falls_back() {
  local boots panic runs init
  boots=$(grep -acF 'bench: init runs' "$WORK/console")
  [[ $boots == 2 ]] || { echo "$boots slots ran" >&2; return 1; }
  at 'bench: release 1.0 runs' >/dev/null
  panic=$(at 'Kernel panic')
  runs=$(at 'bench: init runs' 2)
  init=$(guest_time init)
  note "$1-fallback" "$(calculate "$runs - $panic")"
  note "$1-wait" "$(calculate "$runs - $init - $panic")"
}

# processor NAME: which of the extensions that matter the guest has.
processor() {
  local has
  has=$(sed -n 's/.*bench: processor //p' "$WORK/console" | head -n 1)
  echo "$1: ${has:-none}" | sed 's/ *$//' >>"$WORK/processors"
}
