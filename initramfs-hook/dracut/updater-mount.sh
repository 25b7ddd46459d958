#!/bin/sh
# dracut: mounts the root.
modprobe dm-verity
# It restarts the machine itself where nothing boots; should that fail too, nothing is left to try.
/sbin/initramfs-hook --root "$NEWROOT" || echo b >/proc/sysrq-trigger
