# What the figures belong to.
# shellcheck shell=bash disable=SC2154

describe_machine() {
  echo "- image: erofs of files of /usr, $MIB MiB; $ROUNDS rounds, each contestant once in each; medians"
  echo "- source: in the page cache, as a download leaves it; target: files on $(file_system)"
  echo "- cores: \`bundle create\` and \`verify\` hash on all of them, \`veritysetup\` on one"
  echo "- machine: $(nproc) x $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $(sha_extension), $(free -g | awk '/^Mem/ { print $2 }') GiB, Linux $(uname -r)"
  echo "- load when it ended: $(cut -d ' ' -f 1-3 /proc/loadavg); pressure (some, avg300): cpu $(pressure cpu), io $(pressure io)"
  echo "- versions: $("$UPDATER" --version) ($(git -C "$BENCH" rev-parse --short HEAD)), $(versions coreutils cryptsetup-bin openssl swupdate rauc casync squashfs-tools erofs-utils)"
}

file_system() {
  df --output=fstype,source "$WORK" | awk 'END { print $1 " of " $2 }'
}

sha_extension() {
  grep -qwE 'sha_ni|sha2' /proc/cpuinfo && echo "SHA instructions" || echo "no SHA instructions"
}

pressure() {
  sed -n 's/^some .*avg300=\([0-9.]*\).*/\1 %/p' "/proc/pressure/$1" 2>/dev/null || echo unknown
}

versions() {
  dpkg-query -W -f='${Package} ${Version}, ' "$@" 2>/dev/null | sed 's/, $//'
}
