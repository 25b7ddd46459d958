//! A bundle, or what a slot holds, that breaks a rule of the format.

use core::fmt;

use crate::error::SuperblockFault;
use crate::units::digest::Digest;

mod words;

/// A rule of `docs/FORMAT.md` that bytes break, with its operands.
///
/// Whose bytes they are, and so what helps, is the class of the [`Error`](crate::Error) that holds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Corrupt(pub(crate) Rule);

impl Corrupt {
    /// The rule's name in `docs/FORMAT.md`, such as `TrailerCrc`.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        self.0.name()
    }

    /// Whether the bytes could not be read, which says nothing about the slot: a matter of the disk.
    #[must_use]
    pub const fn is_unreadable(&self) -> bool {
        matches!(self.0, Rule::TrailerUnreadable)
    }

    /// Whether the old image that a delta bundle is made from is at fault, or may be: another bundle of the release helps.
    #[must_use]
    pub const fn is_of_an_old_image(&self) -> bool {
        matches!(self.0, Rule::OldImageUnreadable { .. } | Rule::OldImageDiffers { .. })
    }

    /// Whether blocks of another slot were taken for those of the bundle: the same act without memory for finding such blocks helps.
    #[must_use]
    pub const fn is_of_reuse(&self) -> bool {
        matches!(self.0, Rule::ReusedFrames { .. })
    }

    /// Whether the bytes are of a hash tree or its superblock.
    pub(crate) const fn is_of_the_tree(&self) -> bool {
        matches!(self.0, Rule::HashBlock { .. } | Rule::Superblock(_))
    }
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for Corrupt {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.0 {
            Rule::Superblock(fault) => Some(fault),
            _ => None,
        }
    }
}

/// The rules, one kind each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rule {
    /// The stream ended inside a structure.
    Truncated,
    /// Bytes follow the end of the last payload.
    TrailingBytes,
    /// The envelope does not begin with the magic.
    EnvelopeMagic,
    /// A prefix of another length than the format version has.
    EnvelopePrefixLength {
        /// Bytes it claims.
        found: u16,
    },
    /// The prefix's reserved bytes are not zero.
    EnvelopeReserved,
    /// Manifest, or manifest and signatures, do not fit the envelope's bound.
    EnvelopeTooLong {
        /// Bytes they claim.
        claimed: u32,
    },
    /// More signatures than the bound.
    TooManySignatures {
        /// Signatures it claims.
        claimed: u16,
    },
    /// The signature block's reserved bytes are not zero.
    SignatureReserved,
    /// A trusted key's signature in the form with the larger s.
    HighS {
        /// Key id of the key.
        key: Digest,
    },
    /// Fewer valid signatures by distinct trusted keys than the threshold.
    NotEnoughSignatures {
        /// Distinct trusted keys whose signature holds.
        valid: usize,
        /// How many the profile asks for.
        threshold: usize,
    },
    /// The manifest is not a sequence of its fields.
    ManifestEncoding,
    /// A list in the manifest has more items than its bound.
    ManifestTooMany,
    /// Bytes follow the manifest's last field.
    ManifestTrailingBytes,
    /// The manifest decodes, but another encoding of it is shorter: not canonical.
    ManifestNotCanonical,
    /// A name with a character outside `[A-Za-z0-9._+~-]`, empty, or over its bound.
    ManifestName,
    /// No compatible, or no payload.
    ManifestEmptyList,
    /// Two payloads of one role.
    ManifestDuplicateRole,
    /// A salt over 256 bytes.
    ManifestSalt,
    /// Image length and data blocks contradict each other, or are out of bounds.
    ManifestImageLength {
        /// Bytes of the image.
        image_len: u64,
        /// Data blocks.
        data_blocks: u64,
    },
    /// An encoding this format version does not have.
    ManifestPayloadEncoding {
        /// The number.
        encoding: u8,
    },
    /// A raw payload that names an index page.
    ManifestFirstPage,
    /// An extension over its bound, or one that this version knows with another form.
    ManifestExtension,
    /// Two extensions of one id.
    ManifestDuplicateExtension,
    /// The prefix's feature bits are not those that the manifest's payloads need.
    ManifestFeatures,
    /// The manifest's encoding is longer than the room for it.
    ManifestTooLong,
    /// The extension of a pack breaks its layout.
    #[cfg(any(test, feature = "packs"))]
    PackForm,
    /// A name of a pack, or of one of its parts, with a character outside `[A-Za-z0-9._-]`, with `..`, empty, or over its bound.
    #[cfg(any(test, feature = "packs"))]
    PackName,
    /// A unit that a pack would reload or restart, and that is none.
    #[cfg(any(test, feature = "packs"))]
    PackUnit,
    /// A pack that supersedes itself, or something twice.
    #[cfg(any(test, feature = "packs"))]
    PackSupersedes,
    /// An index page whose digest is not the one that the page before it (or the manifest) names.
    PageDigest {
        /// Number of the page.
        page: u64,
    },
    /// An index page that does not begin with the magic.
    PageMagic {
        /// Number of the page.
        page: u64,
    },
    /// An index page with another number of rows than its place asks for.
    PageCount {
        /// Number of the page.
        page: u64,
    },
    /// Reserved bytes or unused rows of an index page are not zero.
    PageReserved {
        /// Number of the page.
        page: u64,
    },
    /// The last index page names a next one, or another one names none.
    PageNext {
        /// Number of the page.
        page: u64,
    },
    /// A row of an index page with an unknown codec, or a length or digest that its codec does not have.
    PageRow {
        /// Number of the page.
        page: u64,
        /// Number of the row in it.
        row: usize,
    },
    /// The hints after an index page do not have the digest that it names, or, in a bundle that is only checked, are not those of its blocks.
    Hints {
        /// The page's number.
        page: u64,
    },
    /// The carried bytes of a chunk do not have the digest that its page names.
    CarriedDigest {
        /// Number of the chunk.
        chunk: u64,
    },
    /// The carried bytes do not decompress to exactly the chunk.
    Decompress {
        /// Number of the chunk.
        chunk: u64,
    },
    /// A chunk of which some frames were made of blocks of other slots is not the one that the hash tree expects.
    ReusedFrames {
        /// Number of the chunk.
        chunk: u64,
    },
    /// The extension that names old images is not a root hash for each payload, or the feature bit does not go with it.
    DeltaBases,
    /// The carried bytes of a chunk that is made from an old image break a rule of their layout.
    DeltaBody {
        /// Number of the chunk.
        chunk: u64,
    },
    /// Blocks of the old image that a chunk is made from cannot be read.
    OldImageUnreadable {
        /// Number of the chunk.
        chunk: u64,
    },
    /// A chunk that was made from an old image does not have the digest of the tree.
    OldImageDiffers {
        /// Number of the chunk.
        chunk: u64,
    },
    /// A shipped hash block does not have the digest its parent holds.
    HashBlock {
        /// Level, 0 being the digests of data blocks.
        level: u8,
        /// Number of the block in its level.
        index: u64,
    },
    /// A chunk's blocks do not have the digests of the tree.
    Chunk {
        /// Number of the chunk.
        chunk: u64,
    },
    /// The chunk does not read back as it was written.
    ReadBack {
        /// Number of the chunk.
        chunk: u64,
    },
    /// Superblock or hash tree do not read back as they were written.
    TreeReadBack,
    /// The hash area's superblock is not the one the manifest gives.
    Superblock(SuperblockFault),
    /// The slot has no valid trailer.
    TrailerMissing,
    /// A trailer longer than an envelope can be.
    TrailerLength {
        /// Bytes it claims.
        claimed: u32,
    },
    /// The trailer's checksum does not hold.
    TrailerCrc,
    /// Bytes after the trailer's envelope are not zero.
    TrailerPadding,
    /// The mark's checksum does not hold.
    MarkCrc,
    /// Bytes after the mark are not zero.
    MarkPadding,
    /// The slot holds no boot note.
    BootNoteMissing,
    /// The boot note's checksum does not hold.
    BootNoteCrc,
    /// Reserved bytes of the boot note are not zero.
    BootNoteReserved,
    /// The boot note's detail is too long or not printable.
    BootNoteDetail,
    /// The slot's trailer region could not be read.
    TrailerUnreadable,
    /// The trailer that was just written does not read back.
    TrailerReadBack,
    /// The slot holds a bundle for another compatible.
    OtherCompatible,
    /// The trailers of a slot's partitions are not the same bytes.
    TrailersDiffer,
    /// The manifest's roles are not exactly the profile's.
    Roles,
}

impl Rule {
    #[expect(clippy::too_many_lines, reason = "one line for each kind")]
    const fn name(&self) -> &'static str {
        match self {
            Self::Truncated => "Truncated",
            Self::TrailingBytes => "TrailingBytes",
            Self::EnvelopeMagic => "EnvelopeMagic",
            Self::EnvelopePrefixLength { .. } => "EnvelopePrefixLength",
            Self::EnvelopeReserved => "EnvelopeReserved",
            Self::EnvelopeTooLong { .. } => "EnvelopeTooLong",
            Self::TooManySignatures { .. } => "TooManySignatures",
            Self::SignatureReserved => "SignatureReserved",
            Self::HighS { .. } => "HighS",
            Self::NotEnoughSignatures { .. } => "NotEnoughSignatures",
            Self::ManifestEncoding => "ManifestEncoding",
            Self::ManifestTooMany => "ManifestTooMany",
            Self::ManifestTrailingBytes => "ManifestTrailingBytes",
            Self::ManifestNotCanonical => "ManifestNotCanonical",
            Self::ManifestName => "ManifestName",
            Self::ManifestEmptyList => "ManifestEmptyList",
            Self::ManifestDuplicateRole => "ManifestDuplicateRole",
            Self::ManifestSalt => "ManifestSalt",
            Self::ManifestImageLength { .. } => "ManifestImageLength",
            Self::ManifestPayloadEncoding { .. } => "ManifestPayloadEncoding",
            Self::ManifestFirstPage => "ManifestFirstPage",
            Self::ManifestExtension => "ManifestExtension",
            Self::ManifestDuplicateExtension => "ManifestDuplicateExtension",
            Self::ManifestFeatures => "ManifestFeatures",
            Self::ManifestTooLong => "ManifestTooLong",
            #[cfg(any(test, feature = "packs"))]
            Self::PackForm => "PackForm",
            #[cfg(any(test, feature = "packs"))]
            Self::PackName => "PackName",
            #[cfg(any(test, feature = "packs"))]
            Self::PackUnit => "PackUnit",
            #[cfg(any(test, feature = "packs"))]
            Self::PackSupersedes => "PackSupersedes",
            Self::PageDigest { .. } => "PageDigest",
            Self::PageMagic { .. } => "PageMagic",
            Self::PageCount { .. } => "PageCount",
            Self::PageReserved { .. } => "PageReserved",
            Self::PageNext { .. } => "PageNext",
            Self::PageRow { .. } => "PageRow",
            Self::Hints { .. } => "Hints",
            Self::ReusedFrames { .. } => "ReusedFrames",
            Self::CarriedDigest { .. } => "CarriedDigest",
            Self::Decompress { .. } => "Decompress",
            Self::DeltaBases => "DeltaBases",
            Self::DeltaBody { .. } => "DeltaBody",
            Self::OldImageUnreadable { .. } => "OldImageUnreadable",
            Self::OldImageDiffers { .. } => "OldImageDiffers",
            Self::HashBlock { .. } => "HashBlock",
            Self::Chunk { .. } => "Chunk",
            Self::ReadBack { .. } => "ReadBack",
            Self::TreeReadBack => "TreeReadBack",
            Self::Superblock(_) => "Superblock",
            Self::TrailerMissing => "TrailerMissing",
            Self::TrailerLength { .. } => "TrailerLength",
            Self::TrailerCrc => "TrailerCrc",
            Self::TrailerPadding => "TrailerPadding",
            Self::MarkCrc => "MarkCrc",
            Self::MarkPadding => "MarkPadding",
            Self::BootNoteMissing => "BootNoteMissing",
            Self::BootNoteCrc => "BootNoteCrc",
            Self::BootNoteReserved => "BootNoteReserved",
            Self::BootNoteDetail => "BootNoteDetail",
            Self::TrailerUnreadable => "TrailerUnreadable",
            Self::TrailerReadBack => "TrailerReadBack",
            Self::OtherCompatible => "OtherCompatible",
            Self::TrailersDiffer => "TrailersDiffer",
            Self::Roles => "Roles",
        }
    }
}
