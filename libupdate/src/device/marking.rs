//! Verdicts on slots, and the way back from them.

use super::{Device, Listener, News, Room};
use crate::boot::{Detail, Guard, Reason};
use crate::error::{Error, Needed, Rejected};
use crate::gpt::Table;
use crate::gpt::write::{self, Outcome, Relocate, Repair};
use crate::io::{self, BlockIo, Section};
#[cfg(doc)]
use crate::policy::Facts;
use crate::region::boot_note::{self, BootNote};
use crate::slot::{PartitionSpec, SlotState};
use crate::transition;
use crate::units::slot_id::SlotId;
use crate::units::time::UnixSeconds;

/// What the caller says of a slot that is to be good.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Claim {
    /// It runs, or was good already: checked against what is known.
    #[default]
    Booted,
    /// An operator vouches for a slot that never ran.
    Untried,
}

/// Why a slot is not good, for whoever asks later.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// The rule that was broken.
    pub reason: Reason,
    /// What was found.
    pub detail: Detail,
    /// When.
    pub at: UnixSeconds,
}

impl<'p, D: BlockIo> Device<'_, 'p, D> {
    /// Says that a slot has completed a boot.
    ///
    /// # Durability
    /// One commit: [`transition::mark_good`].
    /// # Errors
    /// [`Rejected::NeverBooted`], [`Rejected::NoSuchSlot`]; those of [`transition::mark_good`].
    pub fn mark_good<L: Listener>(
        &mut self,
        slot: SlotId,
        claim: Claim,
        room: &mut Room<'p>,
        listener: &mut L,
    ) -> Result<Outcome, Error<D::Error>> {
        self.look_to_act(room, listener)?;
        match claim {
            Claim::Booted => room.facts.has_booted(slot)?,
            Claim::Untried => room.facts.slot(slot).map(|_| ())?,
        }
        let guard = self.board.guard;
        self.confirmed = Some(slot);
        self.commit(listener, |disk, specs, scratch| transition::mark_good(disk, specs, slot, guard, scratch))
    }

    /// Says that a slot must not boot again, and leaves the reason on it. The bits decide; a note that cannot be left changes nothing else.
    ///
    /// # Durability
    /// One commit, [`transition::mark_bad`]; then the note's block and a flush.
    /// # Errors
    /// [`Rejected::LastGoodSlot`]; those of [`transition::mark_bad`].
    pub fn mark_bad<L: Listener>(
        &mut self,
        slot: SlotId,
        note: &Note,
        room: &mut Room<'p>,
        listener: &mut L,
    ) -> Result<Outcome, Error<D::Error>> {
        self.look_to_act(room, listener)?;
        let facts = &room.facts;
        let outcome =
            self.commit(listener, |disk, specs, scratch| transition::mark_bad(disk, specs, facts, slot, scratch))?;
        if let Err(error) = self.leave(slot, note, room) {
            listener.hear(&News::NoteNotLeft(slot, &error));
        }
        Ok(outcome)
    }

    /// Leaves on a slot that is on trial why it is not marked good.
    ///
    /// # Durability
    /// The note's block and a flush; no decision depends on it.
    /// # Errors
    /// [`Rejected::SlotState`] if it is not on trial; [`Error::Medium`].
    pub fn explain(&mut self, slot: SlotId, note: &Note, room: &mut Room<'p>) -> Result<(), Error<D::Error>> {
        self.look(room)?;
        if room.facts.slot(slot)?.state != SlotState::Trial {
            return Err(Rejected::SlotState { slot, needed: Needed::OnTrial }.into());
        }
        self.leave(slot, note, room)
    }

    /// A slot without an authentic trailer holds nothing that a note could be about.
    fn leave(&mut self, slot: SlotId, note: &Note, room: &mut Room<'p>) -> Result<(), Error<D::Error>> {
        let Room { slots, facts, block, .. } = room;
        let Some(installed) = &facts.slot(slot)?.installed else { return Ok(()) };
        let Note { reason, ref detail, at } = *note;
        let note = BootNote { reason, manifest: installed.digest, at, detail: detail.clone() };
        boot_note::leave(self.disk, slots.get(slot)?, &note, block)
    }

    /// Takes a good slot's success away: a block of it is damaged.
    ///
    /// # Durability
    /// One commit: [`transition::withdraw`].
    /// # Errors
    /// [`Rejected::LastGoodSlot`]; those of [`transition::withdraw`].
    pub fn withdraw<L: Listener>(
        &mut self,
        slot: SlotId,
        room: &mut Room<'p>,
        listener: &mut L,
    ) -> Result<Outcome, Error<D::Error>> {
        self.look_to_act(room, listener)?;
        let facts = &room.facts;
        self.commit(listener, |disk, specs, scratch| transition::withdraw(disk, specs, facts, slot, scratch))
    }

    /// Puts a good slot first: `slot`, or the best one that does not run. Gives the slot, too.
    ///
    /// # Durability
    /// One commit: [`transition::rollback`].
    /// # Errors
    /// [`Rejected::NoTarget`], [`Rejected::SlotState`]; those of [`transition::rollback`].
    pub fn rollback<L: Listener>(
        &mut self,
        slot: Option<SlotId>,
        room: &mut Room<'p>,
        listener: &mut L,
    ) -> Result<(SlotId, Outcome), Error<D::Error>> {
        self.look_to_act(room, listener)?;
        let facts = &room.facts;
        let slot = slot.map_or_else(|| facts.rollback_target(), Ok)?;
        self.confirmed = Some(slot);
        let outcome =
            self.commit(listener, |disk, specs, scratch| transition::rollback(disk, specs, facts, slot, scratch))?;
        Ok((slot, outcome))
    }

    /// Takes back what is armed or staged and never booted, without a verdict on it: `slot`, or an armed one, or a staged one. If there is
    /// none, what there is becomes durable.
    ///
    /// # Durability
    /// One commit; then the marks and a flush. A cut leaves the slot as it was, staged, or disarmed; another slot is good in each.
    /// # Errors
    /// Those of [`Facts::cancellable`]; [`Error::Medium`].
    pub fn cancel<L: Listener>(
        &mut self,
        slot: Option<SlotId>,
        room: &mut Room<'p>,
        listener: &mut L,
    ) -> Result<Outcome, Error<D::Error>> {
        self.look_to_act(room, listener)?;
        let Some(slot) = room.facts.to_cancel(slot)? else { return self.settle(listener) };
        let Room { slots, facts, block, .. } = room;
        let outcome =
            self.commit(listener, |disk, specs, scratch| transition::cancel(disk, specs, facts, slot, scratch))?;
        if let Some(installed) = &facts.slot(slot)?.installed {
            transition::unseal(self.disk, slots.get(slot)?, installed.digest, block)?;
        }
        Ok(outcome)
    }

    /// [`repair`] of this disk.
    ///
    /// # Durability
    /// That of [`write::repair`].
    /// # Errors
    /// Those of [`repair`].
    pub fn repair(&mut self, relocate: Relocate) -> Result<Repair, Error<D::Error>> {
        repair(self.disk, relocate, self.scratch)
    }
}

/// [`Device::mark_good`] for a boot loader, which has no keys and 4 KiB of memory: the caller says that the slot has completed a boot.
///
/// # Durability
/// One commit: [`transition::mark_good`].
/// # Errors
/// [`Rejected::SlotState`] at priority 0; those of [`transition::mark_good`].
pub fn mark_good_by_bits<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    slot: SlotId,
    guard: Guard,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    io::section(disk, Section::Table, |disk| transition::mark_good(disk, specs, slot, guard, scratch))
}

/// [`Device::mark_bad`] for a boot loader, which has no keys and 4 KiB of memory: a slot on trial that it could not start. No note is left.
///
/// # Durability
/// One commit: [`transition::mark_bad_by_bits`].
/// # Errors
/// Those of [`transition::mark_bad_by_bits`].
pub fn mark_bad_by_bits<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    slot: SlotId,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    io::section(disk, Section::Table, |disk| transition::mark_bad_by_bits(disk, specs, slot, scratch))
}

/// Both copies of the table valid and equal, and the backup where `relocate` says. Needs no profile.
///
/// # Durability
/// That of [`write::repair`].
/// # Errors
/// [`Error::Table`] if neither copy is valid; those of [`write::repair`].
pub fn repair<D: BlockIo>(disk: &mut D, relocate: Relocate, scratch: &mut [u8]) -> Result<Repair, Error<D::Error>> {
    io::section(disk, Section::Table, |disk| {
        let table = Table::read(disk, scratch)?;
        write::repair(disk, &table, relocate, scratch)
    })
}
