//! The whole boot, from the table to the slot that starts.

use super::{BootRules, Booted, Device, Listener, Marker, News, Room, Sound, Spender, Start, Starter, Work, read_back};
use crate::boot::{self, Consequence, Depth, Reason, Setback, Stage, Step, unfit};
use crate::bundle::Verified;
use crate::error::Error;
use crate::gpt::write::{self, Relocate};
use crate::gpt::{CopyState, Table, TriesLeft};
use crate::inspect;
use crate::install::progress::{Meter, Phase};
use crate::install::{self, Buffers, Decompressor};
use crate::io::{BlockIo, Window};
use crate::region::boot_note::{self, BootNote};
use crate::region::confirmation;
use crate::slot::Slot;
use crate::transition;
use crate::units::block::Extent;
use crate::units::digest::{BlockHasher, Digest};
use crate::units::slot_id::SlotId;

/// A slot that did not start, and what it held: zeros if there is no authentic trailer.
struct Refused {
    setback: Setback,
    manifest: Digest,
}

impl Refused {
    const fn unknown(setback: Setback) -> Self {
        Self { setback, manifest: Digest::new([0; 32]) }
    }
}

impl<'p, D: BlockIo> Device<'_, 'p, D> {
    /// Boots: a damaged copy of the table is written anew; then each slot of the boot order is tried, until one starts.
    ///
    /// The try is spent before anything of the slot is read: reading it may hang, or crash the machine, and then the try is what ends the
    /// trial. A slot on trial that does not start is failed at once, unless the disk could not be read or written, which says nothing
    /// about the slot.
    ///
    /// # Durability
    /// A try is one commit, and so is what becomes of a slot that did not start; a note is one block and a flush. Every cut leaves a table
    /// from which the same boot begins again, with at most one try less.
    /// # Errors
    /// [`Error::Table`], [`Error::Medium`] for the table, [`Error::Rejected`] if the slots are not there. `Ok(None)`: no slot boots.
    pub fn boot<H: BlockHasher, Z: Decompressor, S: Starter<D>>(
        &mut self,
        rules: &BootRules<'_>,
        room: &mut Room<'p>,
        work: &mut Work<'_, H, Z>,
        starter: &mut S,
    ) -> Result<Option<Booted<S::Started>>, Error<D::Error>> {
        let table = inspect::find_into(self.disk, self.board.view.specs, &mut room.slots, self.scratch)?;
        self.repair_copies(&table, starter);
        starter.found(self.disk, &table, &room.slots);
        starter.hear(&News::Passed(Stage::Table));
        let known = boot::candidates(&room.slots);
        if rules.named.is_none() {
            boot::exhausted(&known).for_each(|slot| self.say_exhausted(slot, room, starter));
        }
        let out = rules.named.filter(|named| rules.insists && boot::is_out(&known, *named));
        if let Some(slot) = out {
            let why = Setback::new(
                Reason::MARKED_BAD,
                "it was taken out of the boot order, which the boot loader does not know yet",
            );
            starter.hear(&News::PassedOver(slot, &why));
        }
        for step in boot::steps(&known, self.board.guard, rules.named).iter().filter(|_| out.is_none()) {
            if let Some(booted) = self.try_slot(step, rules, room, work, starter) {
                return Ok(Some(booted));
            }
        }
        let goes_on = match rules.named {
            None => rules.last_resort,
            Some(named) => rules.insists && !boot::is_on_trial(&known, named),
        };
        if !goes_on {
            return Ok(None);
        }
        starter.hear(&News::LastResort);
        self.find_again(&mut room.slots)?;
        for step in boot::last_steps(&boot::candidates(&room.slots), rules.named) {
            if let Some(booted) = self.try_slot(&step, rules, room, work, starter) {
                return Ok(Some(booted));
            }
        }
        Ok(None)
    }

    /// A slot that started has come back after all: what becomes of it.
    ///
    /// # Durability
    /// As [`Device::boot`].
    pub fn came_back<T, S: Starter<D>>(
        &mut self,
        booted: &Booted<T>,
        setback: &Setback,
        room: &mut Room<'p>,
        starter: &mut S,
    ) {
        let Booted { step, manifest, .. } = booted;
        self.follow(step, *manifest, setback, room, starter);
    }

    /// A copy that cannot be repaired does not keep a device from booting.
    #[inline(never)]
    fn repair_copies<L: Listener>(&mut self, table: &Table, listener: &mut L) {
        let sound = |state| matches!(state, CopyState::Valid | CopyState::Ignored);
        if sound(table.primary().state()) && sound(table.backup().state()) {
            return;
        }
        match self.alone(|disk, _, scratch| write::repair(disk, table, Relocate::No, scratch)) {
            Ok(repair) => match repair.repaired {
                Some(copy) => listener.hear(&News::Repaired(copy)),
                None => listener.hear(&News::NoPlace),
            },
            Err(error) => listener.hear(&News::NotRepaired(&error)),
        }
    }

    /// A slot whose tries ran out is not looked at; a note on it says why.
    fn say_exhausted<L: Listener>(&mut self, slot: SlotId, room: &mut Room<'p>, listener: &mut L) {
        let Room { slots, block, .. } = room;
        let note = slots.get(slot).ok().and_then(|slot| boot_note::any(self.disk, slot, block));
        let earlier = note.map(earlier);
        listener.hear(&News::PassedOver(slot, &Setback::exhausted(earlier.as_ref())));
    }

    #[inline(never)]
    fn try_slot<H: BlockHasher, Z: Decompressor, S: Starter<D>>(
        &mut self,
        step: &Step,
        rules: &BootRules<'_>,
        room: &mut Room<'p>,
        work: &mut Work<'_, H, Z>,
        starter: &mut S,
    ) -> Option<Booted<S::Started>> {
        if let Ok(slot) = room.slots.get(step.slot())
            && let Err(setback) = starter.may_start(self.disk, slot)
        {
            starter.hear(&News::PassedOver(step.slot(), &setback));
            return None;
        }
        match self.attempt(step, rules, room, work, starter) {
            Ok(booted) => Some(booted),
            Err(Refused { setback, manifest }) => {
                self.follow(step, manifest, &setback, room, starter);
                starter.hear(&News::PassedOver(step.slot(), &setback));
                None
            }
        }
    }

    fn attempt<H: BlockHasher, Z: Decompressor, S: Starter<D>>(
        &mut self,
        step: &Step,
        rules: &BootRules<'_>,
        room: &mut Room<'p>,
        work: &mut Work<'_, H, Z>,
        starter: &mut S,
    ) -> Result<Booted<S::Started>, Refused> {
        let unreadable = |error: Error<D::Error>| Refused::unknown(Setback::new(Reason::UNREADABLE, error));
        let tries_left = self.tries_of(step, rules.spender, starter).map_err(Refused::unknown)?;
        starter.hear(&News::Passed(Stage::Try));
        let trial = step.is_trial();
        if trial {
            // For the floor: what the other slots hold.
            self.look_at_trailers(room).map_err(unreadable)?;
        }
        let Room { slots, facts, trailer, leaf, block, page, .. } = room;
        let slot = slots.get(step.slot()).map_err(|error| unreadable(error.into()))?;
        let found = inspect::trailer(self.disk, slot, &self.board.view, trailer, [&mut *block, &mut *page]);
        let (verified, extents) =
            found.map_err(unreadable)?.fit().map_err(|unfit| Refused::unknown(Setback::unfit(&unfit)))?;
        starter.hear(&News::Passed(Stage::Signature));
        let manifest = verified.digest();
        let refused = |setback| Refused { setback, manifest };
        let (mut confirm_within, mut note) = (None, None);
        if trial {
            let floor = facts.lowest_index_beside(slot.id);
            let above = unfit::above(verified.manifest().rollback_index(), floor);
            above.map_err(|unfit| refused(Setback::unfit(&unfit)))?;
            starter.hear(&News::Passed(Stage::Floor));
            note = boot_note::about(self.disk, slot, manifest, block).map(earlier);
            confirm_within = confirmation::asked(self.disk, slot, manifest, block);
        }
        let images = (slot, &verified, &extents[..]);
        self.check_blocks(step.depth(), images, rules.whole, (work, &mut [leaf, block, page]), starter)
            .map_err(|error| refused(Setback::damage(error)))?;
        starter.hear(&News::Passed(Stage::Blocks));
        let earlier = note.as_ref();
        let sound =
            Sound { slot, verified: &verified, extents: &extents, step: *step, tries_left, confirm_within, earlier };
        let started = starter.start(self.disk, &sound).map_err(refused)?;
        let marks = rules.marker == Marker::ThisBoot && trial && confirm_within.is_none();
        if marks && matches!(started, Start::System(_)) {
            self.mark_started(slot.id, starter);
        }
        Ok(Booted { step: *step, manifest, started })
    }

    /// Spends the try, unless somebody has; the slot's tries as the disk has them then.
    fn tries_of<L: Listener>(&mut self, step: &Step, spender: Spender, listener: &mut L) -> Result<TriesLeft, Setback> {
        let Step::Chosen(boot) = step else { return Ok(step.tries_left()) };
        if spender == Spender::BootLoader {
            return Ok(boot.candidate.bits.tries_left);
        }
        match self.spend(boot, listener) {
            Ok(attempt) if matches!(attempt.spent, transition::Spent::Yes(_)) => Ok(step.tries_left()),
            Ok(_) => Ok(boot.candidate.bits.tries_left),
            Err(error) => Err(Setback::new(Reason::TRY_NOT_SPENT, error)),
        }
    }

    /// Reads as much of a slot as its boot needs.
    fn check_blocks<H: BlockHasher, Z: Decompressor, L: Listener>(
        &mut self,
        depth: Depth,
        (slot, verified, extents): (&Slot<'_>, &Verified<'_>, &[Extent]),
        whole: Option<&str>,
        (work, blocks): (&mut Work<'_, H, Z>, &mut super::Blocks<'_>),
        listener: &mut L,
    ) -> Result<(), Error<D::Error>> {
        match depth {
            Depth::Everything => {
                read_back(self.disk, verified.clone(), (slot, extents), (work, blocks), listener).map(|_| ())
            }
            Depth::AsRead => self.first_blocks(verified, extents, whole, (work, blocks), listener),
        }
    }

    /// Reads the start of each image, and the hash blocks above it; all of the one with the kernel.
    #[inline(never)]
    fn first_blocks<H: BlockHasher, Z: Decompressor, L: Listener>(
        &mut self,
        verified: &Verified<'_>,
        extents: &[Extent],
        whole: Option<&str>,
        (work, [leaf, block, page]): (&mut Work<'_, H, Z>, &mut super::Blocks<'_>),
        listener: &mut L,
    ) -> Result<(), Error<D::Error>> {
        for (payload, extent) in verified.manifest().payloads().iter().zip(extents) {
            let mut window = Window::new(&mut *self.disk, *extent);
            let tree = payload.tree();
            let Work { data, carried, reference, reuse, hasher, .. } = &mut *work;
            if whole == Some(payload.role().as_str()) {
                let mut buffers = Buffers { data, carried, reference, reuse: reuse.again(), leaf, block, page };
                let mut meter = Meter::new(Phase::ReadBack, tree.geometry.image_blocks_bytes());
                install::read_back::partition(&mut window, &tree, &mut buffers, *hasher, (&mut meter, &mut *listener))?;
            } else {
                install::first_blocks::check(&mut window, &tree, (data, &mut *leaf), *hasher)?;
            }
        }
        Ok(())
    }

    fn mark_started<L: Listener>(&mut self, slot: SlotId, listener: &mut L) {
        let guard = self.board.guard;
        let marked = self
            .commit_in_place(listener, |disk, specs, scratch| transition::mark_good(disk, specs, slot, guard, scratch));
        if let Err(error) = marked {
            listener.hear(&News::NotMarkedGood(slot, &error));
        }
    }

    /// What becomes of a slot that did not start: its bits, if another one is good, and a note on it.
    #[inline(never)]
    fn follow<S: Starter<D>>(
        &mut self,
        step: &Step,
        manifest: Digest,
        setback: &Setback,
        room: &mut Room<'p>,
        starter: &mut S,
    ) {
        let slot = step.slot();
        if let Err(error) = self.carry_out(step, setback.reason, room, starter) {
            starter.hear(&News::KeepsBits(slot, &error));
        }
        let note = BootNote { reason: setback.reason, manifest, at: starter.now(), detail: setback.detail.clone() };
        let Room { slots, block, .. } = room;
        let Ok(place) = slots.get(slot) else { return };
        if let Err(error) = boot_note::leave(self.disk, place, &note, block) {
            starter.hear(&News::NoteNotLeft(slot, &error));
        }
    }

    fn carry_out<L: Listener>(
        &mut self,
        step: &Step,
        reason: Reason,
        room: &mut Room<'p>,
        listener: &mut L,
    ) -> Result<(), Error<D::Error>> {
        let act = match boot::consequence(step, reason) {
            Consequence::PassedOver => return Ok(()),
            Consequence::Failed => transition::mark_bad,
            Consequence::GoodNoMore => transition::withdraw,
        };
        self.look(room)?;
        let (facts, slot) = (&room.facts, step.slot());
        self.commit_in_place(listener, |disk, specs, scratch| act(disk, specs, facts, slot, scratch)).map(|_| ())
    }
}

/// What a note says of a boot that went before.
fn earlier(note: BootNote) -> Setback {
    Setback { reason: note.reason, detail: note.detail }
}
