//! What people read where bytes break a rule of the format: outside the core a rule is opaque, so that its words stand here once more,
//! and a change of them is seen.

use std::fmt;

use libupdate::Digest;
use libupdate::error::SuperblockFault;

/// The rules that the tests break, by their names in `docs/FORMAT.md`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Corrupt {
    Truncated,
    TrailingBytes,
    EnvelopeMagic,
    EnvelopePrefixLength { found: u16 },
    EnvelopeReserved,
    EnvelopeTooLong { claimed: u32 },
    TooManySignatures { claimed: u16 },
    SignatureReserved,
    HighS { key: Digest },
    NotEnoughSignatures { valid: usize, threshold: usize },
    ManifestEncoding,
    ManifestTooMany,
    ManifestTrailingBytes,
    ManifestNotCanonical,
    ManifestName,
    ManifestEmptyList,
    ManifestDuplicateRole,
    ManifestSalt,
    ManifestImageLength { image_len: u64, data_blocks: u64 },
    ManifestPayloadEncoding { encoding: u8 },
    ManifestFirstPage,
    ManifestExtension,
    ManifestDuplicateExtension,
    ManifestFeatures,
    PackForm,
    PackName,
    PackUnit,
    PackSupersedes,
    PageDigest { page: u64 },
    PageMagic { page: u64 },
    PageCount { page: u64 },
    PageReserved { page: u64 },
    PageNext { page: u64 },
    PageRow { page: u64, row: usize },
    Hints { page: u64 },
    CarriedDigest { chunk: u64 },
    Decompress { chunk: u64 },
    HashBlock { level: u8, index: u64 },
    Chunk { chunk: u64 },
    ReadBack { chunk: u64 },
    TreeReadBack,
    Superblock(SuperblockFault),
    TrailerLength { claimed: u32 },
    TrailerCrc,
    TrailerPadding,
    MarkCrc,
    MarkPadding,
    OtherCompatible,
    TrailersDiffer,
    Roles,
}

impl fmt::Display for Corrupt {
    #[expect(clippy::too_many_lines, reason = "a line for each rule")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the bundle ends too early"),
            Self::TrailingBytes => f.write_str("bytes follow the end of the bundle"),
            Self::EnvelopeMagic => f.write_str("not a bundle: its first bytes are not the magic"),
            Self::EnvelopePrefixLength { found } => write!(f, "a bundle prefix of {found} bytes is not 40 bytes long"),
            Self::EnvelopeReserved => f.write_str("reserved bytes of the bundle's prefix are not zero"),
            Self::EnvelopeTooLong { claimed } => {
                write!(f, "{claimed} bytes of manifest and signatures do not fit the envelope")
            }
            Self::TooManySignatures { claimed } => write!(f, "{claimed} signatures are more than the format allows"),
            Self::SignatureReserved => f.write_str("reserved bytes of the signature block are not zero"),
            Self::HighS { key } => write!(f, "the signature by key {key} is not normalised to low s"),
            Self::NotEnoughSignatures { valid, threshold } => {
                write!(f, "{valid} trusted signatures hold where {threshold} are needed")
            }
            Self::ManifestEncoding => f.write_str("the manifest cannot be decoded"),
            Self::ManifestTooMany => f.write_str("a list in the manifest has more items than the format allows"),
            Self::ManifestTrailingBytes => f.write_str("bytes follow the manifest's last field"),
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
            Self::ManifestFirstPage => f.write_str("a raw payload of the manifest names an index page"),
            Self::ManifestExtension => f.write_str("an extension of the manifest has a wrong length or value"),
            Self::ManifestDuplicateExtension => f.write_str("two extensions of the manifest have one id"),
            Self::ManifestFeatures => f.write_str("the required-feature bits are not those of the manifest's payloads"),
            Self::PackForm => f.write_str("what the pack says of itself breaks its layout"),
            Self::PackName => f.write_str(
                "a name in the pack has a character outside [A-Za-z0-9._-], two dots in a row, or a bad length",
            ),
            Self::PackUnit => f.write_str("a unit that the pack reloads or restarts has no name of a systemd unit"),
            Self::PackSupersedes => f.write_str("the pack supersedes itself, or another one twice"),
            Self::PageDigest { page } => write!(f, "index page {page} does not have the digest that was promised"),
            Self::PageMagic { page } => write!(f, "index page {page} does not begin with its magic"),
            Self::PageCount { page } => write!(f, "index page {page} does not have the rows that its place asks for"),
            Self::PageReserved { page } => write!(f, "reserved bytes of index page {page} are not zero"),
            Self::PageNext { page } => write!(f, "index page {page} is wrong about whether another one follows"),
            Self::PageRow { page, row } => write!(f, "row {row} of index page {page} contradicts itself"),
            Self::Hints { page } => write!(f, "the hints of index page {page} are wrong"),
            Self::CarriedDigest { chunk } => write!(f, "the carried bytes of chunk {chunk} are damaged"),
            Self::Decompress { chunk } => write!(f, "chunk {chunk} does not decompress to its length"),
            Self::HashBlock { level, index } => {
                write!(f, "hash block {index} of level {level} does not match the tree")
            }
            Self::Chunk { chunk } => write!(f, "chunk {chunk} does not match the hash tree"),
            Self::ReadBack { chunk } => write!(f, "chunk {chunk} reads back different from what was written"),
            Self::TreeReadBack => f.write_str("the hash tree reads back different from what was written"),
            Self::Superblock(fault) => fault.fmt(f),
            Self::TrailerLength { claimed } => write!(f, "a trailer of {claimed} bytes is longer than an envelope"),
            Self::TrailerCrc => f.write_str("the checksum of the slot's trailer does not hold"),
            Self::TrailerPadding => f.write_str("bytes after the slot's trailer are not zero"),
            Self::MarkCrc => f.write_str("the checksum of the slot's install mark does not hold"),
            Self::MarkPadding => f.write_str("bytes after the slot's install mark are not zero"),
            Self::OtherCompatible => f.write_str("the slot holds a bundle for another compatible than this device's"),
            Self::TrailersDiffer => f.write_str("the partitions of the slot carry different manifests"),
            Self::Roles => f.write_str("the manifest's roles are not exactly the profile's"),
        }
    }
}
