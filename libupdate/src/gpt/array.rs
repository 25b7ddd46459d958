//! The array of entries of one copy, read in pieces through the caller's scratch.

use crate::block::{BlockSize, Lba};
use crate::error::{Error, NoSpace, TableFault};
use crate::io::{self, BlockIo};
use crate::limits::GPT_ENTRIES;

use super::entry::{ENTRY_BYTES, Entry, EntryNumber};
use super::header::Header;

/// Bytes of scratch that every function here and in `apply` asks for: the larger block.
pub const SCRATCH_BYTES: usize = 4096;
/// Extents held at once while looking for overlaps: all of a usual table in one pass, and a bounded stack for any other.
const HELD: usize = 64;

/// # Errors
/// [`NoSpace::Buffer`] where `scratch` is smaller than [`SCRATCH_BYTES`].
pub(crate) fn check_scratch<E>(scratch: &[u8]) -> Result<(), Error<E>> {
    if scratch.len() < SCRATCH_BYTES {
        return Err(NoSpace::Buffer { needed: SCRATCH_BYTES, got: scratch.len() }.into());
    }
    Ok(())
}

/// Shows every piece of the array to `each`, with the index of its first entry. Returns the CRC32 of the array as read.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn pieces<D: BlockIo>(
    disk: &mut D,
    header: &Header,
    scratch: &mut [u8],
    mut each: impl FnMut(u32, &mut [u8]),
) -> Result<u32, Error<D::Error>> {
    check_scratch(scratch)?;
    let block = disk.block_size().bytes();
    let whole = scratch.len().checked_div(block).unwrap_or_default().saturating_mul(block);
    let mut crc = crc32fast::Hasher::new();
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
/// [`Error::Io`], or the first rule that is broken.
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
