//! Room for what later versions of the manifest say.

use crate::error::{Corrupt, Rule};
use crate::units::limits::EXTENSION_BYTES;

/// Number of an extension. An open set: version 1 of the format defines none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ExtensionId(pub u16);

/// Bytes that the manifest carries for readers that know their id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extension<'a> {
    id: ExtensionId,
    bytes: &'a [u8],
}

impl<'a> Extension<'a> {
    /// Borrows the bytes.
    ///
    /// # Errors
    /// `ManifestExtension` where there are more than the bound.
    pub const fn new(id: ExtensionId, bytes: &'a [u8]) -> Result<Self, Corrupt> {
        if bytes.len() > EXTENSION_BYTES { Err(Corrupt(Rule::ManifestExtension)) } else { Ok(Self { id, bytes }) }
    }

    /// Which extension it is.
    #[must_use]
    pub const fn id(&self) -> ExtensionId {
        self.id
    }

    /// What it says.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}
