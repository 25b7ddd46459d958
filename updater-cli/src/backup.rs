//! The backup copy of the partition table on a disk that grew: an image was copied to a larger disk, or the disk was made larger.
//!
//! ```text
//!  | H1 E1 |  partitions           | E2 H2 |  nothing, no partition can use it           | here E2 H2 belong |
//! ```
//! 1. Until it stands at the end, only the primary's header leads to it: where the start of the disk is lost, so is the table. `status`
//!    says so, and the first act that changes the table moves it, in the order of [`write::repair`]. The hook never does: a boot writes no
//!    more than it must.
//! 2. What stands at the end and is neither blank nor an older backup is somebody's, such as a boot loader's settings. It stays; `repair`, for
//!    which an operator asks, writes over it.
//! 3. Where the disk refuses a block of it, the table is the one that there was: the act goes on, with a warning, since a trial must be
//!    confirmed also on a disk whose end is worn. A flush that fails, or blocks that read back wrong, end it.

use libupdate::error::Access;
use libupdate::gpt::write::{self, BackupPlace, Relocate};
use libupdate::gpt::{CopyState, ENTRY_BYTES, Table};
use libupdate::{BlockIo, Error, Lba};
use libupdate_linux::{Disk, OsError};

use crate::output::{Output, Size};

/// Bytes behind a backup that is whole: 0 where it stands at the disk's end. `None` where there is no whole one.
pub fn bytes_before_end(table: &Table) -> Option<u64> {
    let whole = matches!(table.backup().state(), CopyState::Valid | CopyState::Differs);
    let place = table.backup().place().filter(|_| whole)?;
    let behind = last(table)?.get().checked_sub(place.get())?;
    behind.checked_mul(table.block_size().bytes_u64())
}

/// Moves the backup to the disk's end, where it stands elsewhere and nothing is in the way.
///
/// # Errors
/// A flush failed, or the disk, or somebody else, changed what was written.
pub fn to_the_end(disk: &mut Disk, output: &Output, scratch: &mut [u8]) -> Result<(), Error<OsError>> {
    match moved(disk, scratch) {
        Ok(Move::NotNeeded) => {}
        Ok(Move::Done(before)) => output.note(&format!(
            "moved the backup copy of the partition table to the disk's end; it stood {} before it",
            Size(before)
        )),
        Ok(Move::Occupied) => output.warn(
            "the disk is larger than its partition table says, and its last blocks are not empty: the backup copy of the table stays \
             where it is, and is lost with the start of the disk. Look what they hold; `repair` moves the backup over it",
        ),
        Err(Error::Io(error)) if error.access != Access::Flush => output.warn(&format!(
            "the backup copy of the partition table could not be moved to the disk's end: {}; the act goes on. Run `repair`",
            Error::Io(error)
        )),
        Err(error) => return Err(error),
    }
    Ok(())
}

enum Move {
    NotNeeded,
    Done(u64),
    Occupied,
}

fn moved(disk: &mut Disk, scratch: &mut [u8]) -> Result<Move, Error<OsError>> {
    let Ok(table) = Table::read(disk, scratch) else { return Ok(Move::NotNeeded) };
    let Some(first) = new_place(&table) else { return Ok(Move::NotNeeded) };
    if !is_free(disk, first)? {
        return Ok(Move::Occupied);
    }
    let before = bytes_before_end(&table).unwrap_or_default();
    let repair = write::repair(disk, &table, Relocate::Yes, scratch)?;
    Ok(if matches!(repair.backup, BackupPlace::MovedFrom(_)) { Move::Done(before) } else { Move::NotNeeded })
}

/// The first block that the backup would take at the end, where it is not there yet and has room.
fn new_place(table: &Table) -> Option<Lba> {
    let last = last(table)?;
    let stays = table.backup().state() == CopyState::Ignored || named_place(table) == Some(last);
    let bytes = u64::from(table.header().entry_count()).checked_mul(u64::try_from(ENTRY_BYTES).ok()?)?;
    let first = last.minus(table.block_size().blocks_for(bytes))?;
    (!stays && first > table.header().last_usable()).then_some(first)
}

/// Where the table says that its backup stands.
fn named_place(table: &Table) -> Option<Lba> {
    match table.primary().header() {
        Some(primary) => Some(primary.alternate_lba()),
        None => table.backup().place(),
    }
}

/// Whether the blocks from `first` to the disk's end hold nothing, or an older backup.
fn is_free(disk: &mut Disk, first: Lba) -> Result<bool, Error<OsError>> {
    let size = disk.block_size().bytes();
    let blocks = disk.block_count().get().saturating_sub(first.get());
    let mut bytes = vec![0; usize::try_from(blocks).unwrap_or_default().saturating_mul(size)];
    libupdate::io::read(disk, first, &mut bytes)?;
    let blank = |value: u8| bytes.iter().all(|byte| *byte == value);
    let older = bytes.rchunks(size).next().is_some_and(|header| header.starts_with(b"EFI PART"));
    Ok(blank(0) || blank(0xff) || older)
}

fn last(table: &Table) -> Option<Lba> {
    table.blocks().get().checked_sub(1).map(Lba::new)
}
