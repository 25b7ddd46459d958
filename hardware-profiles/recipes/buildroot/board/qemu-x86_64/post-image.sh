#!/bin/sh
# Buildroot calls it with its folder of images: makes initramfs, bundle and disk there. What is asked for is in $BR2_CONFIG.
set -eu
images=$1
program=$HOST_DIR/bin/updater-cli

# chosen NAME: a text of the configuration.
chosen() {
  sed -n "s/^BR2_PACKAGE_UPDATER_CLI_$1=\"\(.*\)\"$/\1/p" "$BR2_CONFIG"
}

profile=$(chosen PROFILE) trust=$(chosen TRUST)
rm -rf "$images/initramfs"
mkdir -p "$images/initramfs/etc/updater"
cp "$images/initramfs-hook" "$images/initramfs/init"
"$program" --quiet --profile "$profile" --trust "$trust" hook-config -o "$images/initramfs/etc/updater/hook.config"
(cd "$images/initramfs" && find . | cpio --quiet -o -H newc -R 0:0) >"$images/initramfs.cpio"
"$program" --quiet bundle create --force --image "$images/rootfs.erofs" --version "$(chosen RELEASE)" \
  --compatible "$(sed -n 's/^compatible = "\(.*\)"$/\1/p' "$profile")" --key "$(chosen KEY)" -o "$images/release.bundle"
rm -f "$images/disk.img"
"$program" --quiet --profile "$profile" --trust "$trust" --disk "$images/disk.img" provision --size 256M "$images/release.bundle"
