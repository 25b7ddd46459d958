//! The header of one GPT copy.
//!
//! ```text
//!   0 signature "EFI PART"   8 revision 1.0     12 header size S    16 CRC32 of bytes 0..S, this field as zero
//!  20 zero                  24 own LBA          32 other header     40 first usable     48 last usable
//!  56 disk GUID             72 entries LBA      80 entry count      84 entry size       88 CRC32 of the entries
//!  92 .. S .. block         foreign, kept
//! ```
//! UEFI 2.10, table 5.5. Judged in this order, and an earlier failure masks the later ones:
//!
//! 1. the signature, then the revision; 2. S is 92 to one block; 3. the header's checksum; 4. bytes 20..24 are zero;
//! 5. an entry has 128 bytes; 6. there are 1 to 1024 entries; 7. own LBA is where the header is;
//! 8. last usable < disk, then first usable <= last usable, and an array fits between LBA 2 and first usable; 9. the array lies between
//!    header and first usable (primary) or between last usable and header (backup).
//!
//! Off-spec: the "other header" field is not judged (vboot's rule as well): a disk that grew still works, and a field
//! that points nowhere only costs the backup. Fewer than 128 entries are accepted: most writers can make them.

use crate::error::TableFault;
use crate::units::block::{BlockCount, BlockSize, Lba};
use crate::units::bytes::{array, put, u32_at, u64_at};
use crate::units::crc::Crc;
use crate::units::limits::{GPT_ENTRIES, GPT_HEADER_BYTES};

use super::guid::Guid;

/// Bytes of an entry.
pub const ENTRY_BYTES: usize = 128;

const SIGNATURE: &[u8; 8] = b"EFI PART";
/// What ChromeOS puts in place of the signature of a copy that nobody shall read or write.
pub(super) const IGNORE_SIGNATURE: &[u8; 8] = b"IGNOREME";
const REVISION_1_0: u32 = 0x0001_0000;
const ENTRY_SIZE: u32 = 128;
const CRC_AT: usize = 16;
const ALTERNATE_LBA_AT: usize = 32;
/// Where in a header the place of its entries is.
pub(crate) const ENTRIES_LBA_AT: usize = 72;
/// LBA of the primary header.
pub(crate) const PRIMARY_LBA: Lba = Lba::new(1);
/// The first LBA where entries may be.
pub(crate) const FIRST_ENTRIES_LBA: Lba = Lba::new(2);

/// A header that holds: each rule of the module but those of the entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    size: u32,
    crc: u32,
    my_lba: Lba,
    alternate_lba: Lba,
    first_usable: Lba,
    last_usable: Lba,
    disk_guid: Guid,
    entries_lba: Lba,
    entry_count: u32,
    entries_crc: u32,
}

/// The backup's place in a primary header that breaks a rule; for looking, never for writing.
pub(super) fn damaged_alternate(block: &[u8]) -> Option<Lba> {
    u64_at(block, ALTERNATE_LBA_AT).map(Lba::new)
}

impl Header {
    /// Judges the block that was read from `at`, on a disk of `disk` blocks.
    ///
    /// # Errors
    /// The first rule that the header breaks.
    pub fn parse(block: &[u8], at: Lba, disk: BlockCount, block_size: BlockSize) -> Result<Self, TableFault> {
        let Some(block) = block.get(..block_size.bytes()) else { return Err(TableFault::DiskTooSmall) };
        if !block.starts_with(SIGNATURE) {
            return Err(TableFault::Signature);
        }
        let header = Self::parse_fields(block)?;
        if header.my_lba != at {
            return Err(TableFault::MyLba { found: header.my_lba, at });
        }
        header.check_ranges(disk, block_size)?;
        Ok(header)
    }

    /// A header of 92 bytes without a place yet: see [`Header::moved`] and [`Header::with_usable`].
    pub(crate) fn new(disk_guid: Guid, entry_count: u32, entries_crc: u32) -> Self {
        Self {
            size: GPT_HEADER_BYTES,
            crc: 0,
            my_lba: Lba::default(),
            alternate_lba: Lba::default(),
            first_usable: Lba::default(),
            last_usable: Lba::default(),
            disk_guid,
            entries_lba: Lba::default(),
            entry_count,
            entries_crc,
        }
    }

    /// The rules that a header in memory can break: its count and its ranges.
    ///
    /// # Errors
    /// The first of them that is broken.
    pub(crate) fn check(&self, disk: BlockCount, block_size: BlockSize) -> Result<(), TableFault> {
        check_count(self.entry_count)?;
        self.check_ranges(disk, block_size)
    }

    fn parse_fields(block: &[u8]) -> Result<Self, TableFault> {
        // A block has at least 512 bytes, so that no access below is outside it.
        let u32_field = |at| u32_at(block, at).unwrap_or_default();
        let lba_field = |at| Lba::new(u64_at(block, at).unwrap_or_default());
        let revision = u32_field(8);
        if revision != REVISION_1_0 {
            return Err(TableFault::Revision { found: revision });
        }
        let size = u32_field(12);
        let covered = usize::try_from(size).ok().and_then(|size| block.get(..size));
        let covered = covered.filter(|_| size >= GPT_HEADER_BYTES).ok_or(TableFault::HeaderSize { found: size })?;
        let crc = u32_field(CRC_AT);
        if crc != crc_without_field(covered) {
            return Err(TableFault::HeaderCrc);
        }
        if u32_field(20) != 0 {
            return Err(TableFault::Reserved);
        }
        let entry_size = u32_field(84);
        if entry_size != ENTRY_SIZE {
            return Err(TableFault::EntrySize { found: entry_size });
        }
        let entry_count = u32_field(80);
        check_count(entry_count)?;
        Ok(Self {
            size,
            crc,
            my_lba: lba_field(24),
            alternate_lba: lba_field(32),
            first_usable: lba_field(40),
            last_usable: lba_field(48),
            disk_guid: Guid::new(array(block, 56).unwrap_or_default()),
            entries_lba: lba_field(ENTRIES_LBA_AT),
            entry_count,
            entries_crc: u32_field(88),
        })
    }

    fn check_ranges(&self, disk: BlockCount, block_size: BlockSize) -> Result<(), TableFault> {
        self.check_usable_range(disk, block_size)?;
        self.check_entries_place(block_size)
    }

    fn check_usable_range(&self, disk: BlockCount, block_size: BlockSize) -> Result<(), TableFault> {
        if self.last_usable.get() >= disk.get() {
            let end = self.last_usable.max(self.alternate_lba).max(self.my_lba);
            let needs = BlockCount::new(end.get().saturating_add(1));
            return Err(TableFault::DiskTooShort { needs, has: disk });
        }
        let room_for_primary = FIRST_ENTRIES_LBA.plus(self.entry_blocks(block_size));
        let holds =
            self.first_usable <= self.last_usable && room_for_primary.is_some_and(|end| end <= self.first_usable);
        if holds { Ok(()) } else { Err(TableFault::UsableRange) }
    }

    fn check_entries_place(&self, block_size: BlockSize) -> Result<(), TableFault> {
        let end = self.entries_lba.plus(self.entry_blocks(block_size));
        let holds = if self.my_lba == PRIMARY_LBA {
            self.entries_lba >= FIRST_ENTRIES_LBA && end.is_some_and(|end| end <= self.first_usable)
        } else {
            self.entries_lba > self.last_usable && end.is_some_and(|end| end <= self.my_lba)
        };
        if holds { Ok(()) } else { Err(TableFault::EntriesLba { found: self.entries_lba }) }
    }

    /// Where the primary's `alternate_lba` says that the backup header is.
    ///
    /// # Errors
    /// [`TableFault::AlternateLba`] where no backup can be: past the disk's end, or without room for its entries
    /// after the usable range. Nothing is ever read or written there.
    pub(crate) fn backup_place(&self, disk: BlockCount, block_size: BlockSize) -> Result<Lba, TableFault> {
        let first_entry = self.alternate_lba.minus(self.entry_blocks(block_size));
        if self.alternate_lba.get() < disk.get() && first_entry.is_some_and(|first| first > self.last_usable) {
            Ok(self.alternate_lba)
        } else {
            Err(TableFault::AlternateLba { found: self.alternate_lba })
        }
    }

    /// Whether the two describe one table: every field but the three that tell the copies apart.
    #[must_use]
    pub fn same_table(&self, other: &Self) -> bool {
        let common = |header: &Self| Self {
            crc: 0,
            my_lba: Lba::default(),
            alternate_lba: Lba::default(),
            entries_lba: Lba::default(),
            ..*header
        };
        common(self) == common(other)
    }

    /// Whether every field is equal, the checksum aside: it covers foreign bytes too.
    pub(crate) fn same_fields(&self, other: &Self) -> bool {
        Self { crc: 0, ..*self } == Self { crc: 0, ..*other }
    }

    /// Writes every field to `block` and renews the header's checksum; bytes 92 and on stay. Touches memory only.
    ///
    /// `None` if the block is shorter than the header.
    pub(crate) fn store(&self, block: &mut [u8]) -> Option<()> {
        put(block, 0, SIGNATURE)?;
        put(block, 8, &REVISION_1_0.to_le_bytes())?;
        put(block, 12, &self.size.to_le_bytes())?;
        put(block, 20, &[0; 4])?;
        put(block, 24, &self.my_lba.get().to_le_bytes())?;
        put(block, 32, &self.alternate_lba.get().to_le_bytes())?;
        put(block, 40, &self.first_usable.get().to_le_bytes())?;
        put(block, 48, &self.last_usable.get().to_le_bytes())?;
        put(block, 56, self.disk_guid.as_bytes())?;
        put(block, ENTRIES_LBA_AT, &self.entries_lba.get().to_le_bytes())?;
        put(block, 80, &self.entry_count.to_le_bytes())?;
        put(block, 84, &ENTRY_SIZE.to_le_bytes())?;
        put(block, 88, &self.entries_crc.to_le_bytes())?;
        let crc = crc_without_field(block.get(..usize::try_from(self.size).ok()?)?);
        put(block, CRC_AT, &crc.to_le_bytes())
    }

    /// The same table's header in another place. Its checksum is renewed by [`Header::store`].
    pub(crate) const fn moved(&self, my_lba: Lba, entries_lba: Lba, alternate_lba: Lba) -> Self {
        Self { my_lba, entries_lba, alternate_lba, ..*self }
    }

    pub(crate) const fn with_usable(&self, first_usable: Lba, last_usable: Lba) -> Self {
        Self { first_usable, last_usable, ..*self }
    }

    pub(crate) const fn with_entries_crc(&self, entries_crc: u32) -> Self {
        Self { entries_crc, ..*self }
    }

    /// Where this header is.
    #[must_use]
    pub const fn my_lba(&self) -> Lba {
        self.my_lba
    }

    /// Where it says that the other header is; not judged.
    #[must_use]
    pub const fn alternate_lba(&self) -> Lba {
        self.alternate_lba
    }

    /// The first block a partition may use.
    #[must_use]
    pub const fn first_usable(&self) -> Lba {
        self.first_usable
    }

    /// The last block a partition may use.
    #[must_use]
    pub const fn last_usable(&self) -> Lba {
        self.last_usable
    }

    /// The disk's GUID.
    #[must_use]
    pub const fn disk_guid(&self) -> Guid {
        self.disk_guid
    }

    /// The first block of this copy's entries.
    #[must_use]
    pub const fn entries_lba(&self) -> Lba {
        self.entries_lba
    }

    /// Number of entries, used or not: 1 to 1024.
    #[must_use]
    pub const fn entry_count(&self) -> u32 {
        self.entry_count
    }

    /// Checksum of the entries.
    #[must_use]
    pub const fn entries_crc(&self) -> u32 {
        self.entries_crc
    }

    /// Bytes of the array of entries.
    #[must_use]
    pub(crate) fn entry_bytes(&self) -> u64 {
        // At most 1024 entries of 128 bytes.
        u64::from(self.entry_count).saturating_mul(u64::from(ENTRY_SIZE))
    }

    /// Blocks of the array of entries.
    #[must_use]
    pub(crate) fn entry_blocks(&self, block_size: BlockSize) -> u64 {
        block_size.blocks_for(self.entry_bytes())
    }
}

const fn check_count(entry_count: u32) -> Result<(), TableFault> {
    if entry_count == 0 || entry_count > GPT_ENTRIES {
        return Err(TableFault::EntryCount { found: entry_count });
    }
    Ok(())
}

/// CRC32 of the bytes that the header's size covers, with the checksum's own four as zero.
fn crc_without_field(covered: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(covered.get(..CRC_AT).unwrap_or_default());
    crc.update(&[0; 4]);
    crc.update(covered.get(CRC_AT.saturating_add(4)..).unwrap_or_default());
    crc.finalize()
}

const _: () = assert!(ENTRY_BYTES == 128, "the field and the layout are one number");

#[cfg(test)]
mod tests {
    use super::super::fixture::{self, Layout, lba, seal};
    use super::*;
    use std::vec::Vec;

    const SIZES: [BlockSize; 2] = [BlockSize::B512, BlockSize::B4096];

    fn block_of(layout: Layout, at: u64) -> Vec<u8> {
        fixture::block(&mut fixture::disk(layout, &[]), at).to_vec()
    }

    fn judge(layout: Layout, block: &[u8], at: u64) -> Result<(), TableFault> {
        Header::parse(block, lba(at), BlockCount::new(layout.blocks), layout.size).map(|_| ())
    }

    /// The verdict on a good header with one field changed and the checksum renewed.
    fn with(layout: Layout, lba: u64, at: usize, field: &[u8]) -> Result<(), TableFault> {
        let mut block = block_of(layout, lba);
        block[at..at + field.len()].copy_from_slice(field);
        seal(&mut block);
        judge(layout, &block, lba)
    }

    #[test]
    fn a_good_header_holds_in_both_places_and_sizes() {
        for size in SIZES {
            for count in [1, 4, 128, 1024] {
                let layout = Layout::usual(size, 600, count);
                assert_eq!(judge(layout, &block_of(layout, 1), 1), Ok(()));
                assert_eq!(judge(layout, &block_of(layout, layout.backup), layout.backup), Ok(()));
            }
        }
    }

    /// Every rule in its order: with it and all later ones broken, it is the one reported.
    #[test]
    fn an_earlier_failure_masks_the_later_ones() {
        type Break = (fn(&mut [u8]), TableFault);
        let rules: [Break; 10] = [
            (|block| block[0] ^= 1, TableFault::Signature),
            (|block| block[8] = 1, TableFault::Revision { found: 0x0001_0001 }),
            (|block| block[12] = 91, TableFault::HeaderSize { found: 91 }),
            (|block| block[16] ^= 1, TableFault::HeaderCrc),
            (|block| block[20] = 1, TableFault::Reserved),
            (|block| block[84] = 0, TableFault::EntrySize { found: 0 }),
            (|block| block[81] = 5, TableFault::EntryCount { found: 128 + 0x500 }),
            (|block| block[24] = 3, TableFault::MyLba { found: lba(3), at: lba(1) }),
            (|block| block[40] = 33, TableFault::UsableRange),
            (|block| block[72] = 1, TableFault::EntriesLba { found: lba(1) }),
        ];
        let crc_rule = 3;
        for (first, (_, fault)) in rules.iter().enumerate() {
            let mut block = block_of(Layout::vboot(), 1);
            rules[first..].iter().rev().for_each(|(damage, _)| damage(&mut block));
            if first > crc_rule {
                seal(&mut block);
            }
            // 1408 entries reach further than the usable range begins: the count is named first all the same.
            assert_eq!(judge(Layout::vboot(), &block, 1), Err(*fault));
        }
    }

    #[test]
    fn a_block_that_was_cut_short_is_refused() {
        let block = block_of(Layout::vboot(), 1);
        assert_eq!(judge(Layout::vboot(), &block[..511], 1), Err(TableFault::DiskTooSmall));
        assert_eq!(judge(Layout::vboot(), &[], 1), Err(TableFault::DiskTooSmall));
    }

    #[test]
    fn entries_may_stand_apart_from_their_header() {
        let layout =
            Layout { primary_entries: 40, first_usable: 80, last_usable: 400, backup_entries: 420, ..Layout::vboot() };
        assert_eq!(judge(layout, &block_of(layout, 1), 1), Ok(()));
        assert_eq!(judge(layout, &block_of(layout, layout.backup), layout.backup), Ok(()));
    }

    /// vboot's `FirstUsableLbaAndLastUsableLbaTest`: good are first 34, last 483. Where vboot asks that the primary
    /// leaves room for a backup at the disk's end, we do not: it may be elsewhere.
    #[test]
    fn the_usable_range_lies_between_the_copies() {
        let layout = Layout::vboot();
        let judge = |at, first: u64, last: u64| {
            let fields = [first.to_le_bytes(), last.to_le_bytes()].concat();
            with(layout, at, 40, &fields)
        };
        for at in [1, layout.backup] {
            assert_eq!(judge(at, 34, 483), Ok(()));
            assert_eq!(judge(at, 34, 482), Ok(()));
            assert_eq!(judge(at, 35, 483), Ok(()));
            assert_eq!(judge(at, 100, 100), Ok(()));
            for (first, last) in [(33, 483), (0, 483), (100, 99), (u64::MAX, 483)] {
                assert_eq!(judge(at, first, last), Err(TableFault::UsableRange), "{first} to {last} at {at}");
            }
            for (last, needs) in [(517, 518), (9999, 10_000), (u64::MAX, u64::MAX)] {
                let short = TableFault::DiskTooShort { needs: BlockCount::new(needs), has: BlockCount::new(517) };
                assert_eq!(judge(at, 34, last), Err(short), "to {last} at {at}");
            }
        }
        assert_eq!(judge(1, 34, 516), Ok(()));
        assert_eq!(judge(516, 34, 484), Err(TableFault::EntriesLba { found: lba(484) }));
    }

    /// vboot's `HeaderSameTest`: each field but the three places makes two headers differ.
    #[test]
    fn every_common_field_tells_two_tables_apart() {
        let layout = Layout { first_usable: 40, last_usable: 470, ..Layout::vboot() };
        let parse = |block: &[u8]| Header::parse(block, lba(1), BlockCount::new(layout.blocks), layout.size).unwrap();
        let good = block_of(layout, 1);
        for (at, differs) in [
            (12, true),
            (32, false),
            (40, true),
            (48, true),
            (56, true),
            (71, true),
            (72, false),
            (80, true),
            (88, true),
        ] {
            let mut block = good.clone();
            block[at] = block[at].wrapping_add(1);
            if at == 80 {
                block[at] = 127;
            }
            seal(&mut block);
            assert_eq!(parse(&good).same_table(&parse(&block)), !differs, "byte {at}");
        }
    }

    #[test]
    fn a_stored_header_keeps_foreign_bytes_and_reads_back() {
        for (size, header_size) in [(BlockSize::B512, 92_u32), (BlockSize::B512, 300), (BlockSize::B4096, 4096)] {
            let layout = Layout::usual(size, 600, 128);
            let mut block = block_of(layout, 1);
            block[12..16].copy_from_slice(&header_size.to_le_bytes());
            seal(&mut block);
            let disk = BlockCount::new(layout.blocks);
            let header = Header::parse(&block, lba(1), disk, size).unwrap();
            let before = block.clone();
            header.store(&mut block).unwrap();
            assert_eq!(block, before, "storing what was parsed changes nothing");
            header.with_entries_crc(7).store(&mut block).unwrap();
            assert_eq!(block[92..], before[92..]);
            let again = Header::parse(&block, lba(1), disk, size).unwrap();
            assert!(again.same_fields(&header.with_entries_crc(7)));
        }
    }

    /// R31: a place that cannot be one is never used.
    #[test]
    fn a_backup_stands_behind_the_usable_range_and_inside_the_disk() {
        let layout = Layout::vboot();
        let place = |alternate: u64| {
            let mut block = block_of(layout, 1);
            block[32..40].copy_from_slice(&alternate.to_le_bytes());
            seal(&mut block);
            let disk = BlockCount::new(layout.blocks);
            Header::parse(&block, lba(1), disk, layout.size).unwrap().backup_place(disk, layout.size)
        };
        assert_eq!(place(516), Ok(lba(516)));
        for found in [0, 1, 2, 34, 483, 484, 515, 517, u64::MAX] {
            assert_eq!(place(found), Err(TableFault::AlternateLba { found: lba(found) }));
        }
    }
}
