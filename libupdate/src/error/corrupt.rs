//! A bundle, or what a slot holds, that breaks a rule of the format.

use core::fmt;

use crate::digest::Digest;
use crate::error::SuperblockFault;

/// The rule of `docs/FORMAT.md` that the bytes break, with its operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Corrupt {
    /// The stream ended inside a structure.
    Truncated,
    /// Bytes follow the end of the last payload.
    TrailingBytes,
    /// The envelope does not begin with the magic.
    EnvelopeMagic,
    /// The prefix's reserved bytes are not zero.
    EnvelopeReserved,
    /// The manifest does not fit the envelope's bound.
    EnvelopeTooLong {
        /// Bytes it claims.
        claimed: u32,
    },
    /// More signatures than the bound.
    TooManySignatures {
        /// Signatures it claims.
        claimed: u16,
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
    /// An extension over its bound.
    ManifestExtension,
    /// An index page whose digest is not the one that the page before it (or the manifest) names.
    PageDigest {
        /// Number of the page.
        page: u64,
    },
    /// An index page whose fields contradict each other.
    PageLayout {
        /// Number of the page.
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
    /// The bundle needs a decompressor that the caller did not bring.
    NoDecompressor,
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
    /// What was read back is not what was written.
    ReadBack {
        /// Number of the chunk.
        chunk: u64,
    },
    /// The hash area's superblock is not the one the manifest gives.
    Superblock(SuperblockFault),
    /// The slot has no valid trailer.
    TrailerMissing,
    /// The trailers of a slot's partitions are not the same bytes.
    TrailersDiffer,
    /// The manifest's roles are not exactly the profile's.
    Roles,
    /// The bytes of the slot are another manifest's.
    OtherManifest {
        /// Digest of the manifest that was expected.
        expected: Digest,
    },
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the bundle ends too early"),
            Self::TrailingBytes => f.write_str("bytes follow the end of the bundle"),
            Self::EnvelopeMagic => f.write_str("not a bundle: its first bytes are not the magic"),
            Self::EnvelopeReserved => f.write_str("reserved bytes of the bundle's prefix are not zero"),
            Self::EnvelopeTooLong { claimed } => write!(f, "a manifest of {claimed} bytes does not fit the envelope"),
            Self::TooManySignatures { claimed } => write!(f, "{claimed} signatures are more than the format allows"),
            Self::NotEnoughSignatures { valid, threshold } => {
                write!(f, "{valid} trusted signatures hold where {threshold} are needed")
            }
            Self::ManifestEncoding => f.write_str("the manifest cannot be decoded"),
            Self::ManifestNotCanonical => f.write_str("the manifest is not in its canonical encoding"),
            Self::ManifestName => {
                f.write_str("a name in the manifest has a character outside [A-Za-z0-9._+~-] or a bad length")
            }
            Self::ManifestEmptyList => f.write_str("the manifest names no compatible or no payload"),
            Self::ManifestDuplicateRole => f.write_str("two payloads of the manifest have one role"),
            Self::ManifestSalt => f.write_str("a salt in the manifest is longer than 256 bytes"),
            Self::ManifestImageLength { image_len, data_blocks } => {
                write!(f, "an image of {image_len} bytes does not have {data_blocks} data blocks")
            }
            Self::ManifestPayloadEncoding { encoding } => write!(f, "payload encoding {encoding} is not known"),
            Self::ManifestExtension => f.write_str("an extension of the manifest is over its bound"),
            Self::PageDigest { page } => write!(f, "index page {page} does not have the digest that was promised"),
            Self::PageLayout { page } => write!(f, "the fields of index page {page} contradict each other"),
            Self::CarriedDigest { chunk } => write!(f, "the carried bytes of chunk {chunk} are damaged"),
            Self::Decompress { chunk } => write!(f, "chunk {chunk} does not decompress to its length"),
            Self::NoDecompressor => f.write_str("the bundle is compressed and this updater has no decompressor"),
            Self::HashBlock { level, index } => {
                write!(f, "hash block {index} of level {level} does not match the tree")
            }
            Self::Chunk { chunk } => write!(f, "chunk {chunk} does not match the hash tree"),
            Self::ReadBack { chunk } => write!(f, "chunk {chunk} reads back different from what was written"),
            Self::Superblock(fault) => fault.fmt(f),
            Self::TrailerMissing => f.write_str("the slot holds no valid trailer"),
            Self::TrailersDiffer => f.write_str("the partitions of the slot carry different manifests"),
            Self::Roles => f.write_str("the manifest's roles are not exactly the profile's"),
            Self::OtherManifest { expected } => write!(f, "the slot does not hold manifest {expected}"),
        }
    }
}

impl core::error::Error for Corrupt {}
