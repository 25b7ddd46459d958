//! A partition table, or one copy of it, that breaks a rule.

use core::fmt;

use crate::units::block::{BlockCount, Lba};
use crate::units::limits::GPT_ENTRIES;
use crate::units::slot_id::SlotId;

/// The rule of the UEFI specification (chapter 5.3) or of `docs/FORMAT.md` that a GPT copy or the whole table breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TableFault {
    /// Neither copy is usable.
    NoValidCopy,
    /// A header stands at both sector sizes.
    AmbiguousSectorSize,
    /// The disk has too few blocks for a table.
    DiskTooSmall,
    /// Nothing that looks like a header.
    Signature,
    /// A revision other than 1.0.
    Revision {
        /// The field.
        found: u32,
    },
    /// A header size under 92 or over the block.
    HeaderSize {
        /// The field.
        found: u32,
    },
    /// The header's checksum does not hold.
    HeaderCrc,
    /// The reserved field after the checksum is not zero.
    Reserved,
    /// An entry size other than 128.
    EntrySize {
        /// The field.
        found: u32,
    },
    /// No entry, or more than the bound.
    EntryCount {
        /// The field.
        found: u32,
    },
    /// The header names another block as its own place.
    MyLba {
        /// The field.
        found: Lba,
        /// Where it stands.
        at: Lba,
    },
    /// The array of entries is not where one can be.
    EntriesLba {
        /// The field.
        found: Lba,
    },
    /// The usable range ends past the disk's end: the disk is shorter than the one that the table was made for.
    DiskTooShort {
        /// Blocks that the table's disk has at least.
        needs: BlockCount,
        /// Blocks that this one has.
        has: BlockCount,
    },
    /// First and last usable block contradict each other, the entries or the disk.
    UsableRange,
    /// The entries' checksum does not hold.
    EntriesCrc,
    /// An entry outside the usable range, or that ends before it begins.
    EntryRange {
        /// Number of the entry, from 1.
        entry: u32,
    },
    /// Two entries share a block.
    Overlap {
        /// Number of the one, from 1.
        entry: u32,
        /// Number of the other, from 1.
        other: u32,
    },
    /// The copy could not be read.
    Unreadable,
    /// The primary header names a place for the backup where none can stand.
    AlternateLba {
        /// The field.
        found: Lba,
    },
    /// A partition of the profile is not in the table.
    PartitionMissing {
        /// The slot.
        slot: SlotId,
    },
    /// Two partitions answer to one label and type.
    PartitionAmbiguous {
        /// The slot.
        slot: SlotId,
    },
    /// The table on the disk is not the one that was read before.
    ChangedUnderUs,
    /// The table did not read back as it was written.
    ReadBack,
}

impl fmt::Display for TableFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoValidCopy => f.write_str("neither copy of the partition table is valid"),
            Self::AmbiguousSectorSize => {
                f.write_str("the disk has a valid GPT header for 512 and for 4096-byte sectors")
            }
            Self::DiskTooSmall => f.write_str("the disk is too small for a partition table"),
            Self::Signature => f.write_str("no GPT signature"),
            Self::Revision { found } => write!(f, "GPT revision {found:#010x} is not 1.0"),
            Self::HeaderSize { found } => write!(f, "GPT header size {found} is not 92 to one block"),
            Self::HeaderCrc => f.write_str("the GPT header's checksum does not hold"),
            Self::Reserved => f.write_str("the GPT header's reserved field is not zero"),
            Self::EntrySize { found } => write!(f, "GPT entry size {found} is not 128"),
            Self::EntryCount { found } => write!(f, "the GPT has {found} entries, not 1 to {GPT_ENTRIES}"),
            Self::MyLba { found, at } => write!(f, "the GPT header at {at} says that it stands at {found}"),
            Self::EntriesLba { found } => write!(f, "GPT entries at {found} are not where they can be"),
            Self::DiskTooShort { needs, has } => {
                let (needs, has) = (needs.get(), has.get());
                write!(f, "the GPT was made for a disk of {needs} sectors or more, this one has {has}")
            }
            Self::UsableRange => f.write_str("the GPT's usable range ends before it begins or overlaps the entries"),
            Self::EntriesCrc => f.write_str("the GPT entries' checksum does not hold"),
            Self::EntryRange { entry } => write!(f, "GPT entry {entry} lies outside the usable range"),
            Self::Overlap { entry, other } => write!(f, "GPT entries {entry} and {other} overlap"),
            Self::Unreadable => f.write_str("this GPT copy could not be read"),
            Self::AlternateLba { found } => {
                write!(f, "no backup GPT can stand at {found}, where the primary places it")
            }
            Self::PartitionMissing { slot } => write!(f, "a partition of slot {slot} is not in the table"),
            Self::PartitionAmbiguous { slot } => write!(f, "two partitions match the profile's slot {slot}"),
            Self::ChangedUnderUs => f.write_str("the partition table changed since it was read"),
            Self::ReadBack => f.write_str("the partition table does not read back as it was written"),
        }
    }
}

impl core::error::Error for TableFault {}
