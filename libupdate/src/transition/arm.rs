//! What becomes of a staged slot: the last commit of an installation.

use crate::boot::Guard;
use crate::error::{Error, Needed, Rejected};
use crate::gpt::write::Outcome;
use crate::gpt::{SlotBits, TriesLeft};
use crate::io::BlockIo;
use crate::slot::{self, BitEdits, PartitionSpec, Slot, SlotTable};
use crate::transition::Staged;
use crate::transition::change::{self, Refused};

/// Makes the staged slot the next one, on trial for `tries` boots.
///
/// # Durability
/// One commit, the last of an installation. A cut leaves the old order, or the new slot first.
/// # Errors
/// [`TableFault::ChangedUnderUs`](crate::error::TableFault::ChangedUnderUs) where the slot got bits meanwhile; [`Error::Medium`]; [`TableFault::ReadBack`](crate::error::TableFault::ReadBack).
pub fn arm<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    staged: &Staged<'_>,
    tries: TriesLeft,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    change::commit(disk, specs, scratch, &|slots| {
        unarmed(slots, staged)?;
        Ok(slot::arm(&change::bits(slots), staged.slot(), tries)?)
    })
}

fn unarmed(slots: &SlotTable<'_>, staged: &Staged<'_>) -> Result<(), Refused> {
    change::unarmed(slots.get(staged.slot())?, staged.verified(), staged.entry(), staged.extents())
}

/// Leaves the staged slot complete but out of the boot order, for a later `activate`.
///
/// # Durability
/// One commit: a cut leaves the slot disarmed, with a valid trailer, or staged. It boots in neither.
/// # Errors
/// As [`arm`].
pub(crate) fn keep_staged<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    staged: &Staged<'_>,
    tries: TriesLeft,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    change::commit(disk, specs, scratch, &|slots| {
        unarmed(slots, staged)?;
        Ok(change::one(staged.slot(), slot::stage(tries))?)
    })
}

/// Makes the first slot of a provisioned disk good: there is nothing to fall back to yet.
///
/// # Durability
/// One commit: a cut leaves a disk on which nothing is armed, to be provisioned again, or a complete one.
/// # Errors
/// [`Rejected::SlotState`] where another slot has bits; as [`arm`].
pub(crate) fn first_good<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    staged: &Staged<'_>,
    guard: Guard,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    change::commit(disk, specs, scratch, &|slots| {
        unarmed(slots, staged)?;
        let other = |slot: &&Slot<'_>| slot.id != staged.slot() && slot.bits() != SlotBits::default();
        if let Some(slot) = slots.slots().iter().find(other) {
            return Err(Rejected::SlotState { slot: slot.id, needed: Needed::Empty }.into());
        }
        let armed = slot::arm(&change::bits(slots), staged.slot(), guard.tries())?;
        let good = armed.iter().map(|(id, bits)| Ok((*id, slot::mark_good(*id, *bits, guard.tries())?)));
        Ok(good.collect::<Result<BitEdits, Rejected>>()?)
    })
}
