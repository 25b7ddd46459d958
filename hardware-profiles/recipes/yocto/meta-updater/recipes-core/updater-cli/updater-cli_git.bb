SUMMARY = "A/B image updates that never brick: installs, shows and marks the slots"
LICENSE = "MIT | Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE-MIT;md5=${UPDATER_MIT_MD5}"
UPDATER_MIT_MD5 = "50915c2e833f57822d3fa0bd216ae920"

SRC_URI = "git://${UPDATER_TREE};protocol=file;branch=main"
SRCREV = "${AUTOREV}"
PV = "0.1.0+git"
S = "${WORKDIR}/git"

inherit cargo cargo-update-recipe-crates
# Made by `bitbake -c update_crates updater-cli`.
include updater-cli-crates.inc

# On the build machine it makes keys and bundles, too.
CARGO_BUILD_FLAGS:append = " -p updater-cli"
CARGO_BUILD_FLAGS:append:class-target = " --no-default-features --features boot-loaders,history,http,parallel"

do_install() {
    install -D -m 0755 ${B}/target/${CARGO_TARGET_SUBDIR}/updater-cli ${D}${bindir}/updater-cli
    install -d ${D}${sysconfdir}/updater/trust ${D}${sysconfdir}/updater/health.d
}

do_install:append:class-target() {
    install -m 0644 ${UPDATER_PROFILE} ${D}${sysconfdir}/updater/profile.toml
    install -m 0644 ${UPDATER_TRUST} ${D}${sysconfdir}/updater/trust/
}

BBCLASSEXTEND = "native"
