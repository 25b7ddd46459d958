#!/usr/bin/env bash
# Two releases of one device, as root folders: the pair that deltas are measured on.
#
#   tests/bench/delta/roots.sh DIR        needs mmdebstrap, lz4, xz, python3, root, and a Debian mirror
#
#   DIR/a      bookworm as it was released last
#   DIR/m      the same packages with security and other updates: weeks of a distribution's life
#   DIR/s      a with the newer openssl alone: one security fix
#   DIR/ak     a with its kernel not compressed; DIR/mk the same of m
#   DIR/*.packages   what is in each
#
#   MIRROR=URL SECURITY=URL   where the packages come from
set -euo pipefail

DIR=${1:?a folder for the roots}
MIRROR=${MIRROR:-http://deb.debian.org/debian}
SECURITY=${SECURITY:-http://deb.debian.org/debian-security}
# Every file of both has this time.
MOMENT=1700000000
PACKAGES=systemd,systemd-sysv,systemd-timesyncd,udev,dbus,libpam-systemd,openssh-server,openssh-client,python3,python3-yaml
PACKAGES+=,python3-requests,nginx-light,network-manager,wpasupplicant,ca-certificates,curl,wget,iproute2,iputils-ping,nftables
PACKAGES+=,iptables,linux-image-cloud-amd64,e2fsprogs,dosfstools,parted,cryptsetup-bin,mtd-utils,usbutils,pciutils,i2c-tools
PACKAGES+=,can-utils,modemmanager,bluez,avahi-daemon,mosquitto,sqlite3,jq,rsync,less,vim-tiny,nano,tmux,htop,strace,tcpdump
PACKAGES+=,ethtool,socat,openssl,gnupg,sudo,tzdata,logrotate,cron,rsyslog,kmod,procps,psmisc,lsof,file,xz-utils,zstd,gdbserver
PACKAGES+=,locales,iw,wireless-regdb,isc-dhcp-client,bash-completion,libgpiod2,gpiod,dnsutils,libdrm2
UPDATES=("deb $MIRROR bookworm-updates main" "deb $SECURITY bookworm-security main")

# root NAME PIN SOURCE..: a root of these package sources, of which PIN may prefer some.
root() {
  local name=$1 pin=$2
  shift 2
  printf '%s\n' "$pin" >"$DIR/$name.pin"
  printf '%s\n' "$@" >"$DIR/$name.list"
  # The folder is mmdebstrap's to name.
  # shellcheck disable=SC2016
  SOURCE_DATE_EPOCH=$MOMENT mmdebstrap --quiet --variant=minbase --mode=root --format=tar \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-include=/usr/share/locale/locale.alias' \
    --setup-hook="cp $DIR/$name.pin \"\$1\"/etc/apt/preferences.d/pin" \
    --essential-hook='mkdir -p "$1"/etc/initramfs-tools "$1"/etc/kernel/postinst.d' \
    --include="$PACKAGES" bookworm - "$DIR/$name.list" >"$DIR/$name.tar"
  rm -rf "${DIR:?}/$name"
  mkdir "$DIR/$name"
  tar -xpf "$DIR/$name.tar" -C "$DIR/$name" --numeric-owner
  rm "$DIR/$name.tar"
  (cd "$DIR/$name" && steady)
  dpkg-query --admindir="$DIR/$name/var/lib/dpkg" -W -f '${Package} ${Version}\n' | LC_ALL=C sort >"$DIR/$name.packages"
}

# Takes out of the current folder what differs from build to build.
steady() {
  rm -rf dev/* proc/* sys/* run/* tmp/* var/cache/* var/log/* var/lib/apt/lists/* var/tmp/* etc/ssh/ssh_host_* etc/machine-id \
    var/lib/dbus/machine-id var/lib/systemd/random-seed etc/apt/preferences.d/pin etc/hostname etc/resolv.conf etc/*- \
    var/lib/dpkg/*-old var/backups/* boot/initrd* initrd.img*
  : >etc/machine-id
  find . -name __pycache__ -type d -prune -exec rm -rf {} +
  find . -name '*.pyc' -delete
  echo "deb $MIRROR stable main" >etc/apt/sources.list
  rm -f etc/apt/sources.list.d/* etc/apt/apt.conf.d/99mmdebstrap etc/dpkg/dpkg.cfg.d/99mmdebstrap
  find . -exec touch -h -d "@$MOMENT" {} +
}

# plain_kernel ROOT NEW: a copy of a root whose kernels are the ELF files that the compressed ones hold.
plain_kernel() {
  local kernel
  rm -rf "${DIR:?}/$2"
  cp -a "$DIR/$1" "$DIR/$2"
  for kernel in "$DIR/$2"/boot/vmlinuz-*; do
    python3 - "$kernel" "$kernel.plain" <<'END'
import subprocess
import sys

# The kernel is in the first of these that opens: what is before it unpacks it, and what follows it is told by nothing but its end.
FORMS = [(b"\x02\x21\x4c\x18", ["lz4", "-dc"]), (b"\xfd7zXZ\0", ["xz", "-dc", "--single-stream"]), (b"\x28\xb5\x2f\xfd", ["zstd", "-dc"]), (b"\x1f\x8b\x08", ["gzip", "-dc"])]
packed = open(sys.argv[1], "rb").read()
for magic, opener in FORMS:
    at = packed.find(magic)
    while at >= 0:
        plain = subprocess.run(opener, input=packed[at:], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        if plain.startswith(b"\x7fELF") and len(plain) > len(packed):
            open(sys.argv[2], "wb").write(plain)
            sys.exit()
        at = packed.find(magic, at + 1)
sys.exit(f"no kernel was found in {sys.argv[1]}")
END
    mv "$kernel.plain" "$kernel"
    touch -d "@$MOMENT" "$kernel" "$(dirname "$kernel")"
  done
}

mkdir -p "$DIR"
DIR=$(realpath "$DIR")
MAIN="deb $MIRROR bookworm main"
OPENSSL_ONLY=$'Package: *\nPin: release l=Debian-Security\nPin-Priority: -1\n\nPackage: src:openssl\nPin: release l=Debian-Security\nPin-Priority: 600'
root a '' "$MAIN"
root m '' "$MAIN" "${UPDATES[@]}"
root s "$OPENSSL_ONLY" "$MAIN" "deb $SECURITY bookworm-security main"
plain_kernel a ak
plain_kernel m mk
wc -l "$DIR"/*.packages >&2
