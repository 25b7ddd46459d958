//! The backup copy of the table on a disk that grew: an image was copied to a larger disk, or the disk was made larger.
//!
//! ```text
//!  | H1 E1 |  partitions           | E2 H2 |  nothing, no partition can use it           | here E2 H2 belong |
//! ```
//! 1. Until it is at the end, only the primary's header leads to it: if the start of the disk is lost, so is the table. The first act of a
//!    program that changes the table moves it, in the order of [`repair`](super::repair). A boot never does: it writes no more than it must.
//! 2. What is at the end and is neither blank nor an older backup is somebody's, such as a boot loader's settings. It stays; a repair, which
//!    an operator asks for, writes over it.

use crate::error::Error;
use crate::gpt::write::{BackupPlace, Relocate, repair};
use crate::gpt::{CopyState, ENTRY_BYTES, Table, check_scratch};
use crate::io::{self, BlockIo};
use crate::units::block::{ByteLen, Lba};
use crate::units::bytes::len_u64;

/// What became of a backup copy that may have to move.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ToTheEnd {
    /// It is at the end, or there is no table.
    NotNeeded,
    /// It moved by so many bytes.
    Moved(ByteLen),
    /// Something is in the way: it stays.
    Occupied,
}

/// Moves the backup to the disk's end, if it is elsewhere and nothing is in the way.
///
/// # Durability
/// That of [`repair`](super::repair()) with [`Relocate::Yes`].
/// # Errors
/// Those of [`repair`](super::repair()).
pub(crate) fn to_the_end<D: BlockIo>(disk: &mut D, scratch: &mut [u8]) -> Result<ToTheEnd, Error<D::Error>> {
    check_scratch(scratch)?;
    let Ok(table) = Table::read(disk, scratch) else { return Ok(ToTheEnd::NotNeeded) };
    let Some(first) = new_place(&table) else { return Ok(ToTheEnd::NotNeeded) };
    if !is_free(disk, first, scratch)? {
        return Ok(ToTheEnd::Occupied);
    }
    let before = bytes_before_end(&table).unwrap_or(ByteLen::new(0));
    let repair = repair(disk, &table, Relocate::Yes, scratch)?;
    Ok(if matches!(repair.backup, BackupPlace::MovedFrom(_)) { ToTheEnd::Moved(before) } else { ToTheEnd::NotNeeded })
}

/// Bytes after a backup that is whole: 0 if it is at the disk's end. `None` if there is no whole one.
#[must_use]
pub fn bytes_before_end(table: &Table) -> Option<ByteLen> {
    let whole = matches!(table.backup().state(), CopyState::Valid | CopyState::Differs);
    let place = table.backup().place().filter(|_| whole)?;
    let after = last(table)?.get().checked_sub(place.get())?;
    after.checked_mul(table.block_size().bytes_u64()).map(ByteLen::new)
}

/// The first block that the backup would take at the end, if it is not there yet and has room.
fn new_place(table: &Table) -> Option<Lba> {
    let last = last(table)?;
    let stays = table.backup().state() == CopyState::Ignored || named_place(table) == Some(last);
    let bytes = u64::from(table.header().entry_count()).checked_mul(u64::try_from(ENTRY_BYTES).ok()?)?;
    let first = last.minus(table.block_size().blocks_for(bytes))?;
    (!stays && first > table.header().last_usable()).then_some(first)
}

/// Where the table says that its backup is.
fn named_place(table: &Table) -> Option<Lba> {
    match table.primary().header() {
        Some(primary) => Some(primary.alternate_lba()),
        None => table.backup().place(),
    }
}

/// Whether the blocks from `first` to the disk's end hold nothing, or an older backup.
fn is_free<D: BlockIo>(disk: &mut D, first: Lba, scratch: &mut [u8]) -> Result<bool, Error<D::Error>> {
    let size = disk.block_size();
    let end = disk.block_count().get();
    let blocks = scratch.len().checked_div(size.bytes()).unwrap_or_default();
    let whole = blocks.saturating_mul(size.bytes());
    let (mut at, mut blank) = (first, [true; 2]);
    while at.get() < end {
        let left = end.saturating_sub(at.get()).saturating_mul(size.bytes_u64());
        let len = usize::try_from(left).map_or(whole, |left| left.min(whole));
        let piece = scratch.get_mut(..len).unwrap_or_default();
        io::read(disk, at, piece)?;
        for (blank, value) in blank.iter_mut().zip([0, 0xff]) {
            *blank &= piece.iter().all(|byte| *byte == value);
        }
        let header = piece.rchunks(size.bytes()).next().is_some_and(|header| header.starts_with(b"EFI PART"));
        let blocks = size.blocks_for(len_u64(piece)).max(1);
        at = at.plus(blocks).unwrap_or(Lba::new(u64::MAX));
        if at.get() >= end && header {
            return Ok(true);
        }
    }
    Ok(blank.contains(&true))
}

fn last(table: &Table) -> Option<Lba> {
    table.blocks().get().checked_sub(1).map(Lba::new)
}
