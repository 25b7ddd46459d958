//! A change of slot bits.

use core::fmt;

use crate::error::{Access, Error, IoError, Medium, Misuse, TableFault};
use crate::gpt::write::plan::{self, CommitFacts, CopyPlace, Plan, Region, Touched};
use crate::gpt::{CopyId, CopyState, ENTRY_BYTES, Header, Table, pieces};
use crate::io::{self, BlockIo};
use crate::units::block::{BlockSize, Lba};
use crate::units::crc::Crc;

use super::edit::{self, Changes, Edit};
use super::executor::{self, Backup, Content, scratch_blocks};
use super::repair::{check_unchanged, rewrite};

/// What a commit did. The table that was read before is stale now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Outcome {
    /// Whether anything was written.
    pub effect: Effect,
    /// The copy that first had to be written anew from the other.
    pub repaired: Option<CopyId>,
    /// What the operator should know although the change is durable.
    pub warning: Option<Warning>,
}

/// Whether a commit wrote anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Every bit was as it shall be, and is durable. A damaged copy may have been written anew.
    Unchanged,
    /// The change is durable and was read back.
    Written,
}

/// The change is durable in the primary only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Warning {
    /// There is no place for a backup: the disk is smaller than the primary says.
    BackupNowhere(TableFault),
    /// The disk refused the backup.
    BackupFailed {
        /// What was tried.
        access: Access,
        /// Where.
        at: Lba,
    },
}

impl Warning {
    /// `None` if the error is not the disk's: such an error ends the act.
    const fn of<E>(error: &Error<E>) -> Option<Self> {
        match error {
            Error::Medium(Medium::Failed(IoError { access, at, .. })) => {
                Some(Self::BackupFailed { access: *access, at: *at })
            }
            _ => None,
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the change stands in the primary GPT only: ")?;
        match self {
            Self::BackupNowhere(fault) => fault.fmt(f),
            Self::BackupFailed { access, at } => write!(f, "{access} of the backup at {at} failed"),
        }
    }
}

/// Sets slot bits in both copies of `table`. Without edits it makes durable what is there.
///
/// Where the copies are not both valid and equal, the bad one is first written anew from the good one, also where no bit
/// changes. A backup that was damaged before and cannot be written is a warning; so is one that has no place. A backup that the disk refuses
/// in the middle of the change ends the act, or is a warning where `on_error` says so. Where nothing needs repair, one entry takes at most 4
/// writes and 3 flushes; 4 flushes where header and entries cannot be one write (see [`plan`]).
///
/// # Durability
/// The first step is a flush: what an earlier act left in the disk's cache is on the medium before the table is compared. On `Ok` the
/// change is on the medium and was read back. A cut before the second flush leaves the old primary, which
/// wins over whatever the backup is. A cut after it finds the new backup whole, so that a torn primary costs nothing:
/// the reader takes the backup. After the last flush both are new. All edits show together or not at all.
///
/// Where only one copy can be written (the other one ignored, broken for good or without a place), a cut that tears its
/// blocks leaves no table: the warning says so.
///
/// # Errors
/// [`TableFault::ChangedUnderUs`], [`Misuse::NoSuchEntry`] for an unused entry, [`Misuse::TooManyEdits`],
/// [`Error::Misuse`] for the scratch: nothing was written, but for a copy that somebody else changed in the middle of the act
/// ([`TableFault::ChangedUnderUs`] too). [`Error::Medium`] and [`TableFault::ReadBack`]: the change may
/// or may not have happened, and the old or the new table is there.
// Not inlined, and neither are its steps: on a small stack the memory of one is to be gone before the next.
#[inline(never)]
pub fn commit<D: BlockIo>(
    disk: &mut D,
    table: &Table,
    edits: &[Edit],
    on_error: Backup,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    io::flush(disk)?;
    check_unchanged(disk, table, scratch)?;
    let (touched, entries_crc) = preview(disk, table, edits, scratch)?;
    let (table, repaired, warning) = make_equal(disk, table, on_error, scratch)?;
    if touched.is_empty() {
        return Ok(Outcome { effect: Effect::Unchanged, repaired, warning });
    }
    let content = Overlay {
        edits,
        table: &table,
        block_size: table.block_size(),
        primary: valid_header(&table, CopyId::Primary).map(|header| header.with_entries_crc(entries_crc)),
        backup: valid_header(&table, CopyId::Backup).map(|header| header.with_entries_crc(entries_crc)),
    };
    let plan = plan_for(disk, &content, &touched, scratch)?;
    let backup = if content.primary.is_some() { on_error } else { Backup::Required };
    let lost = executor::run(disk, &plan, &content, backup, scratch)?;
    let warning = lost.as_ref().and_then(Warning::of).or(warning);
    Ok(Outcome { effect: Effect::Written, repaired, warning })
}

/// The blocks that the edits change, and the checksum of the array afterwards.
#[inline(never)]
fn preview<D: BlockIo>(
    disk: &mut D,
    table: &Table,
    edits: &[Edit],
    scratch: &mut [u8],
) -> Result<(Touched, u32), Error<D::Error>> {
    let (header, block_size) = (table.header(), table.block_size());
    let mut changes = Changes::new(edits, header, block_size)?;
    let mut after = Crc::new();
    let before = pieces(disk, header, scratch, |first, piece| {
        changes.take(edits, header, block_size, first, piece);
        after.update(piece);
    })?;
    if before != header.entries_crc() {
        return Err(TableFault::ChangedUnderUs.into());
    }
    Ok((changes.finish()?, after.finalize()))
}

type MadeEqual = (Table, Option<CopyId>, Option<Warning>);

/// Writes a bad copy anew, so that the change starts from two that are valid and equal, or from one and a warning.
#[inline(never)]
fn make_equal<D: BlockIo>(
    disk: &mut D,
    table: &Table,
    on_error: Backup,
    scratch: &mut [u8],
) -> Result<MadeEqual, Error<D::Error>> {
    let needs = |state| matches!(state, CopyState::Faulty(_) | CopyState::Differs);
    let target = table.chosen().other();
    let report = table.copy(target);
    if !needs(report.state()) {
        return Ok((*table, None, None));
    }
    if report.place().is_none() {
        let fault = if let CopyState::Faulty(fault) = report.state() { fault } else { TableFault::NoValidCopy };
        return Ok((*table, None, Some(Warning::BackupNowhere(fault))));
    }
    let lost = rewrite(disk, table, target, Backup::Optional, scratch)?;
    let now = Table::read(disk, scratch)?;
    match lost {
        // Both were readable a moment ago. A copy that no longer is would get no part of the change, in silence.
        None if needs(now.primary().state()) || needs(now.backup().state()) => Err(TableFault::ReadBack.into()),
        None => Ok((now, Some(target), None)),
        // A backup that holds and says something else would serve where a cut tears the primary: an older table would be back.
        Some(error) if on_error == Backup::Required && now.backup().state() == CopyState::Differs => Err(error),
        Some(_) if needs(now.primary().state()) => Err(TableFault::ReadBack.into()),
        Some(error) => Ok((now, None, Warning::of(&error))),
    }
}

fn valid_header(table: &Table, copy: CopyId) -> Option<Header> {
    let report = table.copy(copy);
    report.header().filter(|_| report.state() == CopyState::Valid)
}

fn plan_for<D: BlockIo>(
    disk: &mut D,
    content: &Overlay<'_>,
    touched: &[u64],
    scratch: &mut [u8],
) -> Result<Plan, Misuse> {
    let place = |header: Header| CopyPlace { header: header.my_lba(), entries: header.entries_lba() };
    plan::commit(&CommitFacts {
        block_size: content.block_size,
        physical_block_size: aligned_writes(disk, scratch),
        scratch_blocks: scratch_blocks(disk, scratch),
        primary: content.primary.map(place),
        backup: content.backup.map(place),
        first_usable: content.primary.map_or(Lba::default(), |header| header.first_usable()),
        touched,
    })
}

/// The unit of the primary's single write. A whole physical block takes the protective MBR along: where that can no longer be
/// read, as after a cut that cost the drive the whole physical block, there is nothing to write in its place.
fn aligned_writes<D: BlockIo>(disk: &mut D, scratch: &mut [u8]) -> BlockSize {
    let (logical, physical) = (disk.block_size(), disk.physical_block_size());
    let mbr = scratch.get_mut(..logical.bytes()).unwrap_or_default();
    if physical == logical || io::read(disk, Lba::new(0), mbr).is_ok() { physical } else { logical }
}

/// The blocks as they are on the disk, with the edits and the new headers laid over them: all else in them stays.
struct Overlay<'a> {
    edits: &'a [Edit],
    table: &'a Table,
    block_size: BlockSize,
    primary: Option<Header>,
    backup: Option<Header>,
}

impl Content for Overlay<'_> {
    fn header(&self, copy: CopyId) -> Option<Header> {
        match copy {
            CopyId::Primary => self.primary,
            CopyId::Backup => self.backup,
        }
    }

    fn base(&self, copy: CopyId) -> Option<Header> {
        valid_header(self.table, copy)
    }

    fn fill<D: BlockIo>(&self, disk: &mut D, piece: Region, buf: &mut [u8]) -> Result<(), Error<D::Error>> {
        io::read(disk, piece.first, buf)?;
        let Some(header) = self.header(piece.copy) else { return Ok(()) };
        for (block, distance) in buf.chunks_exact_mut(self.block_size.bytes()).zip(0_u64..) {
            let at = piece.first.plus(distance).unwrap_or(piece.first);
            if at == header.my_lba() {
                header.store(block).ok_or(TableFault::ReadBack)?;
            } else if let Some(first) = self.first_entry(&header, at) {
                edit::apply(self.edits, first, block);
            }
        }
        Ok(())
    }
}

impl Overlay<'_> {
    /// Index of the first entry in block `at`, where that is a block of the array.
    fn first_entry(&self, header: &Header, at: Lba) -> Option<u32> {
        let block = at.get().checked_sub(header.entries_lba().get())?;
        if block >= header.entry_blocks(self.block_size) {
            return None;
        }
        let per_block = self.block_size.bytes().checked_div(ENTRY_BYTES)?;
        u32::try_from(block).ok()?.checked_mul(u32::try_from(per_block).ok()?)
    }
}
