//! The rules in words.

use core::fmt;

use crate::error::corrupt::Rule;

impl fmt::Display for Rule {
    #[expect(clippy::too_many_lines, reason = "one line for each kind")]
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
            Self::ManifestTooLong => f.write_str("the manifest is longer than the room for it"),
            #[cfg(any(test, feature = "packs"))]
            Self::PackForm => f.write_str("what the pack says of itself breaks its layout"),
            #[cfg(any(test, feature = "packs"))]
            Self::PackName => f.write_str(
                "a name in the pack has a character outside [A-Za-z0-9._-], two dots in a row, or a bad length",
            ),
            #[cfg(any(test, feature = "packs"))]
            Self::PackUnit => f.write_str("a unit that the pack reloads or restarts has no name of a systemd unit"),
            #[cfg(any(test, feature = "packs"))]
            Self::PackSupersedes => f.write_str("the pack supersedes itself, or another one twice"),
            Self::PageDigest { page } => write!(f, "index page {page} does not have the digest that was promised"),
            Self::PageMagic { page } => write!(f, "index page {page} does not begin with its magic"),
            Self::PageCount { page } => write!(f, "index page {page} does not have the rows that its place asks for"),
            Self::PageReserved { page } => write!(f, "reserved bytes of index page {page} are not zero"),
            Self::PageNext { page } => write!(f, "index page {page} is wrong about whether another one follows"),
            Self::PageRow { page, row } => write!(f, "row {row} of index page {page} contradicts itself"),
            Self::Hints { page } => write!(f, "the hints of index page {page} are wrong"),
            Self::ReusedFrames { chunk } => {
                write!(f, "blocks of another slot were taken for those of chunk {chunk}, and are others")
            }
            Self::CarriedDigest { chunk } => write!(f, "the carried bytes of chunk {chunk} are damaged"),
            Self::Decompress { chunk } => write!(f, "chunk {chunk} does not decompress to its length"),
            Self::DeltaBases => {
                f.write_str("the manifest does not name an old image for each payload of a delta bundle")
            }
            Self::DeltaBody { chunk } => write!(f, "the delta of chunk {chunk} breaks its layout"),
            Self::OldImageUnreadable { chunk } => {
                write!(f, "the old image in another slot, which chunk {chunk} is made from, cannot be read")
            }
            Self::OldImageDiffers { chunk } => {
                write!(f, "chunk {chunk}, made from the old image in another slot, does not match the hash tree")
            }
            Self::HashBlock { level, index } => {
                write!(f, "hash block {index} of level {level} does not match the tree")
            }
            Self::Chunk { chunk } => write!(f, "chunk {chunk} does not match the hash tree"),
            Self::ReadBack { chunk } => write!(f, "chunk {chunk} reads back different from what was written"),
            Self::TreeReadBack => f.write_str("the hash tree reads back different from what was written"),
            Self::Superblock(fault) => fault.fmt(f),
            Self::TrailerMissing => f.write_str("the slot holds no valid trailer"),
            Self::TrailerLength { claimed } => write!(f, "a trailer of {claimed} bytes is longer than an envelope"),
            Self::TrailerCrc => f.write_str("the checksum of the slot's trailer does not hold"),
            Self::TrailerPadding => f.write_str("bytes after the slot's trailer are not zero"),
            Self::MarkCrc => f.write_str("the checksum of the slot's install mark does not hold"),
            Self::MarkPadding => f.write_str("bytes after the slot's install mark are not zero"),
            Self::BootNoteMissing => f.write_str("the slot holds no boot note"),
            Self::BootNoteCrc => f.write_str("the checksum of the slot's boot note does not hold"),
            Self::BootNoteReserved => f.write_str("reserved bytes of the slot's boot note are not zero"),
            Self::BootNoteDetail => f.write_str("the detail of the slot's boot note is too long or not printable"),
            Self::TrailerUnreadable => f.write_str("the slot's trailer region cannot be read"),
            Self::TrailerReadBack => f.write_str("the trailer does not read back as it was written"),
            Self::OtherCompatible => f.write_str("the slot holds a bundle for another compatible than this device's"),
            Self::TrailersDiffer => f.write_str("the partitions of the slot carry different manifests"),
            Self::Roles => f.write_str("the manifest's roles are not exactly the profile's"),
        }
    }
}
