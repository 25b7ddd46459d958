//! The array of entries of one copy, read in pieces through the caller's scratch.

use crate::error::{Error, Misuse, TableFault};
use crate::io::{self, BlockIo};
use crate::units::block::{BlockSize, Lba};
use crate::units::crc::Crc;
use crate::units::limits::GPT_ENTRIES;

use super::entry::{Entry, EntryNumber};
use super::header::{ENTRY_BYTES, Header};

/// Bytes of scratch that every function here and in `write` asks for: the larger block.
pub const SCRATCH_BYTES: usize = 4096;
/// Extents held at once while looking for overlaps: a usual table takes one pass, and the stack is bounded for any
/// other.
const HELD: usize = 64;

/// # Errors
/// [`Misuse::Buffer`] where `scratch` is smaller than [`SCRATCH_BYTES`].
pub(crate) fn check_scratch<E>(scratch: &[u8]) -> Result<(), Error<E>> {
    if scratch.len() < SCRATCH_BYTES {
        return Err(Misuse::Buffer { needed: SCRATCH_BYTES, got: scratch.len() }.into());
    }
    Ok(())
}

/// Shows every piece of the array to `each`, with the index of its first entry. Returns the CRC32 of the array as read.
///
/// # Errors
/// [`Error::Medium`].
pub(crate) fn pieces<D: BlockIo>(
    disk: &mut D,
    header: &Header,
    scratch: &mut [u8],
    mut each: impl FnMut(u32, &mut [u8]),
) -> Result<u32, Error<D::Error>> {
    check_scratch(scratch)?;
    let block = disk.block_size().bytes();
    let whole = scratch.len().checked_div(block).unwrap_or_default().saturating_mul(block);
    let mut crc = Crc::new();
    let mut left = usize::try_from(header.entry_bytes()).unwrap_or_default();
    let mut at = header.entries_lba();
    let mut index = 0_u32;
    while left > 0 {
        let used = left.min(whole);
        let read = used.next_multiple_of(block);
        let piece = scratch.get_mut(..read).unwrap_or_default();
        io::read(disk, at, piece)?;
        let entries = piece.get_mut(..used).unwrap_or_default();
        crc.update(entries);
        each(index, entries);
        // The header's judge proved that the array lies inside the disk: none of these sums overflows.
        at = at.plus(blocks_of(disk.block_size(), read)).unwrap_or(at);
        index = index.saturating_add(u32::try_from(used.div_euclid(ENTRY_BYTES)).unwrap_or(GPT_ENTRIES));
        left = left.saturating_sub(used);
    }
    Ok(crc.finalize())
}

fn blocks_of(block_size: BlockSize, bytes: usize) -> u64 {
    u64::try_from(bytes.div_euclid(block_size.bytes())).unwrap_or_default()
}

/// Splits a piece into its entries and their numbers.
pub(crate) fn numbered(first: u32, piece: &[u8]) -> impl Iterator<Item = (EntryNumber, &[u8; ENTRY_BYTES])> {
    let (entries, _) = piece.as_chunks::<ENTRY_BYTES>();
    (first..).map(EntryNumber::from_index).zip(entries)
}

/// Judges the whole array: its checksum, then every entry's range, then that no two overlap.
///
/// # Errors
/// [`Error::Medium`], or the first rule that is broken.
pub(crate) fn judge<D: BlockIo>(disk: &mut D, header: &Header, scratch: &mut [u8]) -> Result<(), Error<D::Error>> {
    let block_size = disk.block_size();
    let mut next = Some(0);
    while let Some(start) = next {
        let mut pass = Pass::from(start);
        let crc = pieces(disk, header, scratch, |first, piece| {
            for (number, raw) in numbered(first, piece) {
                pass.take(number, Entry::parse(raw, number, header, block_size));
            }
        })?;
        if crc != header.entries_crc() {
            return Err(TableFault::EntriesCrc.into());
        }
        if let Some(fault) = pass.range_fault.or(pass.overlap_fault) {
            return Err(fault.into());
        }
        next = pass.resume;
    }
    Ok(())
}

/// One reading of the array: holds the extents of up to [`HELD`] entries and compares every later one with them.
struct Pass {
    start: u32,
    held: heapless::Vec<Held, HELD>,
    /// Index of the first used entry that found no room among the held ones.
    resume: Option<u32>,
    range_fault: Option<TableFault>,
    overlap_fault: Option<TableFault>,
}

#[derive(Clone, Copy)]
struct Held {
    number: EntryNumber,
    first: Lba,
    last: Lba,
}

impl Pass {
    const fn from(start: u32) -> Self {
        Self { start, held: heapless::Vec::new(), resume: None, range_fault: None, overlap_fault: None }
    }

    fn take(&mut self, number: EntryNumber, entry: Result<Option<Entry>, TableFault>) {
        match entry {
            Err(fault) => self.range_fault = self.range_fault.or(Some(fault)),
            Ok(Some(entry)) if number.index() >= self.start => self.compare(&entry),
            Ok(_) => {}
        }
    }

    fn compare(&mut self, entry: &Entry) {
        let (first, last) = (entry.extent.first(), entry.extent.last());
        if let Some(other) = self.held.iter().find(|held| held.first <= last && first <= held.last) {
            let fault = TableFault::Overlap { entry: other.number.get(), other: entry.number.get() };
            self.overlap_fault = self.overlap_fault.or(Some(fault));
        }
        // Once one entry found no room the held ones stay as they are: the next pass starts with that entry.
        if self.resume.is_none() && self.held.push(Held { number: entry.number, first, last }).is_err() {
            self.resume = Some(entry.number.index());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Layout, Used, block, disk, entry, seal_entries};
    use super::super::table::BothCopies;
    use super::super::{CopyState, Table};
    use super::*;
    use crate::io::ram_disk::RamDisk;
    use crate::units::block::BlockCount;
    use std::vec::Vec;

    fn state(disk: &mut RamDisk) -> CopyState {
        BothCopies::read(disk, &mut [0; SCRATCH_BYTES]).unwrap().primary().state()
    }

    fn overlap(entry: u32, other: u32) -> CopyState {
        CopyState::Faulty(TableFault::Overlap { entry, other })
    }

    #[test]
    fn any_two_of_1024_entries_are_compared() {
        for size in [BlockSize::B512, BlockSize::B4096] {
            let layout = Layout::usual(size, 4000, 1024);
            let place = |number: u32| layout.first_usable + u64::from(number);
            let used: Vec<Used> = (1..=1024).map(|number| Used(number, place(number), place(number), 0)).collect();
            let good = disk(layout, &used);
            assert_eq!(state(&mut good.clone()), CopyState::Valid);
            for (one, other) in
                [(1, 1024), (63, 64), (64, 65), (65, 66), (1, 65), (128, 129), (500, 1000), (1023, 1024)]
            {
                let mut damaged = good.clone();
                for at in [32, 40] {
                    entry(&mut damaged, 1, other)[at..at + 8].copy_from_slice(&place(one).to_le_bytes());
                }
                seal_entries(&mut damaged, 1);
                assert_eq!(state(&mut damaged), overlap(one, other));
            }
        }
    }

    #[test]
    fn an_entry_out_of_range_is_named_before_an_overlap() {
        let mut disk = disk(Layout::vboot(), &[Used(1, 100, 199, 0), Used(2, 150, 160, 0), Used(9, 5, 6, 0)]);
        assert_eq!(state(&mut disk), CopyState::Faulty(TableFault::EntryRange { entry: 9 }));
    }

    /// Four entries fill an eighth of a 4096-byte block; what follows them belongs to nobody.
    #[test]
    fn bytes_behind_the_array_do_not_count() {
        let mut disk = disk(Layout::usual(BlockSize::B4096, 64, 4), &[Used(4, 10, 11, 0)]);
        block(&mut disk, 2)[512] ^= 1;
        assert_eq!(state(&mut disk), CopyState::Valid);
        block(&mut disk, 2)[511] ^= 1;
        assert_eq!(state(&mut disk), CopyState::Faulty(TableFault::EntriesCrc));
    }

    #[test]
    fn the_scratch_may_have_any_length_from_one_block_on() {
        let layout = Layout::vboot();
        let mut disk = disk(layout, &[Used(1, 34, 34, 0), Used(100, 40, 41, 0), Used(128, 50, 51, 0)]);
        for len in [4096, 4097, 4608, 5000, 16384, 100_000] {
            let mut scratch = std::vec![0; len];
            let table = Table::read(&mut disk, &mut scratch).unwrap();
            let mut numbers = Vec::new();
            table.entries(&mut disk, &mut scratch, |entry| numbers.push(entry.number.get())).unwrap();
            assert_eq!(numbers, [1, 100, 128]);
        }
        let short = Table::read(&mut disk, &mut [0; 4095]);
        assert_eq!(short, Err(Error::Misuse(Misuse::Buffer { needed: 4096, got: 4095 })));
        assert_eq!(Table::read(&mut disk, &mut []), Err(Error::Misuse(Misuse::Buffer { needed: 4096, got: 0 })));
    }

    #[test]
    fn a_disk_without_room_for_a_table_is_refused() {
        let mut disk = RamDisk::new(BlockSize::B512, 5);
        assert_eq!(Table::read(&mut disk, &mut [0; 4096]), Err(TableFault::DiskTooSmall.into()));
        let least = Layout::usual(BlockSize::B512, 6, 1);
        assert_eq!(BlockCount::new(6).get(), least.blocks);
        assert_eq!(state(&mut super::super::fixture::disk(least, &[Used(1, 3, 3, 0)])), CopyState::Valid);
    }
}
