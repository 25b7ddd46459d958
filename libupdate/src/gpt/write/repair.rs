//! A damaged copy, written anew from the good one; and a backup that moves to the end of a disk that grew.

use crate::error::{Error, Medium, TableFault};
use crate::gpt::write::plan::{self, CopyPlace, Region};
use crate::gpt::{
    CopyId, CopyState, ENTRIES_LBA_AT, FIRST_ENTRIES_LBA, Header, PRIMARY_LBA, Table, check_scratch, numbered, pieces,
};
use crate::io::{self, BlockIo};
use crate::units::block::{BlockSize, Lba};
use crate::units::bytes::u64_at;
use crate::units::crc::Crc;

use super::executor::{self, Backup, Content};

/// Whether a backup that does not stand in the disk's last block is moved there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relocate {
    /// It stays: a disk that grew works as it is. What a boot does.
    No,
    /// It moves, and the usable range grows: for an operator who asked.
    Yes,
}

/// What a repair did. The table that was read before is stale now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Repair {
    /// The copy that was written anew, if one needed it.
    pub repaired: Option<CopyId>,
    /// Where the backup is.
    pub backup: BackupPlace,
}

/// Where a repair left the backup.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BackupPlace {
    /// Where it was.
    Kept,
    /// In the disk's last block; it was here.
    MovedFrom(Lba),
    /// It has no place: the disk is smaller than the primary says.
    Nowhere(TableFault),
}

/// Writes a faulty or differing copy anew from the one that serves; with [`Relocate::Yes`], also moves the backup to
/// the disk's end.
///
/// A copy marked `IGNOREME` is not changed. Nothing is written where nothing is wrong. The protective MBR is not
/// touched: after a move its size field is the old one, which `sgdisk`, `cgpt` and Linux accept and `sfdisk` remarks on.
///
/// # Durability
/// On `Ok` both copies are on the medium and were read back. What an earlier act left in the disk's cache is flushed before the table is
/// compared, so that nothing of it shares a window with the first write. The copy that serves is not written while the other is in
/// the making, so that a cut at any point leaves it. For the order of a move see [`plan::relocate`].
///
/// # Errors
/// [`TableFault::ChangedUnderUs`] with nothing written. [`Error::Medium`] and [`TableFault::ReadBack`]: the copy that was
/// being written is not to be trusted, the other one is as it was.
pub fn repair<D: BlockIo>(
    disk: &mut D,
    table: &Table,
    relocate: Relocate,
    scratch: &mut [u8],
) -> Result<Repair, Error<D::Error>> {
    io::flush(disk)?;
    check_unchanged(disk, table, scratch)?;
    let mut now = *table;
    let mut repaired = None;
    if now.chosen() == CopyId::Backup && is_bad(&now, CopyId::Primary) {
        rewrite(disk, &now, CopyId::Primary, Backup::Required, scratch)?;
        repaired = Some(CopyId::Primary);
        now = Table::read(disk, scratch)?;
    }
    if let Some(to) = new_place(&now, relocate) {
        let from = now.header().alternate_lba();
        move_backup(disk, &now, to, scratch)?;
        return Ok(Repair { repaired, backup: BackupPlace::MovedFrom(from) });
    }
    if let (CopyState::Faulty(fault), None) = (now.backup().state(), now.backup().place()) {
        return Ok(Repair { repaired, backup: BackupPlace::Nowhere(fault) });
    }
    if now.chosen() == CopyId::Primary && is_bad(&now, CopyId::Backup) {
        rewrite(disk, &now, CopyId::Backup, Backup::Required, scratch)?;
        repaired = Some(CopyId::Backup);
    }
    Ok(Repair { repaired, backup: BackupPlace::Kept })
}

/// # Errors
/// [`TableFault::ChangedUnderUs`] where the disk no longer holds what `table` says, in either copy.
pub(super) fn check_unchanged<D: BlockIo>(
    disk: &mut D,
    table: &Table,
    scratch: &mut [u8],
) -> Result<(), Error<D::Error>> {
    if Table::read(disk, scratch)? == *table { Ok(()) } else { Err(TableFault::ChangedUnderUs.into()) }
}

fn is_bad(table: &Table, copy: CopyId) -> bool {
    matches!(table.copy(copy).state(), CopyState::Faulty(_) | CopyState::Differs)
}

/// Writes `target` anew from the copy that serves.
#[inline(never)]
pub(super) fn rewrite<D: BlockIo>(
    disk: &mut D,
    table: &Table,
    target: CopyId,
    backup: Backup,
    scratch: &mut [u8],
) -> Result<Option<Error<D::Error>>, Error<D::Error>> {
    let source = *table.header();
    let size = table.block_size();
    let at = table.copy(target).place().ok_or(TableFault::NoValidCopy)?;
    let entries = entries_place(disk, table, target, at, scratch)?.ok_or(TableFault::EntriesLba { found: at })?;
    let header = source.moved(at, entries, source.my_lba());
    let stale = !entries_hold(disk, &header, scratch)?;
    let region = Region { copy: target, first: entries, blocks: source.entry_blocks(size) };
    let plan = plan::rewrite(target, at, stale.then_some(region))?;
    let content = Copied { source, primary: header, backup: header };
    executor::run(disk, &plan, &content, backup, scratch)
}

/// Whether the entries at a header's place are already those it describes. Entries that cannot be read are not.
fn entries_hold<D: BlockIo>(disk: &mut D, header: &Header, scratch: &mut [u8]) -> Result<bool, Error<D::Error>> {
    match pieces(disk, header, scratch, |_, _| {}) {
        Ok(crc) => Ok(crc == header.entries_crc()),
        Err(Error::Medium(Medium::Failed(_))) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Where the entries of a copy that is written anew stand, its header being at `at`.
///
/// A header that is valid says so. Without one, a place is believed only if what is there has the type and unique
/// GUIDs of the good copy's entries: some boards keep their boot loader in the blocks after LBA 2 and the entries
/// further on, and entries written to LBA 2 would overwrite it. Where nothing is recognised, the usual place: LBA 2, or
/// right before the backup.
fn entries_place<D: BlockIo>(
    disk: &mut D,
    table: &Table,
    target: CopyId,
    at: Lba,
    scratch: &mut [u8],
) -> Result<Option<Lba>, Error<D::Error>> {
    let source = table.header();
    let blocks = source.entry_blocks(table.block_size());
    let (least, end) = match target {
        CopyId::Primary => (Some(FIRST_ENTRIES_LBA), source.first_usable()),
        CopyId::Backup => (source.last_usable().plus(1), at),
    };
    let fits = |entries: &Lba| {
        least.is_some_and(|least| *entries >= least) && entries.plus(blocks).is_some_and(|last| last <= end)
    };
    if let Some(own) = table.copy(target).header().map(|header| header.entries_lba()).filter(fits) {
        return Ok(Some(own));
    }
    let claimed = claimed_entries(disk, table.block_size(), at, scratch)?;
    let adjacent = end.minus(blocks);
    let wanted = identity(disk, source, scratch);
    for place in claimed.into_iter().chain(adjacent).filter(fits) {
        if wanted.is_some() && identity(disk, &source.moved(at, place, source.my_lba()), scratch) == wanted {
            return Ok(Some(place));
        }
    }
    let usual = if target == CopyId::Primary { Some(FIRST_ENTRIES_LBA) } else { adjacent };
    Ok(usual.filter(fits))
}

/// The place of entries that a damaged header still names. For looking only.
fn claimed_entries<D: BlockIo>(
    disk: &mut D,
    block_size: BlockSize,
    at: Lba,
    scratch: &mut [u8],
) -> Result<Option<Lba>, Error<D::Error>> {
    check_scratch(scratch)?;
    let block = scratch.get_mut(..block_size.bytes()).unwrap_or_default();
    Ok(io::read(disk, at, block).ok().and_then(|()| u64_at(block, ENTRIES_LBA_AT)).map(Lba::new))
}

/// Checksum over the type and unique GUID of every entry: the same whatever the slot bits. `None` if it cannot be
/// read.
fn identity<D: BlockIo>(disk: &mut D, header: &Header, scratch: &mut [u8]) -> Option<u32> {
    let mut crc = Crc::new();
    pieces(disk, header, scratch, |first, piece| {
        for (_, raw) in numbered(first, piece) {
            crc.update(raw.get(..32).unwrap_or_default());
        }
    })
    .ok()?;
    Some(crc.finalize())
}

/// Where the backup moves, if it is to move and can: a valid primary, a backup that is not ignored, and a last block
/// that is not its place yet and leaves room for it.
fn new_place(table: &Table, relocate: Relocate) -> Option<CopyPlace> {
    let last = Lba::new(table.blocks().get().checked_sub(1)?);
    let ignored = table.backup().state() == CopyState::Ignored;
    if relocate == Relocate::No || table.chosen() == CopyId::Backup || ignored || table.header().alternate_lba() == last
    {
        return None;
    }
    let entries = last.minus(table.header().entry_blocks(table.block_size()))?;
    (entries > table.header().last_usable()).then_some(CopyPlace { header: last, entries })
}

fn move_backup<D: BlockIo>(
    disk: &mut D,
    table: &Table,
    to: CopyPlace,
    scratch: &mut [u8],
) -> Result<(), Error<D::Error>> {
    let source = *table.header();
    // `new_place` saw that the entries lie behind the last usable block, so that the one before them exists.
    let grown = source.with_usable(source.first_usable(), to.entries.minus(1).unwrap_or(source.last_usable()));
    let content = Copied {
        source,
        primary: grown.moved(PRIMARY_LBA, source.entries_lba(), to.header),
        backup: grown.moved(to.header, to.entries, PRIMARY_LBA),
    };
    let plan = plan::relocate(to, source.entry_blocks(table.block_size()))?;
    executor::run(disk, &plan, &content, Backup::Required, scratch).map(|_| ())
}

/// The entries of the source, and its header with the target's fields: what else is in its block comes along.
struct Copied {
    source: Header,
    primary: Header,
    backup: Header,
}

impl Content for Copied {
    fn header(&self, copy: CopyId) -> Option<Header> {
        Some(match copy {
            CopyId::Primary => self.primary,
            CopyId::Backup => self.backup,
        })
    }

    /// Only the source is compared: the other copy is bad, or does not exist yet.
    fn base(&self, _copy: CopyId) -> Option<Header> {
        Some(self.source)
    }

    fn fill<D: BlockIo>(&self, disk: &mut D, piece: Region, buf: &mut [u8]) -> Result<(), Error<D::Error>> {
        let header = if piece.copy == CopyId::Primary { self.primary } else { self.backup };
        if piece.first == header.my_lba() {
            io::read(disk, self.source.my_lba(), buf)?;
            header.store(buf).ok_or(TableFault::ReadBack)?;
            return Ok(());
        }
        let distance = piece.first.get().saturating_sub(header.entries_lba().get());
        let from = self.source.entries_lba().plus(distance).ok_or(TableFault::ReadBack)?;
        io::read(disk, from, buf)
    }
}
