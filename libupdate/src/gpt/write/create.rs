//! A brand-new table.

use crate::error::{Error, TableFault};
use crate::gpt::write::plan::{self, CopyPlace, Region};
use crate::gpt::{CopyId, ENTRY_BYTES, Entry, FIRST_ENTRIES_LBA, Guid, Header, PRIMARY_LBA, check_scratch, numbered};
use crate::io::{self, BlockIo};
use crate::units::block::{BlockCount, BlockSize, Lba};
use crate::units::bytes::put;
use crate::units::crc::crc32;

use super::executor::{self, Backup, Content};

/// A table as its maker has it in memory.
#[derive(Clone, Copy, Debug)]
pub struct FreshTable<'a> {
    /// Block 0: the protective MBR. On disks of 4096-byte blocks the rest of the block is zero.
    pub protective_mbr: &'a [u8; 512],
    /// The disk's GUID.
    pub disk_guid: Guid,
    /// The first block a partition may use.
    pub first_usable: Lba,
    /// The last block a partition may use.
    pub last_usable: Lba,
    /// The array, 128 bytes an entry: 1 to 1024 of them, used or not.
    pub entries: &'a [u8],
}

/// Writes a new table: entries after LBA 1, backup in the last block. What table was there is gone; the caller has
/// asked.
///
/// # Durability
/// On `Ok` both copies are on the medium and were read back. What an earlier act left in the disk's cache is flushed first. Until the next flush an older table is as it was, as far
/// as its primary holds; from then on the new backup is there, and as soon as the older primary is no longer whole it
/// serves. So a cut leaves the old table or the new one, or, on a disk that had none, perhaps nothing: run again.
///
/// # Errors
/// The rule of the header or of the entries that the new table would break, with nothing written; [`Error::Medium`],
/// [`TableFault::ReadBack`].
pub fn create<D: BlockIo>(disk: &mut D, fresh: &FreshTable<'_>, scratch: &mut [u8]) -> Result<(), Error<D::Error>> {
    check_scratch(scratch)?;
    let content = fresh.judge(disk.block_count(), disk.block_size())?;
    let place = |header: &Header| CopyPlace { header: header.my_lba(), entries: header.entries_lba() };
    let blocks = content.primary.entry_blocks(disk.block_size());
    let plan = plan::fresh(place(&content.primary), place(&content.backup), blocks)?;
    io::flush(disk)?;
    executor::run(disk, &plan, &content, Backup::Required, scratch).map(|_| ())
}

impl<'a> FreshTable<'a> {
    /// Both headers, if every rule holds for them and for the entries.
    fn judge(&self, disk: BlockCount, block_size: BlockSize) -> Result<Fresh<'a>, TableFault> {
        let count = u32::try_from(self.entries.len().div_euclid(ENTRY_BYTES)).unwrap_or(u32::MAX);
        if !self.entries.len().is_multiple_of(ENTRY_BYTES) {
            return Err(TableFault::EntryCount { found: count });
        }
        let last = Lba::new(disk.get().checked_sub(1).ok_or(TableFault::DiskTooSmall)?);
        let primary = Header::new(self.disk_guid, count, crc32(self.entries))
            .with_usable(self.first_usable, self.last_usable)
            .moved(PRIMARY_LBA, FIRST_ENTRIES_LBA, last);
        let entries = last.minus(primary.entry_blocks(block_size)).ok_or(TableFault::DiskTooSmall)?;
        let backup = primary.moved(last, entries, PRIMARY_LBA);
        primary.check(disk, block_size)?;
        backup.check(disk, block_size)?;
        self.judge_entries(&primary, block_size)?;
        Ok(Fresh { mbr: self.protective_mbr, entries: self.entries, primary, backup })
    }

    /// The entries in use, once every rule holds for the table.
    ///
    /// # Errors
    /// The rule that the table would break.
    pub fn entries(
        &self,
        disk: BlockCount,
        block_size: BlockSize,
        mut each: impl FnMut(&Entry),
    ) -> Result<(), TableFault> {
        let primary = self.judge(disk, block_size)?.primary;
        for (number, raw) in numbered(0, self.entries) {
            if let Some(entry) = Entry::parse(raw, number, &primary, block_size)? {
                each(&entry);
            }
        }
        Ok(())
    }

    fn judge_entries(&self, header: &Header, block_size: BlockSize) -> Result<(), TableFault> {
        for (number, raw) in numbered(0, self.entries) {
            let Some(entry) = Entry::parse(raw, number, header, block_size)? else { continue };
            for (earlier, raw) in numbered(0, self.entries).take_while(|(earlier, _)| *earlier < number) {
                let other = Entry::parse(raw, earlier, header, block_size)?;
                if other.is_some_and(|other| other.extent.overlaps(&entry.extent)) {
                    return Err(TableFault::Overlap { entry: earlier.get(), other: number.get() });
                }
            }
        }
        Ok(())
    }
}

/// A judged new table.
struct Fresh<'a> {
    mbr: &'a [u8; 512],
    entries: &'a [u8],
    primary: Header,
    backup: Header,
}

impl Content for Fresh<'_> {
    fn header(&self, copy: CopyId) -> Option<Header> {
        Some(match copy {
            CopyId::Primary => self.primary,
            CopyId::Backup => self.backup,
        })
    }

    /// What was there before is not wanted.
    fn base(&self, _copy: CopyId) -> Option<Header> {
        None
    }

    fn fill<D: BlockIo>(&self, disk: &mut D, piece: Region, buf: &mut [u8]) -> Result<(), Error<D::Error>> {
        let header = if piece.copy == CopyId::Primary { self.primary } else { self.backup };
        buf.fill(0);
        if piece.first == header.my_lba() {
            header.store(buf).ok_or(TableFault::ReadBack)?;
        } else if piece.first == Lba::new(0) {
            put(buf, 0, self.mbr).ok_or(TableFault::ReadBack)?;
        } else {
            let distance = piece.first.get().saturating_sub(header.entries_lba().get());
            let skipped = distance.saturating_mul(disk.block_size().bytes_u64());
            let rest =
                usize::try_from(skipped).ok().and_then(|skipped| self.entries.get(skipped..)).unwrap_or_default();
            let len = rest.len().min(buf.len());
            put(buf, 0, rest.get(..len).unwrap_or_default()).ok_or(TableFault::ReadBack)?;
        }
        Ok(())
    }
}
