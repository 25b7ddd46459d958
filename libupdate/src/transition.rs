//! The acts that change slot bits: each is one GPT commit, but for the disarming of a slot that failed, which is two.
//!
//! | act | bits of the slot | condition |
//! |---|---|---|
//! | [`disarm`](crate::transition::disarm) | P = S = 0, T = 1 | admitted |
//! | [`arm`] | P above all others, T = tries, S = 0 | staged in this run |
//! | [`keep_staged`] | T = tries | staged in this run |
//! | [`first_good`] | P = 1, T = guard, S = 1 | staged in this run, no other slot has bits |
//! | [`spend_try`] | T - 1 | chosen |
//! | [`mark_good`] | T = guard, S = 1 | P > 0 |
//! | [`cancel`](crate::transition::cancel::cancel) | P = S = 0, T = 1 | armed or staged, not booted; another slot is good |
//! | [`mark_bad`] | P = T = S = 0 | another slot is good |
//! | [`withdraw`] | S = 0 | another slot is good |
//! | [`rollback`] | P above all others | the slot is good |
//! | [`settle`] | unchanged | what an act finds done |
//!
//! # Durability
//! Each act reads the table anew, decides, and hands all changed entries to one [`write::commit`]: a cut leaves
//! the old bits or the new ones. Where several slots change at once, their entries stand in one write on 512-byte sectors.

pub mod cancel;
mod change;
pub mod disarm;
mod staged;

pub use staged::Staged;

use crate::boot::{Boot, Guard, Kind};
use crate::error::{Error, Rejected};
use crate::gpt::write::{self, Backup, Outcome};
use crate::gpt::{SlotBits, Table, TriesLeft};
use crate::io::BlockIo;
use crate::policy::Facts;
use crate::slot::{self, BitEdits, PartitionSpec, Slot, SlotState, SlotTable};
use crate::transition::change::Refused;
use crate::units::slot_id::SlotId;

/// Makes the staged slot the next one, on trial for `tries` boots.
///
/// # Durability
/// One commit, the last of an installation. A cut leaves the old order, or the new slot first.
/// # Errors
/// [`TableFault::ChangedUnderUs`](crate::error::TableFault::ChangedUnderUs) where the slot got bits meanwhile; [`Error::Io`]; [`TableFault::ReadBack`](crate::error::TableFault::ReadBack).
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
pub fn keep_staged<D: BlockIo>(
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
pub fn first_good<D: BlockIo>(
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
            let needed = "empty, as on a disk that is being provisioned";
            return Err(Rejected::SlotState { slot: slot.id, needed }.into());
        }
        let armed = slot::arm(&change::bits(slots), staged.slot(), guard.tries())?;
        let good = armed.iter().map(|(id, bits)| Ok((*id, slot::mark_good(*id, *bits, guard.tries())?)));
        Ok(good.collect::<Result<BitEdits, Rejected>>()?)
    })
}

/// Makes durable what is there already, and both copies of the table equal: for an act that finds nothing to do. An earlier act may have been
/// killed, or its flush may have failed, so that what reads as done is in the disk's cache alone.
///
/// # Durability
/// A flush; after it at most one copy of the table is written anew from the other.
/// # Errors
/// [`Error::Io`]: nothing is known to be durable. [`Error::Table`].
pub fn settle<D: BlockIo>(disk: &mut D, scratch: &mut [u8]) -> Result<Outcome, Error<D::Error>> {
    let table = Table::read(disk, scratch)?;
    write::commit(disk, &table, &[], Backup::Required, scratch)
}

/// The proof that a boot may go on: its try is spent and read back, or the boot costs none. Made only by [`spend_try`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "the token is what a hand-over asks for"]
pub struct BootToken {
    slot: SlotId,
    kind: Kind,
}

impl BootToken {
    /// The slot that may be booted.
    #[must_use]
    pub const fn slot(&self) -> SlotId {
        self.slot
    }

    /// How it is booted.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }
}

/// A boot that may go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attempt<E> {
    /// What the hand-over asks for.
    pub token: BootToken,
    /// What became of the try.
    pub spent: Spent<E>,
}

/// What became of the try of a boot that may go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spent<E> {
    /// Spent, durable, and read back.
    Yes(Outcome),
    /// The boot costs no try.
    NotNeeded,
    /// It could not be spent. The slot is good, so it boots all the same, with this as a warning.
    Failed(Error<E>),
}

/// Spends the try of the chosen slot and makes it durable.
///
/// # Durability
/// One commit: a cut leaves the old or the new number of tries, of this slot only.
/// # Errors
/// A trial slot whose try cannot be spent and read back is not booted: the commit's error. [`TableFault::ChangedUnderUs`](crate::error::TableFault::ChangedUnderUs) where
/// its bits are not the chosen ones.
pub fn spend_try<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    boot: &Boot,
    scratch: &mut [u8],
) -> Result<Attempt<D::Error>, Error<D::Error>> {
    let token = BootToken { slot: boot.candidate.slot, kind: boot.kind };
    let left = match boot.kind {
        Kind::Trial { left } | Kind::Counted { left } => left,
        Kind::Good | Kind::Suspect => return Ok(Attempt { token, spent: Spent::NotNeeded }),
    };
    match (spend(disk, specs, boot, left, scratch), boot.kind) {
        (Ok(outcome), _) => Ok(Attempt { token, spent: Spent::Yes(outcome) }),
        (Err(error), Kind::Trial { .. }) => Err(error),
        (Err(error), _) => Ok(Attempt { token, spent: Spent::Failed(error) }),
    }
}

fn spend<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    boot: &Boot,
    left: TriesLeft,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    let (id, bits) = (boot.candidate.slot, boot.candidate.bits);
    change::commit_or(disk, specs, Backup::Optional, scratch, &|slots| {
        change::expect_bits(slots, id, bits)?;
        Ok(change::one(id, SlotBits { tries_left: left, ..bits })?)
    })
}

/// Says that the slot has completed a boot.
///
/// # Durability
/// One commit, or none where nothing changes. A cut leaves the slot on trial, or good.
/// # Errors
/// [`Rejected::SlotState`] at priority 0; [`Error::Io`].
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
/// [`Rejected::LastGoodSlot`]; [`Error::Io`].
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

/// Takes a good slot's success away: a block of it turned out damaged. Without tries left it no longer boots by itself.
///
/// # Durability
/// One commit. A cut leaves the slot good, to be read in full again, or exhausted; another slot is good in both.
/// # Errors
/// [`Rejected::LastGoodSlot`]; [`Error::Io`].
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
/// [`Rejected::SlotState`] where it is not good; [`Error::Io`].
pub fn rollback<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    facts: &Facts<'_>,
    id: SlotId,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    if facts.slot(id)?.state != SlotState::Good {
        return Err(Rejected::SlotState { slot: id, needed: "good" }.into());
    }
    change::commit(disk, specs, scratch, &|slots| {
        change::unchanged(slots, facts)?;
        Ok(slot::raise(&change::bits(slots), id)?)
    })
}
