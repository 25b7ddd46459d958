//! The verdict on a slot: good, bad, damaged, or wanted back.

use crate::boot::Guard;
use crate::error::{Error, Needed, Rejected};
use crate::gpt::write::Outcome;
use crate::gpt::{SlotBits, Successful};
use crate::io::BlockIo;
use crate::policy::Facts;
use crate::slot::{self, PartitionSpec, SlotState};
use crate::transition::change;
use crate::units::slot_id::SlotId;

/// Says that the slot has completed a boot.
///
/// # Durability
/// One commit, or none where nothing changes. A cut leaves the slot on trial, or good.
/// # Errors
/// [`Rejected::SlotState`] at priority 0; [`Error::Medium`].
pub fn mark_good<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    id: SlotId,
    guard: Guard,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    change::commit(disk, specs, scratch, &|slots| {
        Ok(change::one(id, slot::mark_good(id, slots.get(id)?.bits(), guard.tries())?)?)
    })
}

/// Says that the slot must not boot again.
///
/// # Durability
/// One commit. A cut leaves the slot as it was, or failed; another slot is good in both.
/// # Errors
/// [`Rejected::LastGoodSlot`]; [`Error::Medium`].
pub fn mark_bad<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    facts: &Facts<'_>,
    id: SlotId,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    facts.another_is_good(id)?;
    change::commit(disk, specs, scratch, &|slots| {
        change::unchanged(slots, facts)?;
        Ok(change::one(id, slot::mark_bad())?)
    })
}

/// [`mark_bad`] for who has no keys: a slot on trial, while the bits of another slot say that it is good and boots.
///
/// # Durability
/// As [`mark_bad`].
/// # Errors
/// [`Rejected::SlotState`] if it is not on trial; [`Rejected::LastGoodSlot`]; [`Error::Medium`].
pub fn mark_bad_by_bits<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    id: SlotId,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    change::commit(disk, specs, scratch, &|slots| {
        let good = |bits: SlotBits| bits.priority.get() > 0 && bits.successful == Successful::Yes;
        let bits = slots.get(id)?.bits();
        if bits.priority.get() == 0 || good(bits) {
            return Err(Rejected::SlotState { slot: id, needed: Needed::OnTrial }.into());
        }
        if !slots.slots().iter().any(|slot| slot.id != id && good(slot.bits())) {
            return Err(Rejected::LastGoodSlot { slot: id }.into());
        }
        Ok(change::one(id, slot::mark_bad())?)
    })
}

/// Takes a good slot's success away: a block of it turned out damaged. Without tries left it no longer boots by itself.
///
/// # Durability
/// One commit. A cut leaves the slot good, to be read in full again, or exhausted; another slot is good in both.
/// # Errors
/// [`Rejected::LastGoodSlot`]; [`Error::Medium`].
pub fn withdraw<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    facts: &Facts<'_>,
    id: SlotId,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    facts.another_is_good(id)?;
    change::commit(disk, specs, scratch, &|slots| {
        change::unchanged(slots, facts)?;
        Ok(change::one(id, slot::withdraw(slots.get(id)?.bits()))?)
    })
}

/// Puts a good slot first, on purpose.
///
/// # Durability
/// One commit. A cut leaves the old order, or the good slot first.
/// # Errors
/// [`Rejected::SlotState`] where it is not good; [`Error::Medium`].
pub fn rollback<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    facts: &Facts<'_>,
    id: SlotId,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    if facts.slot(id)?.state != SlotState::Good {
        return Err(Rejected::SlotState { slot: id, needed: Needed::Good }.into());
    }
    change::commit(disk, specs, scratch, &|slots| {
        change::unchanged(slots, facts)?;
        Ok(slot::raise(&change::bits(slots), id)?)
    })
}
