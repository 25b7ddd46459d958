//! Both copies, and which of them is the table.
//!
//! ```text
//!  LBA 0      1     2 ..        first usable .. last usable         .. disk - 1
//!  | PMBR | H1 | E1 .. | ... |  partitions                | ... | E2 .. | H2 |  (grown disk: free blocks) |
//! ```
//! 1. The backup is where the primary's header says, if that header is valid and a backup can be there. A damaged
//!    header may still name the place of a backup that holds by itself (a disk that grew). It comes before the last LBA,
//!    where a move that was cut may have left an older backup. Where neither the primary nor what is at that place
//!    holds, and where no place is named, it is the last LBA.
//! 2. A valid primary wins over a valid, different backup.
//! 3. `IGNOREME` in place of a signature: the other copy serves and this one is never written. Both ignored: no table.
//! 4. A copy that cannot be read is a faulty copy. Only when neither can be read is it the disk that failed.

use crate::error::{Error, Medium, Misuse, TableFault};
use crate::io::{self, BlockIo};
use crate::units::block::{BlockCount, BlockSize, Lba};

use super::array::{self, numbered, pieces};
use super::copy::{CopyId, CopyReport, CopyState};
use super::entry::{Entry, EntryNumber};
use super::header::{self, ENTRY_BYTES, Header, PRIMARY_LBA};

/// Blocks of the smallest disk that holds both copies and one usable block.
const LEAST_BLOCKS: u64 = 6;

/// A table that at least one valid copy holds, as it was when it was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Table {
    block_size: BlockSize,
    blocks: BlockCount,
    header: Header,
    chosen: CopyId,
    primary: CopyReport,
    backup: CopyReport,
}

/// What was found of both copies, whether or not one of them serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct BothCopies {
    block_size: BlockSize,
    blocks: BlockCount,
    primary: CopyReport,
    backup: CopyReport,
}

impl BothCopies {
    /// Reads and judges both copies through `scratch`, 4096 bytes at least; more means fewer reads. Reads only.
    ///
    /// # Errors
    /// [`Error::Medium`] where neither copy can be read; [`TableFault::DiskTooSmall`]; [`Error::Misuse`] for the scratch.
    pub fn read<D: BlockIo>(disk: &mut D, scratch: &mut [u8]) -> Result<Self, Error<D::Error>> {
        array::check_scratch(scratch)?;
        let (block_size, blocks) = (disk.block_size(), disk.block_count());
        if blocks.get() < LEAST_BLOCKS {
            return Err(TableFault::DiskTooSmall.into());
        }
        let last = Lba::new(blocks.get().saturating_sub(1));
        let (primary, primary_error) = CopyReport::read(disk, PRIMARY_LBA, scratch)?;
        let place = match primary.header {
            Some(header) => header.backup_place(blocks, block_size),
            None => Ok(hinted_backup(disk, last, scratch)?.unwrap_or(last)),
        };
        let (mut backup, mut backup_error) = match place {
            Ok(place) => CopyReport::read(disk, place, scratch)?,
            Err(fault) => (CopyReport::nowhere(fault), None),
        };
        if faulty(&primary) && faulty(&backup) && place != Ok(last) {
            (backup, backup_error) = CopyReport::read(disk, last, scratch)?;
        }
        match (primary_error, backup_error) {
            (Some(error), Some(_)) => Err(error),
            _ => Ok(Self { block_size, blocks, primary, backup: backup.compared_with(&primary) }),
        }
    }

    /// The copy at the start of the disk.
    #[must_use]
    pub const fn primary(&self) -> CopyReport {
        self.primary
    }

    /// The copy at its end.
    #[must_use]
    pub const fn backup(&self) -> CopyReport {
        self.backup
    }

    /// The table.
    ///
    /// # Errors
    /// [`TableFault::NoValidCopy`].
    pub fn table(self) -> Result<Table, TableFault> {
        let Self { block_size, blocks, primary, backup } = self;
        let valid = |report: CopyReport| report.header.filter(|_| report.state == CopyState::Valid);
        let (chosen, header) = match (valid(primary), valid(backup)) {
            (Some(header), _) => (CopyId::Primary, header),
            (None, Some(header)) => (CopyId::Backup, header),
            (None, None) => return Err(TableFault::NoValidCopy),
        };
        Ok(Table { block_size, blocks, header, chosen, primary, backup })
    }
}

const fn faulty(report: &CopyReport) -> bool {
    matches!(report.state, CopyState::Faulty(_))
}

/// Where a damaged primary header says its backup is: on a disk that grew, the only way to it. Only a place to look at; what
/// is there must pass every rule of a backup by itself. A header that cannot be read says nothing.
fn hinted_backup<D: BlockIo>(disk: &mut D, last: Lba, scratch: &mut [u8]) -> Result<Option<Lba>, Error<D::Error>> {
    let block = scratch.get_mut(..disk.block_size().bytes()).unwrap_or_default();
    match io::read(disk, PRIMARY_LBA, block) {
        Ok(()) => Ok(header::damaged_alternate(block).filter(|place| *place > PRIMARY_LBA && *place < last)),
        Err(Error::Medium(Medium::Failed(_))) => Ok(None),
        Err(error) => Err(error),
    }
}

impl CopyReport {
    fn compared_with(self, primary: &Self) -> Self {
        let differs = primary.state == CopyState::Valid
            && self.state == CopyState::Valid
            && !self.header.zip(primary.header).is_some_and(|(mine, other)| mine.same_table(&other));
        if differs { Self { state: CopyState::Differs, ..self } } else { self }
    }
}

impl Table {
    /// Reads and judges both copies through `scratch`, 4096 bytes at least; more means fewer reads. Reads only.
    ///
    /// # Errors
    /// [`TableFault::NoValidCopy`] ([`BothCopies`] then says why), and those of [`BothCopies::read`].
    pub fn read<D: BlockIo>(disk: &mut D, scratch: &mut [u8]) -> Result<Self, Error<D::Error>> {
        Ok(BothCopies::read(disk, scratch)?.table()?)
    }

    /// The copy at the start of the disk.
    #[must_use]
    pub const fn primary(&self) -> CopyReport {
        self.primary
    }

    /// The copy at its end.
    #[must_use]
    pub const fn backup(&self) -> CopyReport {
        self.backup
    }

    /// The one or the other.
    #[must_use]
    pub const fn copy(&self, copy: CopyId) -> CopyReport {
        match copy {
            CopyId::Primary => self.primary,
            CopyId::Backup => self.backup,
        }
    }

    /// The copy that serves.
    #[must_use]
    pub const fn chosen(&self) -> CopyId {
        self.chosen
    }

    /// The header of the copy that serves.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The disk's block size.
    #[must_use]
    pub const fn block_size(&self) -> BlockSize {
        self.block_size
    }

    /// The disk's blocks when the table was read.
    #[must_use]
    pub const fn blocks(&self) -> BlockCount {
        self.blocks
    }

    /// Shows every used entry to `each`, in the order of their numbers. Reads only, from the copy that serves.
    ///
    /// # Errors
    /// [`Error::Medium`]; [`TableFault::ChangedUnderUs`] where the entries are no longer those that were read: what `each`
    /// saw is then worth nothing.
    pub fn entries<D: BlockIo>(
        &self,
        disk: &mut D,
        scratch: &mut [u8],
        mut each: impl FnMut(&Entry),
    ) -> Result<(), Error<D::Error>> {
        let crc = pieces(disk, &self.header, scratch, |first, piece| {
            for (number, raw) in numbered(first, piece) {
                if let Ok(Some(entry)) = Entry::parse(raw, number, &self.header, self.block_size) {
                    each(&entry);
                }
            }
        })?;
        if crc == self.header.entries_crc() { Ok(()) } else { Err(TableFault::ChangedUnderUs.into()) }
    }

    /// Reads one entry, `None` if it is unused. One block is read and no checksum covers it: for what was found
    /// before.
    ///
    /// # Errors
    /// [`Error::Medium`]; [`Misuse::NoSuchEntry`]; [`TableFault::EntryRange`] where the table changed.
    pub fn read_entry<D: BlockIo>(
        &self,
        disk: &mut D,
        number: EntryNumber,
        scratch: &mut [u8],
    ) -> Result<Option<Entry>, Error<D::Error>> {
        array::check_scratch(scratch)?;
        let missing = Misuse::NoSuchEntry { entry: number.get() };
        let place = EntryPlace::new(number, &self.header, self.block_size).ok_or(missing)?;
        let at = self.header.entries_lba().plus(place.block).ok_or(missing)?;
        let block = scratch.get_mut(..self.block_size.bytes()).unwrap_or_default();
        io::read(disk, at, block)?;
        let raw = block.get(place.offset..).unwrap_or_default();
        Ok(Entry::parse(raw, number, &self.header, self.block_size)?)
    }
}

/// Where in the array an entry is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct EntryPlace {
    /// Block of the array, from 0.
    pub(crate) block: u64,
    /// Bytes from the start of that block.
    pub(crate) offset: usize,
}

impl EntryPlace {
    /// `None` if the table has no entry of that number.
    pub(crate) fn new(number: EntryNumber, header: &Header, block_size: BlockSize) -> Option<Self> {
        if number.get() > header.entry_count() {
            return None;
        }
        let byte = usize::try_from(number.index()).ok()?.checked_mul(ENTRY_BYTES)?;
        let size = block_size.bytes();
        Some(Self { block: u64::try_from(byte.checked_div(size)?).ok()?, offset: byte.checked_rem(size)? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Layout, block, entry, lba, set, two_slots};
    use super::*;
    use crate::error::{Access, IoError};
    use crate::io::ram_disk::{Failed, RamDisk};
    use CopyState::{Faulty, Valid};
    use std::vec::Vec;

    const CRC: CopyState = Faulty(TableFault::HeaderCrc);
    const ENTRIES: CopyState = Faulty(TableFault::EntriesCrc);
    const UNREADABLE: CopyState = Faulty(TableFault::Unreadable);

    fn survey(disk: &mut RamDisk) -> BothCopies {
        BothCopies::read(disk, &mut [0; 4096]).unwrap()
    }

    /// States of both copies, and the one that serves.
    fn judge(disk: &mut RamDisk) -> (CopyState, CopyState, Option<CopyId>) {
        let survey = survey(disk);
        (survey.primary().state(), survey.backup().state(), survey.table().ok().map(|table| table.chosen()))
    }

    fn layouts() -> [Layout; 4] {
        let apart =
            Layout { primary_entries: 40, first_usable: 80, last_usable: 400, backup_entries: 420, ..Layout::vboot() };
        [Layout::vboot(), apart, Layout::usual(BlockSize::B4096, 64, 128), Layout::usual(BlockSize::B4096, 64, 4)]
    }

    /// Damages the headers (`h`) and the entries (`e`) that are named.
    fn damaged(layout: Layout, what: &[&str]) -> RamDisk {
        let mut disk = two_slots(layout);
        for part in what {
            match *part {
                "h1" => block(&mut disk, 1)[16] ^= 1,
                "h2" => block(&mut disk, layout.backup)[16] ^= 1,
                "e1" => entry(&mut disk, 1, 4)[127] ^= 1,
                "e2" => entry(&mut disk, layout.backup, 4)[127] ^= 1,
                other => panic!("{other}"),
            }
        }
        disk
    }

    #[test]
    fn a_table_without_a_valid_copy_is_no_table() {
        let result = Table::read(&mut damaged(Layout::vboot(), &["h1", "e2"]), &mut [0; 4096]);
        assert_eq!(result, Err(TableFault::NoValidCopy.into()));
    }

    /// R20: a read error anywhere in one copy leaves the other; in both it is the disk that failed.
    #[test]
    fn a_read_error_makes_a_copy_faulty() {
        let layout = Layout::vboot();
        let read = |bad: &[u64]| {
            let mut disk = two_slots(layout);
            disk.bad_reads = bad.to_vec();
            BothCopies::read(&mut disk, &mut [0; 4096])
                .map(|survey| (survey.primary().state(), survey.backup().state()))
        };
        let (h2, e2) = (layout.backup, layout.backup_entries);
        for bad in [1, 2, 33] {
            assert_eq!(read(&[bad]), Ok((UNREADABLE, Valid)), "block {bad}");
        }
        for bad in [h2, e2, e2 + 31] {
            assert_eq!(read(&[bad]), Ok((Valid, UNREADABLE)), "block {bad}");
        }
        let failed =
            |at| Err(Error::Medium(Medium::Failed(IoError { access: Access::Read, at: lba(at), cause: Failed })));
        assert_eq!(read(&[1, h2]), failed(1));
        assert_eq!(read(&[2, e2]), failed(2));
        let mut other_is_damaged = damaged(layout, &["h2"]);
        other_is_damaged.bad_reads = [1].to_vec();
        assert_eq!(Table::read(&mut other_is_damaged, &mut [0; 4096]), Err(TableFault::NoValidCopy.into()));
    }

    fn grown(layout: Layout, blocks: usize, what: &[&str]) -> RamDisk {
        let mut disk = damaged(layout, what);
        let len = disk.bytes.len() + blocks * layout.size.bytes();
        disk.bytes.resize(len, 0);
        disk
    }

    /// R26, R27: a disk that grew works as it is, and the backup is found as long as LBA 1 still names its place.
    #[test]
    fn a_grown_disk_works_as_it_is() {
        for layout in layouts() {
            let (primary, backup) = (Some(CopyId::Primary), Some(CopyId::Backup));
            assert_eq!(judge(&mut grown(layout, 100, &[])), (Valid, Valid, primary));
            assert_eq!(judge(&mut grown(layout, 1, &["e1"])), (ENTRIES, Valid, backup));
            assert_eq!(judge(&mut grown(layout, 100, &["h1"])), (CRC, Valid, backup));
            let mut wiped = grown(layout, 100, &[]);
            block(&mut wiped, 1).fill(0);
            let nothing = Faulty(TableFault::Signature);
            assert_eq!(judge(&mut wiped), (nothing, nothing, None));
            assert_eq!(survey(&mut grown(layout, 100, &[])).backup().place(), Some(lba(layout.backup)));
        }
    }

    /// The state in the middle of writing a new table over an older one with its backup elsewhere.
    #[test]
    fn a_backup_in_the_last_block_serves_where_the_primary_points_to_nothing() {
        let layout = Layout::vboot();
        for other in [300_u64, 486, 490, 515, 9999] {
            let mut disk = damaged(layout, &["e1"]);
            set(&mut disk, 1, 32, &other.to_le_bytes());
            assert_eq!(judge(&mut disk), (ENTRIES, Valid, Some(CopyId::Backup)));
        }
    }

    /// R31: the field of a primary that does not hold is a place to look at, and nothing but a whole backup there counts.
    #[test]
    fn a_damaged_primary_cannot_make_a_backup_of_anything_else() {
        let layout = Layout::vboot();
        for garbage in [0, 1, 2, 40, layout.backup - 1, layout.backup + 1, 616, 617, u64::MAX] {
            let mut disk = grown(layout, 100, &[]);
            block(&mut disk, 1)[32..40].copy_from_slice(&garbage.to_le_bytes());
            let found = survey(&mut disk).backup();
            assert_eq!((found.place(), found.state()), (Some(lba(616)), Faulty(TableFault::Signature)), "{garbage}");
        }
    }

    #[test]
    fn a_shrunk_disk_has_no_place_for_the_backup() {
        let layout = Layout::vboot();
        let shrunk = |blocks: usize| {
            let mut disk = two_slots(layout);
            disk.bytes.truncate(blocks * 512);
            judge(&mut disk)
        };
        let nowhere = Faulty(TableFault::AlternateLba { found: lba(516) });
        assert_eq!(shrunk(516), (Valid, nowhere, Some(CopyId::Primary)));
        assert_eq!(shrunk(484), (Valid, nowhere, Some(CopyId::Primary)));
        let short = TableFault::DiskTooShort { needs: BlockCount::new(517), has: BlockCount::new(483) };
        assert_eq!(shrunk(483), (Faulty(short), Faulty(TableFault::Signature), None));
    }

    #[test]
    fn entries_keep_their_numbers_and_their_bits() {
        for layout in layouts() {
            for what in [&[][..], &["h1"], &["h2"]] {
                let mut disk = damaged(layout, what);
                let table = Table::read(&mut disk, &mut [0; 4096]).unwrap();
                let mut found = Vec::new();
                let each = |entry: &Entry| found.push((entry.number.get(), entry.attributes.get() >> 48));
                table.entries(&mut disk, &mut [0; 4096], each).unwrap();
                assert_eq!(found, [(1, 0x8000), (3, 0xff12), (4, 0xfe00)]);
                assert_eq!(table.header().entry_count(), layout.count);
            }
        }
    }

    #[test]
    fn one_entry_is_read_by_its_number() {
        let layout = Layout::usual(BlockSize::B512, 600, 128);
        let mut disk = two_slots(layout);
        let table = Table::read(&mut disk, &mut [0; 4096]).unwrap();
        let mut read = |number| table.read_entry(&mut disk, EntryNumber::new(number).unwrap(), &mut [0; 4096]);
        assert_eq!(read(3).unwrap().map(|entry| entry.number.get()), Some(3));
        assert_eq!(read(2), Ok(None));
        assert_eq!(read(128), Ok(None));
        assert_eq!(read(129), Err(Misuse::NoSuchEntry { entry: 129 }.into()));
        assert_eq!(read(u32::MAX), Err(Misuse::NoSuchEntry { entry: u32::MAX }.into()));
    }

    #[test]
    fn entries_that_changed_meanwhile_are_refused() {
        let mut disk = two_slots(Layout::vboot());
        let table = Table::read(&mut disk, &mut [0; 4096]).unwrap();
        entry(&mut disk, 1, 3)[54] ^= 1;
        let result = table.entries(&mut disk, &mut [0; 4096], |_| {});
        assert_eq!(result, Err(TableFault::ChangedUnderUs.into()));
    }

    #[test]
    fn reading_writes_nothing() {
        for what in [&[][..], &["h1"], &["e2"]] {
            let mut disk = damaged(Layout::vboot(), what);
            assert!(Table::read(&mut disk, &mut [0; 4096]).is_ok());
            assert_eq!(disk.log, []);
        }
    }
}
