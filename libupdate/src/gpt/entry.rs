//! One entry of a GPT: a partition.
//!
//! ```text
//!  0          16           32         40        48           56                    128
//!  | type GUID | unique GUID | first LBA | last LBA | attributes | name, 36 UTF-16 units |
//! ```
//! UEFI 2.10, table 5.6.
//!
//! 1. A type of zero means that the entry is unused, whatever else is in it.
//! 2. First and last LBA, both included, lie inside the header's usable range, first not after last.
//! 3. Entries need not be sorted, and there may be gaps; an entry keeps its number for life.
//! 4. Off-spec: two entries may have one unique GUID. Linux boots such a disk, refusing it would brick one; slots are
//!    known by entry, type and label, never by their unique GUID.

use core::fmt;
use core::num::NonZeroU32;

use crate::error::TableFault;
use crate::units::block::{BlockSize, Extent, Lba};
use crate::units::bytes::{array, u64_at};

use super::attributes::Attributes;
use super::guid::Guid;
use super::header::{ENTRY_BYTES, Header};

/// Where in an entry its attribute word is.
pub(crate) const ATTRIBUTES_AT: usize = 48;
const UNIQUE_AT: usize = 16;
const FIRST_AT: usize = 32;
const LAST_AT: usize = 40;
const NAME_AT: usize = 56;
const NAME_UNITS: usize = 36;

/// Number of an entry, from 1: the N of `/dev/sdaN`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct EntryNumber(NonZeroU32);

impl EntryNumber {
    /// The entry of this number, or `None` for 0.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number, from 1.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// Place in the array, from 0.
    #[must_use]
    pub(crate) const fn index(self) -> u32 {
        // The number is not zero.
        self.0.get().saturating_sub(1)
    }

    pub(crate) const fn from_index(index: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(index))
    }
}

impl fmt::Display for EntryNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A used entry.
///
/// # Invariants
/// When it comes from a [`Table`](super::Table), the extent lies inside the table's usable range, and no other entry's
/// overlaps it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its number in the array.
    pub number: EntryNumber,
    /// What the partition is for.
    pub type_guid: Guid,
    /// The partition's own GUID; not a safe identity, see the module's rule 4.
    pub unique_guid: Guid,
    /// Its place on the disk.
    pub extent: Extent,
    /// The attribute word.
    pub attributes: Attributes,
    /// Its label.
    pub name: PartitionName,
}

impl Entry {
    /// Judges the 128 bytes of entry `number`. `None` if it is unused.
    ///
    /// # Errors
    /// [`TableFault::EntryRange`].
    pub(crate) fn parse(
        raw: &[u8],
        number: EntryNumber,
        header: &Header,
        block_size: BlockSize,
    ) -> Result<Option<Self>, TableFault> {
        let fault = TableFault::EntryRange { entry: number.get() };
        let Some(raw) = raw.first_chunk::<ENTRY_BYTES>() else { return Err(fault) };
        let type_guid = Guid::new(array(raw, 0).unwrap_or_default());
        if type_guid == Guid::ZERO {
            return Ok(None);
        }
        let first = Lba::new(u64_at(raw, FIRST_AT).unwrap_or_default());
        let last = Lba::new(u64_at(raw, LAST_AT).unwrap_or_default());
        let extent = Extent::new(first, last, block_size).ok_or(fault)?;
        if first < header.first_usable() || last > header.last_usable() {
            return Err(fault);
        }
        Ok(Some(Self {
            number,
            type_guid,
            unique_guid: Guid::new(array(raw, UNIQUE_AT).unwrap_or_default()),
            extent,
            attributes: Attributes::new(u64_at(raw, ATTRIBUTES_AT).unwrap_or_default()),
            name: PartitionName::from_raw(raw),
        }))
    }
}

/// A partition's label: up to 36 UTF-16 units, kept as they are, well-formed or not.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PartitionName([u16; NAME_UNITS]);

impl PartitionName {
    /// The label of these units; those after the first zero do not count.
    #[must_use]
    pub const fn new(units: [u16; NAME_UNITS]) -> Self {
        Self(units)
    }

    fn from_raw(raw: &[u8; ENTRY_BYTES]) -> Self {
        let mut units = [0; NAME_UNITS];
        let (pairs, _) = raw.get(NAME_AT..).unwrap_or_default().as_chunks::<2>();
        for (unit, pair) in units.iter_mut().zip(pairs) {
            *unit = u16::from_le_bytes(*pair);
        }
        Self(units)
    }

    /// The units before the first zero.
    pub fn units(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().copied().take_while(|unit| *unit != 0)
    }

    /// Whether the label is exactly `text`.
    #[must_use]
    pub fn eq_str(&self, text: &str) -> bool {
        self.units().eq(text.encode_utf16())
    }
}

impl fmt::Display for PartitionName {
    /// The label, with whatever could move a terminal's cursor or reorder its text escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for character in char::decode_utf16(self.units()) {
            let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
            if character == ' ' || character.is_ascii_graphic() || character.is_alphanumeric() {
                f.write_char(character)?;
            } else {
                write!(f, "{}", character.escape_unicode())?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for PartitionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Layout, Used, block, disk, entry};
    use super::*;
    use crate::units::block::BlockCount;
    use std::format;
    use std::string::ToString as _;

    fn parse(first: u64, last: u64) -> Result<Option<Entry>, TableFault> {
        let layout = Layout::vboot();
        let mut disk = disk(layout, &[Used(5, first, last, 0x0123_0000_0000_0004)]);
        let header =
            Header::parse(block(&mut disk, 1), Lba::new(1), BlockCount::new(layout.blocks), layout.size).unwrap();
        Entry::parse(entry(&mut disk, 1, 5), EntryNumber::new(5).unwrap(), &header, layout.size)
    }

    #[test]
    fn every_field_is_read() {
        let entry = parse(40, 41).unwrap().unwrap();
        assert_eq!(entry.number.get(), 5);
        assert_eq!(entry.type_guid.to_string(), "11111111-1111-1111-1111-111111111111");
        assert_eq!(entry.unique_guid.to_string(), "00000005-2020-2020-2020-202020202020");
        assert_eq!((entry.extent.first(), entry.extent.last()), (Lba::new(40), Lba::new(41)));
        assert_eq!(entry.attributes.get(), 0x0123_0000_0000_0004);
        assert!(entry.name.eq_str("slot"));
    }

    fn name(text: &str) -> PartitionName {
        let mut units = [0; NAME_UNITS];
        units.iter_mut().zip(text.encode_utf16()).for_each(|(unit, of_text)| *unit = of_text);
        PartitionName::new(units)
    }

    #[test]
    fn a_label_is_compared_whole() {
        let full = "0123456789abcdef0123456789abcdef0123";
        assert!(name(full).eq_str(full));
        assert!(!name(full).eq_str(&full[..35]));
        assert!(!name("root-a").eq_str("root-ab"));
        assert!(!name("root-a").eq_str("root-"));
        assert!(!name("root-a").eq_str("ROOT-A"));
        assert!(name("").eq_str(""));
        let mut units = [0; NAME_UNITS];
        units[..4].copy_from_slice(&[0x61, 0, 0x62, 0x63]);
        assert!(PartitionName::new(units).eq_str("a"));
    }

    #[test]
    fn a_label_never_reaches_a_terminal_raw() {
        assert_eq!(name("r\u{f6}ot a\u{1b}[2J\u{202e}").to_string(), "r\u{f6}ot a\\u{1b}[2J\\u{202e}");
        let mut units = [0; NAME_UNITS];
        units[0] = 0xd800;
        assert_eq!(PartitionName::new(units).to_string(), "\\u{fffd}");
        assert_eq!(format!("{:?}", name("root-a")), "root-a");
    }
}
