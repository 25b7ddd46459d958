//! Both copies, and which of them is the table.
//!
//! ```text
//!  LBA 0      1     2 ..        first usable .. last usable         .. disk - 1
//!  | PMBR | H1 | E1 .. | ... |  partitions                | ... | E2 .. | H2 |  (grown disk: free blocks) |
//! ```
//! 1. The backup stands where the primary's header says, if that header holds and a backup can stand there. Without such a header it is the last LBA,
//!    and also where nothing valid is found at that place and the primary's entries do not hold.
//! 2. A valid primary wins over a valid, different backup.
//! 3. `IGNOREME` in place of a signature: the other copy serves and this one is never written. Both ignored: no table.
//! 4. A copy that cannot be read is a faulty copy. Only when neither can be read is it the disk that failed.

use crate::block::{BlockCount, BlockSize, Lba};
use crate::error::{Error, TableFault};
use crate::io::{self, BlockIo};

use super::array::{self, numbered, pieces};
use super::copy::{CopyId, CopyReport, CopyState};
use super::entry::{ENTRY_BYTES, Entry, EntryNumber};
use super::header::{Header, PRIMARY_LBA};

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
pub struct Survey {
    block_size: BlockSize,
    blocks: BlockCount,
    primary: CopyReport,
    backup: CopyReport,
}

impl Survey {
    /// Reads and judges both copies through `scratch`, 4096 bytes at least; more means fewer reads. Reads only.
    ///
    /// # Errors
    /// [`Error::Io`] where neither copy can be read, [`TableFault::DiskTooSmall`], and [`Error::NoSpace`] for the scratch.
    pub fn read<D: BlockIo>(disk: &mut D, scratch: &mut [u8]) -> Result<Self, Error<D::Error>> {
        array::check_scratch(scratch)?;
        let (block_size, blocks) = (disk.block_size(), disk.block_count());
        if blocks.get() < LEAST_BLOCKS {
            return Err(TableFault::DiskTooSmall.into());
        }
        let last = Lba::new(blocks.get().saturating_sub(1));
        let (primary, primary_error) = CopyReport::read(disk, PRIMARY_LBA, scratch)?;
        let place = primary.header.map_or(Ok(last), |header| header.backup_place(blocks, block_size));
        let (mut backup, mut backup_error) = match place {
            Ok(place) => CopyReport::read(disk, place, scratch)?,
            Err(fault) => (CopyReport::nowhere(fault), None),
        };
        let nothing_serves =
            matches!(primary.state, CopyState::Faulty(_)) && matches!(backup.state, CopyState::Faulty(_));
        if nothing_serves && place != Ok(last) {
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
    /// [`TableFault::NoValidCopy`] ([`Survey`] then says why), and those of [`Survey::read`].
    pub fn read<D: BlockIo>(disk: &mut D, scratch: &mut [u8]) -> Result<Self, Error<D::Error>> {
        Ok(Survey::read(disk, scratch)?.table()?)
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
    /// [`Error::Io`]; [`TableFault::ChangedUnderUs`] where the entries are no longer those that were read: what `each` saw is then
    /// worth nothing.
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

    /// Reads one entry, `None` where it is unused. One block is read, and no checksum covers it: for what was found before.
    ///
    /// # Errors
    /// [`Error::Io`]; [`TableFault::NoSuchEntry`]; [`TableFault::EntryRange`] where the table changed.
    pub fn read_entry<D: BlockIo>(
        &self,
        disk: &mut D,
        number: EntryNumber,
        scratch: &mut [u8],
    ) -> Result<Option<Entry>, Error<D::Error>> {
        array::check_scratch(scratch)?;
        let missing = TableFault::NoSuchEntry { entry: number.get() };
        let place = EntryPlace::new(number, &self.header, self.block_size).ok_or(missing)?;
        let at = self.header.entries_lba().plus(place.block).ok_or(missing)?;
        let block = scratch.get_mut(..self.block_size.bytes()).unwrap_or_default();
        io::read(disk, at, block)?;
        let raw = block.get(place.offset..).unwrap_or_default();
        Ok(Entry::parse(raw, number, &self.header, self.block_size)?)
    }
}

/// Where in the array an entry stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct EntryPlace {
    /// Block of the array, from 0.
    pub(crate) block: u64,
    /// Bytes from the start of that block.
    pub(crate) offset: usize,
}

impl EntryPlace {
    /// `None` where the table has no entry of that number.
    pub(crate) fn new(number: EntryNumber, header: &Header, block_size: BlockSize) -> Option<Self> {
        if number.get() > header.entry_count() {
            return None;
        }
        let byte = usize::try_from(number.index()).ok()?.checked_mul(ENTRY_BYTES)?;
        let size = block_size.bytes();
        Some(Self { block: u64::try_from(byte.checked_div(size)?).ok()?, offset: byte.checked_rem(size)? })
    }
}
