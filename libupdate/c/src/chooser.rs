//! A boot loader's part: choose, spend, mark. No keys.

use heapless::Vec;
use libupdate::boot::{Boot, Choice, Guard, Kind};
use libupdate::device;
use libupdate::error::Misuse;
use libupdate::gpt::TriesLeft;
use libupdate::gpt::write::{BackupPlace, Relocate};
use libupdate::inspect;
use libupdate::slot::{Duty, PartitionSpec};
use libupdate::transition::Spent;
use libupdate::{BlockIo, SlotId};

use crate::abi;
use crate::disk::Disk;
use crate::status::{Answer, DONE, NOT_SPENT, NOTHING, Wrong};

/// The partitions of a board.
pub(crate) type Specs<'c> = Vec<PartitionSpec<'c>, { abi::PARTITIONS }>;

/// What a boot loader knows of its board.
#[derive(Debug)]
pub(crate) struct Board<'c> {
    pub(crate) specs: Specs<'c>,
    pub(crate) guard: Guard,
}

impl<'c> Board<'c> {
    pub(crate) fn of(raw: &abi::Board, specs: Specs<'c>) -> Result<Self, Wrong> {
        let each = |index: usize, spec: &PartitionSpec<'_>| {
            let same = |other: &&PartitionSpec<'_>| {
                let place = (other.type_guid, other.label) == (spec.type_guid, spec.label);
                place || (other.slot, other.role) == (spec.slot, spec.role)
            };
            let controls = specs.iter().filter(|other| other.slot == spec.slot && other.duty == Duty::Control).count();
            controls == 1 && specs.iter().take(index).find(same).is_none()
        };
        if raw.reserved != 0 || !specs.iter().enumerate().all(|(index, spec)| each(index, spec)) {
            return Err(Wrong::Argument);
        }
        let guard = TriesLeft::new(raw.guard).map(Guard::new).ok_or(Wrong::Argument)?;
        Ok(Self { specs, guard })
    }
}

/// A slot by its number, from 1.
pub(crate) fn slot(number: u8) -> Result<SlotId, Wrong> {
    number.checked_sub(1).and_then(|index| SlotId::from_index(index.into())).ok_or(Wrong::Argument)
}

/// A slot by its number, or none.
#[cfg(feature = "full")]
pub(crate) fn slot_or_none(number: u8) -> Result<Option<SlotId>, Wrong> {
    if number == abi::NO_SLOT { Ok(None) } else { slot(number).map(Some) }
}

/// A choice of yes and no: what other numbers mean is left for later.
#[cfg(feature = "full")]
pub(crate) const fn yes(number: u8) -> Result<bool, Wrong> {
    match number {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Wrong::Argument),
    }
}

/// The number of a slot.
pub(crate) fn number(slot: SlotId) -> u8 {
    u8::try_from(slot.index()).map_or(abi::NO_SLOT, |index| index.saturating_add(1))
}

/// What [`choose`] is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Want {
    /// The slot that boots next.
    Look,
    /// The slot to boot now, with its try spent.
    Boot,
}

/// The slot that boots.
pub(crate) fn choose(
    disk: &mut Disk<'_>,
    board: &Board<'_>,
    want: Want,
    memory: &mut [u8],
    out: &mut abi::Boot,
) -> Answer {
    let Board { specs, guard } = board;
    let (chosen, needs_repair, spent) = match want {
        Want::Look => {
            let (choice, needs_repair) = device::choose_only(disk, specs, *guard, memory)?;
            let Choice::Boot(Boot { candidate, kind }) = choice else { return nothing(out, needs_repair) };
            ((candidate.slot, kind), needs_repair, DONE)
        }
        Want::Boot => {
            let chosen = device::choose_and_spend(disk, specs, *guard, memory)?;
            let Some(attempt) = chosen.attempt else { return nothing(out, chosen.needs_repair) };
            let failed = chosen.passed_over.is_some() || matches!(attempt.spent, Spent::Failed(_));
            let spent = if failed { NOT_SPENT } else { DONE };
            ((attempt.token.slot(), attempt.token.kind()), chosen.needs_repair, spent)
        }
    };
    let (slot, kind) = chosen;
    let (kind, left) = numbers(kind);
    (out.slot, out.kind, out.tries_left, out.needs_repair) = (number(slot), kind, left, needs_repair.into());
    Ok(spent)
}

fn nothing(out: &mut abi::Boot, needs_repair: bool) -> Answer {
    (out.slot, out.kind, out.tries_left, out.needs_repair) = (abi::NO_SLOT, 0, 0, needs_repair.into());
    Ok(NOTHING)
}

/// `enum lu_kind`, and the tries left.
pub(crate) const fn numbers(kind: Kind) -> (u8, u8) {
    match kind {
        Kind::Trial { left } => (1, left.get()),
        Kind::Counted { left } => (2, left.get()),
        Kind::Good => (3, 0),
        Kind::Suspect => (4, 0),
    }
}

/// Where the partition of a slot with this role is.
pub(crate) fn place(
    disk: &mut Disk<'_>,
    board: &Board<'_>,
    (slot, role): (SlotId, &str),
    memory: &mut [u8],
    out: &mut abi::Place,
) -> Answer {
    let (_, slots) = inspect::find(disk, &board.specs, memory)?;
    let partitions = &slots.get(slot).map_err(libupdate::Error::from)?.partitions;
    let Some(partition) = partitions.iter().find(|partition| partition.role == role) else {
        return Err(libupdate::Error::from(Misuse::Role).into());
    };
    (out.entry, out.first_lba) = (partition.entry.get(), partition.extent.first().get());
    out.blocks = partition.extent.last().get().saturating_sub(out.first_lba).saturating_add(1);
    Ok(DONE)
}

/// The slot has completed a boot.
pub(crate) fn mark_good(disk: &mut Disk<'_>, board: &Board<'_>, slot: SlotId, memory: &mut [u8]) -> Answer {
    Ok(device::mark_good_by_bits(disk, &board.specs, slot, board.guard, memory).map(|_| DONE)?)
}

/// The slot, which is on trial, must not boot again.
pub(crate) fn mark_bad(disk: &mut Disk<'_>, board: &Board<'_>, slot: SlotId, memory: &mut [u8]) -> Answer {
    Ok(device::mark_bad_by_bits(disk, &board.specs, slot, memory).map(|_| DONE)?)
}

/// Both copies of the table valid and equal.
pub(crate) fn repair(disk: &mut Disk<'_>, memory: &mut [u8]) -> Answer {
    let repair = device::repair(disk, Relocate::No, memory)?;
    Ok(if matches!(repair.backup, BackupPlace::Nowhere(_)) { NOTHING } else { DONE })
}

/// Bytes of memory for every function of this part: a block of 4096 bytes, aligned. `LU_CHOOSER_BYTES` of the header.
pub(crate) const MEMORY: usize = 4096 + 64;

/// The memory as the core takes it: whole blocks.
pub(crate) fn scratch<'m>(disk: &Disk<'_>, memory: &'m mut [u8]) -> Result<&'m mut [u8], Wrong> {
    let whole = memory.len().checked_div(disk.block_size().bytes()).unwrap_or_default();
    let len = whole.saturating_mul(disk.block_size().bytes()).min(64 << 10);
    memory.get_mut(..len).filter(|scratch| scratch.len() >= 4096).ok_or(Wrong::Memory)
}
