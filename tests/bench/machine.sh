# What the figures belong to.
# shellcheck shell=bash disable=SC2154

# Above this, in percent of all processors, others decide the figures, and no goal is judged.
QUIET=10

# Waits two seconds, in which the bench does nothing, and writes down what share of the processors was busy: other programs, or other
# guests of the same machine.
sample_others() {
  local before
  sync -f "$WORK"
  before=$(busy_and_all)
  sleep 2
  echo "$before $(busy_and_all)" | awk '{ printf "%.0f\n", 100 * ($3 - $1) / ($4 - $2) }' >>"$WORK/others"
}

# user nice system idle iowait irq softirq steal: all but idle and iowait is somebody's.
busy_and_all() {
  awk '$1 == "cpu" { for (at = 2; at <= 9; at++) all += $at; print all - $5 - $6, all }' /proc/stat
}

others_most() {
  sort -n "$WORK/others" | tail -n 1
}

others_are_quiet() {
  (($(others_most) <= QUIET))
}

describe_machine() {
  others_are_quiet || printf '**A busy machine: others took up to %s %% of its processors while nothing was measured. No goal is judged.**\n\n' "$(others_most)"
  echo "- image: erofs of files of /usr, $MIB MiB; $ROUNDS rounds, each contestant once in each; medians"
  echo "- source: in the page cache, as a download leaves it; target: files on $(file_system)"
  echo "- cores: \`bundle create\` and \`verify\` hash on all of them, \`veritysetup\` on one"
  echo "- machine: $(nproc) x $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $(features), $(free -g | awk '/^Mem/ { print $2 }') GiB, Linux $(uname -r)"
  echo "- others took $(sort -n "$WORK/others" | head -n 1) to $(others_most) % of the processors in $(wc -l <"$WORK/others") samples while nothing was measured"
  echo "- load when it ended: $(cut -d ' ' -f 1-3 /proc/loadavg); pressure (some, avg300): cpu $(pressure cpu), io $(pressure io)"
  echo "- versions: $("$UPDATER" --version) ($(git -C "$BENCH" rev-parse --short HEAD)), $(versions coreutils cryptsetup-bin openssl swupdate rauc casync squashfs-tools erofs-utils)"
}

file_system() {
  df --output=fstype,source "$WORK" | awk 'END { print $1 " of " $2 }'
}

# What hashing can use.
features() {
  local name found=()
  for name in sha_ni avx avx2 avx512f avx512bw sha2; do
    ! grep -m 1 -E '^(flags|Features)' /proc/cpuinfo | grep -qw "$name" || found+=("$name")
  done
  echo "of its features ${found[*]:-none} for hashing"
}

pressure() {
  sed -n 's/^some .*avg300=\([0-9.]*\).*/\1 %/p' "/proc/pressure/$1" 2>/dev/null || echo unknown
}

versions() {
  dpkg-query -W -f='${Package} ${Version}, ' "$@" 2>/dev/null | sed 's/, $//'
}
