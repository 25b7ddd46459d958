# An image as a signed bundle: `inherit updater-image` in its recipe. UPDATER_VERSION is the release's.
#
#   IMAGE-MACHINE.bundle     beside the image, for `updater-cli install`

IMAGE_FSTYPES += "erofs-lz4hc"
IMAGE_INSTALL:append = " updater-cli initramfs-hook"
IMAGE_FEATURES += "read-only-rootfs"
UPDATER_VERSION ?= "${DISTRO_VERSION}"
UPDATER_COMPATIBLE ?= "${MACHINE}"
do_updater_bundle[depends] += "updater-cli-native:do_populate_sysroot"

do_updater_bundle() {
    updater-cli --quiet bundle create --force --image ${IMGDEPLOYDIR}/${IMAGE_LINK_NAME}.erofs-lz4hc --version ${UPDATER_VERSION} \
        --compatible ${UPDATER_COMPATIBLE} --key ${UPDATER_KEY} -o ${IMGDEPLOYDIR}/${IMAGE_LINK_NAME}.bundle
}
addtask updater_bundle after do_image_complete before do_build
