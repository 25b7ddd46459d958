################################################################################
#
# updater-cli
#
################################################################################

UPDATER_CLI_VERSION = $(call qstrip,$(BR2_PACKAGE_UPDATER_CLI_COMMIT))
# The clone that this tree is part of.
UPDATER_CLI_SITE = file://$(abspath $(BR2_EXTERNAL_UPDATER_PATH)/../../..)
UPDATER_CLI_SITE_METHOD = git
UPDATER_CLI_LICENSE = MIT or Apache-2.0
UPDATER_CLI_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE
UPDATER_CLI_SUBDIR = updater-cli
# What makes bundle and disk after the image.
UPDATER_CLI_DEPENDENCIES = host-updater-cli
UPDATER_CLI_CARGO_BUILD_OPTS = --no-default-features --features boot-loaders,history,http,parallel
UPDATER_CLI_CARGO_INSTALL_OPTS = $(UPDATER_CLI_CARGO_BUILD_OPTS)

define UPDATER_CLI_INSTALL_PROFILE
	$(INSTALL) -D -m 0644 $(call qstrip,$(BR2_PACKAGE_UPDATER_CLI_PROFILE)) $(TARGET_DIR)/etc/updater/profile.toml
	$(INSTALL) -D -m 0644 $(call qstrip,$(BR2_PACKAGE_UPDATER_CLI_TRUST)) $(TARGET_DIR)/etc/updater/trust/release.pub
endef
UPDATER_CLI_POST_INSTALL_TARGET_HOOKS += UPDATER_CLI_INSTALL_PROFILE

$(eval $(cargo-package))
$(eval $(host-cargo-package))
