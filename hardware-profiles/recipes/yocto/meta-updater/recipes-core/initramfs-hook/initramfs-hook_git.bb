SUMMARY = "Chooses the slot at boot, checks it, and mounts it with dm-verity; units and health checks for what follows"
LICENSE = "MIT | Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE-MIT;md5=50915c2e833f57822d3fa0bd216ae920"

SRC_URI = "git://${UPDATER_TREE};protocol=file;branch=main"
SRCREV = "${AUTOREV}"
PV = "0.1.0+git"
S = "${WORKDIR}/git"

inherit cargo cargo-update-recipe-crates systemd
# Made by `bitbake -c update_crates initramfs-hook`.
include initramfs-hook-crates.inc

CARGO_BUILD_FLAGS:append = " -p initramfs-hook"
SYSTEMD_SERVICE:${PN} = "updater-mark-good.service updater-trial.service"
RDEPENDS:${PN} = "updater-cli e2fsprogs-mke2fs"

do_install() {
    install -D -m 0755 ${B}/target/${CARGO_TARGET_SUBDIR}/initramfs-hook ${D}${nonarch_libdir}/updater/initramfs-hook
    install -m 0755 -t ${D}${nonarch_libdir}/updater ${S}/initramfs-hook/health/updater-* ${S}/initramfs-hook/health/mark-good.sh
    install -D -m 0644 -t ${D}${systemd_system_unitdir} ${S}/initramfs-hook/systemd/*.service
    install -D -m 0644 -t ${D}${systemd_system_unitdir}/emergency.target.d ${S}/initramfs-hook/systemd/emergency.target.d/updater.conf
    install -D -m 0644 -t ${D}${systemd_unitdir}/system.conf.d ${S}/initramfs-hook/systemd/system.conf.d/updater.conf
    install -D -m 0755 -t ${D}${sysconfdir}/updater/health.d ${S}/initramfs-hook/health/samples/10-system
}

FILES:${PN} += "${nonarch_libdir}/updater ${systemd_unitdir}"
