# What the guests are made of: keys, roots, bundles, disks, initramfs images.
# shellcheck shell=bash disable=SC2034,SC2153,SC2154

# What is in a root besides its first process.
APPLETS=(sh cat sed tr grep head dmesg poweroff sleep)
# What the first process of busybox's initramfs calls.
EARLY_APPLETS=(sh mount insmod sleep tr sed switch_root)

make_parts() {
  "$UPDATER" keygen --out "$WORK" --name bench >/dev/null
}

# profile NAME PARTITIONS BOOT: of one try, so that a trial that panics has had its only one.
profile() {
  cat >"$WORK/$1.toml" <<TOML
name = "bench"
compatible = "bench"

[slots]
names = ["a", "b"]
control = "root"
tries = 1
guard = 3

[[partition]]
role = "root"
label = "root-{slot}"
type = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
size = "16M"
attributes = ["no-auto"]
$2
[[partition]]
label = "data"
type = "0fc63daf-8483-4772-8e79-3d69d8477de4"
size = "rest"

[trust]
keys = ["bench.pub"]

[boot]
panic-seconds = 1
verbose = true
$3
TOML
}

# root FILE COMPILER BUSYBOX VERSION [panics]: an erofs with a first process, and 8 MiB that nobody reads.
root() {
  local tree=$1.tree applet
  mkdir -p "$tree"/{bin,sbin,etc,dev,proc,sys,run,tmp}
  cp "$3" "$tree/bin/busybox"
  for applet in "${APPLETS[@]}"; do ln -s busybox "$tree/bin/$applet"; done
  "$2" -static -Os -s -o "$tree/sbin/init" "$BOOT/first.c"
  install -m 0755 "$BOOT/tell" "$tree/sbin/tell"
  echo "$4" >"$tree/etc/release"
  # systemd in an initramfs hands over to nothing without it.
  echo ID=bench >"$tree/etc/os-release"
  [[ ${5:-} != panics ]] || touch "$tree/etc/panics"
  openssl enc -aes-128-ctr -K "$(printf '%032d' "${4%%.*}")" -iv 00 -in /dev/zero 2>/dev/null | head -c 8M >"$tree/noise" || true
  mkfs.erofs --quiet -T0 --all-root "$1" "$tree"
}

# bundle PROFILE VERSION ROOT [PAYLOAD]: prints its file.
bundle() {
  local file=$WORK/$1-$2.bundle more=()
  [[ -z ${4:-} ]] || more=(--payload "boot=$4")
  "$UPDATER" bundle create --quiet --image "$3" --version "$2" --compatible bench --key "$WORK/bench.key" "${more[@]}" -o "$file" >/dev/null
  echo "$file"
}

# on PROFILE DISK VERB...
on() {
  "$UPDATER" --quiet --profile "$WORK/$1.toml" --disk "$2" "${@:3}" >/dev/null
}

# partition DISK LABEL: its number, first sector and sectors.
partition() {
  partx --show --noheadings --output NR,START,SECTORS,NAME "$1" | awk -v label="$2" '$4 == label { print $1, $2, $3 }'
}

# fill DISK LABEL FILE
fill() {
  local start
  read -r _ start _ < <(partition "$1" "$2")
  dd "if=$3" "of=$1" bs=1M conv=notrunc oflag=seek_bytes "seek=$((start * 512))" status=none
}

# kernel FOLDER: of an unpacked package.
kernel() {
  echo "$1"/boot/vmlinuz-*
}

# modules TREE FOLDER NAME...: into an initramfs, with what they need, and their list.
modules() {
  local tree=$1 folder=$2 name version path
  shift 2
  version=$(kernel "$folder")
  version=${version##*/vmlinuz-}
  mkdir -p "$tree/modules" "$tree/etc/updater"
  for name in "$@"; do
    modprobe -d "$folder" -S "$version" --show-depends "$name" | sed -n 's/^insmod //p'
  done | awk '!seen[$1]++ { print $1 }' >"$tree.modules"
  while read -r path; do
    cp "$path" "$tree/modules/"
    echo "/modules/${path##*/}"
  done <"$tree.modules" >"$tree/etc/updater/modules"
}

# hook_initramfs PROFILE FILE HOOK FOLDER MODULE...: the hook is its first process.
hook_initramfs() {
  local tree=$2.tree
  modules "$tree" "$4" "${@:5}"
  cp "$3" "$tree/init"
  on "$1" /dev/null hook-config -o "$tree/etc/updater/hook.config"
  pack "$tree" "$2"
}

# verity_initramfs FILE FOLDER MODULE...: a shell script is its first process, and Debian's veritysetup with its libraries is there.
verity_initramfs() {
  local tree=$1.tree file applet
  modules "$tree" "${@:2}"
  mkdir -p "$tree"/{bin,sbin,dev,proc,sys,run,sysroot}
  cp /bin/busybox "$tree/bin/busybox"
  for applet in "${EARLY_APPLETS[@]}"; do ln -s busybox "$tree/bin/$applet"; done
  for file in /sbin/veritysetup $(ldd /sbin/veritysetup | grep -o '/[^ ]*'); do
    mkdir -p "$tree$(dirname "$file")"
    cp -L "$file" "$tree$file"
  done
  install -m 0755 "$BOOT/verity-init" "$tree/init"
  pack "$tree" "$1"
}

# pack TREE FILE: as the kernel unpacks it.
pack() {
  (cd "$1" && find . | cpio --quiet -o -H newc -R 0:0) >"$2"
}

# What the figures belong to.
describe_guests() {
  echo "- guests: \`-smp 1 -m 768\`, \`-accel tcg,thread=multi\`, \`-cpu max\` of qemu $(qemu-system-x86_64 --version | sed -n 's/.*version \([0-9.]*\).*/\1/p'); of the processor's extensions the guests have: $(sort -u "$WORK/processors" | paste -sd ';' | sed 's/;/; /g')"
  echo "- bytes: UKI $(bytes hook.uki) with the hook, $(bytes verity.uki) with busybox and veritysetup; FIT $(bytes boot.itb)"
  echo "- $ROUNDS rounds, each guest once in each, in turn; medians"
  echo "- machine: $(nproc) x $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), Linux $(uname -r); load when it began: $STARTED, when it ended: $(cut -d ' ' -f 1-3 /proc/loadavg); pressure (some, avg300): cpu $(pressure cpu), io $(pressure io); scheduling of the guests: $(chrt -p $$ | sed -n 's/.*policy: //p')"
  echo "- versions: $("$UPDATER" --version) ($(git -C "$BENCH" rev-parse --short HEAD)), $(versions cryptsetup-bin dracut-core initramfs-tools-core systemd ovmf busybox-static)"
}

# bytes FILE: of one that was made, where its board was asked for.
bytes() {
  stat -c %s "$WORK/$1" 2>/dev/null || echo "(not made)"
}
