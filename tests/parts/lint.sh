# no warning of clippy, none of shellcheck
# shellcheck shell=bash disable=SC2034
packages=(cargo-web initramfs-tools-core rust-web-clippy rust-web-src rustc-web shellcheck)

part() {
  check "clippy, all targets and features" cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
  check "clippy, the core with crypto of its host" cargo clippy --locked -p libupdate --no-default-features --features host-crypto --all-targets -- -D warnings
  check "clippy, a boot loader in C" cargo clippy --locked -p libupdate-c --no-default-features --features host-crypto -- -D warnings
  check "clippy, what the hook has of Linux" cargo clippy --locked -p libupdate-linux --no-default-features -- -D warnings
  check "clippy, the program without features" cargo clippy --locked -p updater-cli --no-default-features --all-targets -- -D warnings
  check "clippy, the boot application" initramfs-hook/uefi/build lint
  check "shellcheck" shellcheck -x .ci/run fuzz/count-edges fuzz/run libupdate/c/build tests/run tests/firmware/build tests/guest/build initramfs-hook/build initramfs-hook/uefi/build updater-cli/package/build-deb tests/shell/*.sh tests/parts/*.sh \
    initramfs-hook/health/{updater-*,mark-good.sh} initramfs-hook/health/samples/* initramfs-hook/{initramfs-tools,mkinitcpio}/*/updater initramfs-hook/dracut/*.sh initramfs-hook/busybox/init initramfs-hook/updater-hook-config updater-cli/package/debian/updater-cli.postrm updater-cli/package/updater-offline-{ends,generator} \
    tests/guest/root/init tests/guest/debian/{build,guest} tests/guest/u-boot/build tests/guest/debian/health.d/* tests/guest/debian/offline/{life,program} tests/guest/debian/packs/{applied,life,hotfixed} \
    tests/bench/{run,timed,streams,limited,durable} tests/bench/*.sh tests/bench/delta/* \
    tests/bench/boot/{run,tell,verity-init,tools-hook,tools-local-top} tests/bench/boot/*.sh tests/packages/* tests/recipes/* \
    hardware-profiles/recipes/*.sh hardware-profiles/recipes/*/run hardware-profiles/recipes/busybox/{console.sh,root/etc/start,root/etc/updater/health.d/*} \
    hardware-profiles/recipes/mkosi/mkosi.postinst.chroot hardware-profiles/recipes/buildroot/board/*/*.sh
}
