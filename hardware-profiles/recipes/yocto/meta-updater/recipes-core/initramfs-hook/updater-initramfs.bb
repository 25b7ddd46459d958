SUMMARY = "An initramfs whose first process is the hook"
LICENSE = "MIT"

inherit core-image
PACKAGE_INSTALL = "initramfs-hook"
IMAGE_FEATURES = ""
IMAGE_LINGUAS = ""
IMAGE_FSTYPES = "${INITRAMFS_FSTYPES}"
DEPENDS += "updater-cli-native"

# Drivers that are no part of the kernel are listed in /etc/updater/modules: see docs/BOOT.md.
hook_as_init() {
    ln -sf ${nonarch_libdir}/updater/initramfs-hook ${IMAGE_ROOTFS}/init
    install -d ${IMAGE_ROOTFS}${sysconfdir}/updater
    updater-cli --quiet --profile ${UPDATER_PROFILE} --trust ${UPDATER_TRUST} hook-config -o ${IMAGE_ROOTFS}${sysconfdir}/updater/hook.config
}
ROOTFS_POSTPROCESS_COMMAND += "hook_as_init"
