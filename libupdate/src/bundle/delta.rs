//! Chunks that are made from an old image, which a slot of the device holds: what a delta bundle carries instead of them.

use crate::manifest::ExtensionId;

/// The extension that names the old image of each payload: 32 bytes for each, its root hash, zero if it has none.
pub const OLD_IMAGES: ExtensionId = ExtensionId(1);
/// The extension that names the file, beside this one, which holds the whole images of the release.
pub const FULL_BUNDLE: ExtensionId = ExtensionId(2);
