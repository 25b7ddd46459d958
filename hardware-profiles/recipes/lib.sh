# What the recipes share: keys, images, a machine in qemu, a server. No part of it goes into an image.
# shellcheck shell=bash
#
#   OUT        where a recipe works: target/recipes/NAME
#   RECIPES    this folder
#   DEBS       the folder with the project's packages; made by updater-cli/package/build-deb if it is empty

RECIPES=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PROJECT=$(cd "$RECIPES/../.." && pwd)
# What a step may take before its machine is taken for dead; software emulation beside other work is slow.
PATIENCE=${PATIENCE:-400}
BEGAN=$SECONDS

# recipe NAME: the folder that it works in; what was started ends with the script.
recipe() {
  OUT=$(realpath -m "${CARGO_TARGET_DIR:-$PROJECT/target}")/recipes/$1
  STARTED=()
  mkdir -p "$OUT"
  trap 'kill "${STARTED[@]}" 2>/dev/null || true' EXIT
}

as_root() {
  if [[ $EUID == 0 ]]; then "$@"; else sudo -n "$@"; fi
}

# done_with WORDS: what a step took.
done_with() {
  echo "result: $((SECONDS - BEGAN)) s: $*"
  BEGAN=$SECONDS
}

fail() {
  echo "$0: $*" >&2
  [[ ! -e $OUT/console ]] || { echo "----- the end of $OUT/console" >&2; tail -n 40 "$OUT/console" >&2; }
  exit 1
}

# debs: the paths of the project's packages for a device.
debs() {
  local folder=${DEBS:-$(realpath -m "${CARGO_TARGET_DIR:-$PROJECT/target}")/deb}
  [[ -n $(compgen -G "$folder/updater-initramfs_*_amd64.deb") ]] || "$PROJECT/updater-cli/package/build-deb" amd64 >&2
  ls "$folder"/updater-{cli,initramfs}_*_amd64.deb
}

# updater WORD...: the program, on this machine.
updater() {
  updater-cli --quiet "$@"
}

# with_program: the one of the packages is unpacked, and not installed.
with_program() {
  rm -rf "$OUT/host"
  mkdir "$OUT/host"
  dpkg-deb -x "$(debs | grep /updater-cli_)" "$OUT/host"
  PATH=$OUT/host/usr/bin:$PATH
}

# keys: what signs releases, and what opens the device for `on_device`. They stay in $OUT.
keys() {
  [[ -e $OUT/release.key ]] || updater keygen --out "$OUT" --name release
  [[ -e $OUT/ssh ]] || ssh-keygen -q -t ed25519 -N '' -C recipe -f "$OUT/ssh"
}

# bundle VERSION TREE: a folder becomes an image, and the image a signed bundle.
bundle() {
  local compatible
  compatible=$(sed -n 's/^compatible = "\(.*\)"$/\1/p' "$OUT/profile.toml")
  rm -f "$OUT/root.erofs"
  as_root mkfs.erofs --quiet -zlz4 "$OUT/root.erofs" "$2"
  updater bundle create --force --image "$OUT/root.erofs" --version "$1" --compatible "$compatible" --key "$OUT/release.key" -o "$OUT/$1.bundle"
}

# provision SIZE BUNDLE: a new disk with the profile's table, and the first release on slot a.
provision() {
  rm -f "$OUT/disk.img"
  updater --profile "$OUT/profile.toml" --trust "$OUT/release.pub" --disk "$OUT/disk.img" provision --size "$1" "$OUT/$2"
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# serve: this folder's bundles for the device, which sees this machine as 10.0.2.2.
serve() {
  HTTP=$(free_port)
  python3 -m http.server --bind 127.0.0.1 --directory "$OUT" "$HTTP" >"$OUT/http.log" 2>&1 &
  STARTED+=($!)
}

# start OPTION...: qemu's PC with the disk, a network that ends in this machine, and a console that is written to $OUT/console.
start() {
  SSH=$(free_port)
  : >"$OUT/console"
  qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 1 -m 1024 -nodefaults -no-user-config -display none \
    -drive "file=$OUT/disk.img,format=raw,if=none,id=disk" -device virtio-blk-pci,drive=disk,bootindex=1 \
    -netdev "user,id=net,hostfwd=tcp:127.0.0.1:$SSH-:22" \
    -device virtio-net-pci,netdev=net \
    -serial stdio -monitor none "$@" <"${TYPED:-/dev/null}" >"$OUT/console" 2>&1 &
  MACHINE=$!
  STARTED+=("$MACHINE")
}

# on_device COMMAND: by ssh, as root.
on_device() {
  ssh -q -i "$OUT/ssh" -p "$SSH" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=20 -o BatchMode=yes root@127.0.0.1 "$@"
}

# console_says TIMES WORDS: waits for it.
console_says() {
  local until=$((SECONDS + PATIENCE))
  until [[ $(tr -d '\r' <"$OUT/console" | grep -cF -- "$2") -ge $1 ]]; do
    kill -0 "$MACHINE" 2>/dev/null || fail "the machine is off, and its console has never said '$2' ($1 times)"
    [[ $SECONDS -lt $until ]] || fail "the console has not said '$2' ($1 times) in $PATIENCE s"
    sleep 0.3
  done
}

# shows WORDS COMMAND: what the device answers must have these words, soon.
shows() {
  local words=$1 until=$((SECONDS + PATIENCE)) said=
  shift
  until said=$(on_device "$@" 2>&1); [[ $said =~ $words ]]; do
    [[ $SECONDS -lt $until ]] || fail "'$*' does not show '$words' but: $said"
    sleep 1
  done
  echo "$said"
}
