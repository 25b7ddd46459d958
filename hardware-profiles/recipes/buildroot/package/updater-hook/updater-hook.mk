################################################################################
#
# updater-hook
#
################################################################################

UPDATER_HOOK_VERSION = $(call qstrip,$(BR2_PACKAGE_UPDATER_CLI_COMMIT))
UPDATER_HOOK_SITE = $(UPDATER_CLI_SITE)
UPDATER_HOOK_SITE_METHOD = git
UPDATER_HOOK_LICENSE = MIT or Apache-2.0
UPDATER_HOOK_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE
UPDATER_HOOK_SUBDIR = initramfs-hook
# What is in the initramfs has no C library beside it.
UPDATER_HOOK_CARGO_ENV = RUSTFLAGS="-Ctarget-feature=+crt-static"

define UPDATER_HOOK_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(@D)/target/$(RUSTC_TARGET_NAME)/release/initramfs-hook $(BINARIES_DIR)/initramfs-hook
	$(INSTALL) -D -m 0755 -t $(TARGET_DIR)/usr/lib/updater $(@D)/initramfs-hook/health/updater-* $(@D)/initramfs-hook/health/mark-good.sh
endef

$(eval $(cargo-package))
