//! The signed statement in a bundle: which images make up a release, and the root hash of each.
//!
//! ```text
//!  field           encoding (postcard: varint numbers, length-prefixed lists and strings)     bound
//!  compatible      list of string                                                           1 ..= 8
//!  version         string
//!  rollback_index  u64
//!  build_time      u64, Unix seconds, 0 unknown
//!  payloads        list of                                                                  1 ..= 8
//!      role          string
//!      image_len     u64, bytes                                                             1 ..= 2^47
//!      data_blocks   u64 = ceil(image_len / 4096)
//!      salt          bytes                                                                  0 ..= 256
//!      root_hash     32 bytes
//!      encoding      1 byte: 0 raw, 1 zstd
//!      first_page    32 bytes: digest of the first index page; zero for raw
//!  extensions      list of                                                                  0 ..= 8
//!      id            u16
//!      bytes         bytes                                                                  0 ..= 1024
//! ```
//!
//! 1. Judged in this order, with an own [`Corrupt`] kind each: the fields decode, lists are within their bounds, nothing
//!    follows, encoding the value again gives the same bytes; then, in order of the fields, the rules of each value; then
//!    what holds between values.
//! 2. Strings have 1 to 64 characters of `[A-Za-z0-9._+~-]`: safe in a terminal, a file name and a kernel command line.
//! 3. Roles are distinct, and so are the ids of extensions.
//! 4. An extension with an unknown id is kept and ignored. What must not be ignored has a required-feature bit in the
//!    envelope.
//!
//! Nothing here is authentic by itself: see [`bundle`](crate::bundle).

use crate::error::{Corrupt, Rule};
use crate::units::time::UnixSeconds;

mod extension;
mod list;
mod name;
mod payload;
mod wire;

pub use extension::{Extension, ExtensionId};
pub use list::{Items, List};
pub use name::Name;
pub use payload::{Encoding, Payload};

use wire::Item;

/// The statement, borrowed from its bytes: a few words that point into them, whatever it lists.
///
/// # Invariants
/// A value keeps every rule of the [module](self): `decode` and `new` are the only ways to one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Manifest<'a> {
    encoded: &'a [u8],
    compatibles: List<'a, Name<'a>>,
    version: Name<'a>,
    rollback_index: u64,
    build_time: UnixSeconds,
    payloads: List<'a, Payload<'a>>,
    extensions: List<'a, Extension<'a>>,
}

const _: () = assert!(size_of::<Manifest<'_>>() <= 128, "a boot loader's stack holds several manifests at once");

/// What a manifest is made from, where it is written rather than read.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a, 's> {
    /// The devices it is for: one of these equals the profile's.
    pub compatibles: &'s [Name<'a>],
    /// Version of the release.
    pub version: Name<'a>,
    /// The monotonic anti-rollback number.
    pub rollback_index: u64,
    /// When it was built: `SOURCE_DATE_EPOCH`, or unknown.
    pub build_time: UnixSeconds,
    /// The images.
    pub payloads: &'s [Payload<'a>],
    /// Extensions.
    pub extensions: &'s [Extension<'a>],
}

impl<'a> Manifest<'a> {
    /// Makes a manifest of its parts: its encoding goes to the start of `out`.
    ///
    /// # Errors
    /// `ManifestTooLong` where `out` is too short; a list over its bound, an empty list, two payloads of one role, two
    /// extensions of one id.
    pub fn new(statement: &Statement<'_, '_>, out: &'a mut [u8]) -> Result<Self, Corrupt> {
        Self::decode(wire::encode(statement, out)?)
    }

    /// Decodes the manifest that is the whole of `bytes`.
    ///
    /// # Errors
    /// [`Corrupt`], the first rule that is broken in the order of the [module](self).
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Corrupt> {
        let manifest = wire::decode(bytes)?;
        manifest.cross_check()?;
        Ok(manifest)
    }

    /// Its only encoding: the bytes that it was decoded from.
    #[must_use]
    pub const fn encoded(&self) -> &'a [u8] {
        self.encoded
    }

    /// The devices it is for: one of these equals the profile's.
    #[must_use]
    pub const fn compatibles(&self) -> List<'a, Name<'a>> {
        self.compatibles
    }

    /// Version of the release.
    #[must_use]
    pub const fn version(&self) -> Name<'a> {
        self.version
    }

    /// The monotonic anti-rollback number.
    #[must_use]
    pub const fn rollback_index(&self) -> u64 {
        self.rollback_index
    }

    /// When it was built.
    #[must_use]
    pub const fn build_time(&self) -> UnixSeconds {
        self.build_time
    }

    /// The images, in the order in which the bundle carries them.
    #[must_use]
    pub const fn payloads(&self) -> List<'a, Payload<'a>> {
        self.payloads
    }

    /// The image for `role`.
    #[must_use]
    pub fn payload(&self, role: &str) -> Option<Payload<'a>> {
        self.payloads.iter().find(|payload| payload.role().as_str() == role)
    }

    /// Extensions, known or not.
    #[must_use]
    pub const fn extensions(&self) -> List<'a, Extension<'a>> {
        self.extensions
    }

    fn cross_check(&self) -> Result<(), Corrupt> {
        if self.compatibles.is_empty() || self.payloads.is_empty() {
            return Err(Corrupt(Rule::ManifestEmptyList));
        }
        if repeats(self.payloads, Payload::role) {
            return Err(Corrupt(Rule::ManifestDuplicateRole));
        }
        if repeats(self.extensions, Extension::id) {
            return Err(Corrupt(Rule::ManifestDuplicateExtension));
        }
        Ok(())
    }
}

/// Whether two items have one key. The lists have at most eight items.
fn repeats<'a, T: Item<'a>, K: PartialEq>(items: List<'a, T>, key: fn(&T) -> K) -> bool {
    let mut later = items.iter();
    while let Some(one) = later.next() {
        if later.clone().any(|other| key(&other) == key(&one)) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests;
