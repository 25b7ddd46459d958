//! A verity superblock that breaks a rule.

use core::fmt;

/// The rule that the block breaks, with its operands; judged in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SuperblockFault {
    /// Fewer bytes than a superblock has.
    Truncated,
    /// The block does not begin with `verity`, NUL, NUL.
    Magic,
    /// A superblock version other than 1.
    Version {
        /// The field.
        found: u32,
    },
    /// A hash type other than 1: 0 is ChromeOS's older order of block and salt.
    HashType {
        /// The field.
        found: u32,
    },
    /// A hash algorithm other than SHA-256.
    Algorithm,
    /// A data block size other than 4096.
    DataBlockSize {
        /// The field.
        found: u32,
    },
    /// A hash block size other than 4096.
    HashBlockSize {
        /// The field.
        found: u32,
    },
    /// No data block, or more than the bound.
    DataBlocks {
        /// The field.
        found: u64,
    },
    /// A salt over 256 bytes.
    SaltLength {
        /// The field.
        found: u16,
    },
    /// One of the 512 bytes that belongs to no field is not zero.
    Padding,
    /// A valid superblock, of another image than the manifest's.
    OtherTree,
    /// The rest of the block is not zero.
    Tail,
}

impl fmt::Display for SuperblockFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("too few bytes for a verity superblock"),
            Self::Magic => f.write_str("no verity superblock"),
            Self::Version { found } => write!(f, "verity superblock version {found} is not 1"),
            Self::HashType { found } => write!(f, "verity hash type {found} is not 1"),
            Self::Algorithm => f.write_str("the verity hash algorithm is not sha256"),
            Self::DataBlockSize { found } => write!(f, "verity data blocks of {found} bytes, not 4096"),
            Self::HashBlockSize { found } => write!(f, "verity hash blocks of {found} bytes, not 4096"),
            Self::DataBlocks { found } => write!(f, "{found} verity data blocks are out of bounds"),
            Self::SaltLength { found } => write!(f, "a verity salt of {found} bytes is longer than 256"),
            Self::Padding => f.write_str("unused bytes of the verity superblock are not zero"),
            Self::OtherTree => f.write_str("the verity superblock is another image's"),
            Self::Tail => f.write_str("the block of the verity superblock is not zero after it"),
        }
    }
}

impl core::error::Error for SuperblockFault {}
