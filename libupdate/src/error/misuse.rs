//! A caller that breaks a rule of this interface.

use core::fmt;

use crate::units::block::{ByteLen, ByteOffset};

/// The rule that the caller broke, with its operands. Nothing on the disk is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Misuse {
    /// A buffer is smaller than the act needs.
    Buffer {
        /// Bytes it needs.
        needed: usize,
        /// Bytes it got.
        got: usize,
    },
    /// The table has no entry of this number, or it is not in use.
    NoSuchEntry {
        /// Number of the entry, from 1.
        entry: u32,
    },
    /// A role that the slot has no payload or no partition for.
    Role,
    /// More entries to be changed at once than there can be slots.
    TooManyEdits,
    /// An access outside the partition.
    OutsidePartition {
        /// Where it began.
        offset: ByteOffset,
        /// Its bytes.
        len: u64,
        /// Bytes of the partition.
        size: ByteLen,
    },
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Buffer { needed, got } => write!(f, "a buffer of {got} bytes where {needed} are needed"),
            Self::NoSuchEntry { entry } => write!(f, "the GPT has no entry {entry}"),
            Self::Role => f.write_str("the slot has nothing of this role"),
            Self::TooManyEdits => f.write_str("more GPT entries to change at once than a device has slots"),
            Self::OutsidePartition { offset, len, size } => {
                write!(f, "an access of {len} bytes at {offset} leaves the partition of {size} or splits a block")
            }
        }
    }
}

impl core::error::Error for Misuse {}
