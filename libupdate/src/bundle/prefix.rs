//! The first bytes of an envelope, which say whether this updater can read the rest.
//!
//! ```text
//!   0  magic "LUBUNDLE"           8
//!   8  format version             2   1
//!  10  prefix length              2   40
//!  12  manifest length            4
//!  16  required-feature bits      8   bit 0: some payload is zstd-encoded; bit 1: some payload is made from an old image; bit 2: hints; bit 3: frames; bit 4: a pack
//!  24  minimum updater version    6   major, minor, patch
//!  30  zero                       2
//!  32  zero                       8
//!  40
//! ```
//!
//! 1. Judged in this order: magic; format version, feature bits, updater version (their failure is [`Incompatible`], "too
//!    old", and never "corrupt"); prefix length; zeros; manifest length.
//! 2. A required-feature bit that this updater does not know refuses the bundle.

use core::fmt;

use crate::error::{BundleFault, Corrupt, Incompatible, Rule};
use crate::units::bytes;
use crate::units::limits::ENVELOPE_BYTES;

/// Bytes of the prefix.
pub(crate) const PREFIX_BYTES: usize = 40;
/// Bytes before the signatures in the signature block.
pub(crate) const BLOCK_HEADER_BYTES: usize = 4;
/// Manifest bytes that leave room for prefix and empty signature block.
const MANIFEST_BYTES: usize = ENVELOPE_BYTES.saturating_sub(PREFIX_BYTES).saturating_sub(BLOCK_HEADER_BYTES);
const MAGIC: [u8; 8] = *b"LUBUNDLE";
const FORMAT_VERSION: u16 = 1;

/// Features of the format that a reader must know to read a bundle rightly.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Features(u64);

impl Features {
    /// Nothing beyond the base format.
    pub const NONE: Self = Self(0);
    /// Some payload is zstd-encoded.
    pub const ZSTD: Self = Self(1);
    /// Some payload is made from an old image ([`delta`](crate::bundle::delta)).
    pub const DELTA: Self = Self(2);
    /// Some index page has hints after it ([`hints`](crate::bundle::hints)).
    pub const HINTS: Self = Self(4);
    /// Frames are smaller than chunks ([`frame`](crate::bundle::frame)).
    pub const FRAMES: Self = Self(8);
    /// A pack and no image of a slot (`bundle::pack`, with the feature `packs`).
    pub const PACK: Self = Self(16);
    /// All that this version knows.
    const KNOWN: Self = Self(if cfg!(any(test, feature = "packs")) { 31 } else { 15 });

    /// The word.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// These and `others`.
    #[must_use]
    pub const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether one of `others` is among these.
    pub(crate) const fn has(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    const fn unknown(self) -> u64 {
        self.0 & !Self::KNOWN.0
    }
}

/// Version of an updater: major, minor, patch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct UpdaterVersion(pub [u16; 3]);

impl UpdaterVersion {
    /// The first one that reads this version of the format.
    pub const OLDEST: Self = Self([0, 1, 0]);
    /// This library's.
    pub(crate) const THIS: Self = Self([
        number(env!("CARGO_PKG_VERSION_MAJOR")),
        number(env!("CARGO_PKG_VERSION_MINOR")),
        number(env!("CARGO_PKG_VERSION_PATCH")),
    ]);
}

#[expect(clippy::panic, reason = "runs in the compiler only, where it stops the build")]
const fn number(text: &str) -> u16 {
    match u16::from_str_radix(text, 10) {
        Ok(number) => number,
        Err(_) => panic!("a part of the package's version is over 65535"),
    }
}

impl fmt::Display for UpdaterVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// The prefix, as values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix {
    manifest_len: u32,
    features: Features,
    minimum_updater: UpdaterVersion,
}

impl Prefix {
    /// A prefix for a manifest of `manifest_len` bytes.
    ///
    /// # Errors
    /// `EnvelopeTooLong` where the manifest does not fit an envelope.
    pub fn new(manifest_len: usize, features: Features, minimum_updater: UpdaterVersion) -> Result<Self, Corrupt> {
        let manifest_len = u32::try_from(manifest_len).unwrap_or(u32::MAX);
        Self { manifest_len, features, minimum_updater }.bounded()
    }

    /// Reads the prefix and judges it.
    ///
    /// # Errors
    /// [`BundleFault::Corrupt`], or [`BundleFault::Incompatible`] where a newer updater could read it.
    pub fn parse(bytes: &[u8; PREFIX_BYTES]) -> Result<Self, BundleFault> {
        // Each access is inside the array; `Truncated` stands for the impossible.
        Self::judge(bytes).unwrap_or(Err(Corrupt(Rule::Truncated).into()))
    }

    /// `None` never happens: the array is as long as the layout.
    fn judge(bytes: &[u8; PREFIX_BYTES]) -> Option<Result<Self, BundleFault>> {
        if bytes::array(bytes, 0)? != MAGIC {
            return Some(Err(Corrupt(Rule::EnvelopeMagic).into()));
        }
        let found = bytes::u16_at(bytes, 8)?;
        if found != FORMAT_VERSION {
            return Some(Err(Incompatible::FormatVersion { found }.into()));
        }
        let features = Features(bytes::u64_at(bytes, 16)?);
        if features.unknown() != 0 {
            return Some(Err(Incompatible::RequiredFeatures { unknown: features.unknown() }.into()));
        }
        let needed = [bytes::u16_at(bytes, 24)?, bytes::u16_at(bytes, 26)?, bytes::u16_at(bytes, 28)?];
        if UpdaterVersion(needed) > UpdaterVersion::THIS {
            return Some(Err(Incompatible::UpdaterTooOld { needed }.into()));
        }
        let found = bytes::u16_at(bytes, 10)?;
        if usize::from(found) != PREFIX_BYTES {
            return Some(Err(Corrupt(Rule::EnvelopePrefixLength { found }).into()));
        }
        if bytes::u16_at(bytes, 30)? != 0 || bytes::u64_at(bytes, 32)? != 0 {
            return Some(Err(Corrupt(Rule::EnvelopeReserved).into()));
        }
        let manifest_len = bytes::u32_at(bytes, 12)?;
        let prefix = Self { manifest_len, features, minimum_updater: UpdaterVersion(needed) };
        Some(prefix.bounded().map_err(BundleFault::from))
    }

    /// The prefix, as bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; PREFIX_BYTES] {
        let [[a, b], [c, d], [e, f]] = self.minimum_updater.0.map(u16::to_le_bytes);
        let fields: [&[u8]; 7] = [
            &MAGIC,
            &FORMAT_VERSION.to_le_bytes(),
            &[40, 0],
            &self.manifest_len.to_le_bytes(),
            &self.features.0.to_le_bytes(),
            &[a, b, c, d, e, f],
            &[0; 10],
        ];
        let mut out = [0; PREFIX_BYTES];
        for (to, from) in out.iter_mut().zip(fields.iter().copied().flatten()) {
            *to = *from;
        }
        out
    }

    /// Features that a reader must know.
    #[must_use]
    pub const fn features(&self) -> Features {
        self.features
    }

    /// The oldest updater that reads the bundle.
    #[must_use]
    pub const fn minimum_updater(&self) -> UpdaterVersion {
        self.minimum_updater
    }

    /// Bytes of prefix and manifest: what is signed, and where the signature block begins.
    #[must_use]
    pub(crate) fn signed_len(&self) -> usize {
        // `bounded` proved that the manifest fits an envelope.
        usize::try_from(self.manifest_len).unwrap_or(usize::MAX).saturating_add(PREFIX_BYTES)
    }

    fn bounded(self) -> Result<Self, Corrupt> {
        match usize::try_from(self.manifest_len) {
            Ok(len) if len <= MANIFEST_BYTES => Ok(self),
            _ => Err(Corrupt(Rule::EnvelopeTooLong { claimed: self.manifest_len })),
        }
    }
}
