//! A bundle into a slot, and a staged slot armed.

use heapless::String;

use super::{Device, Listener, News, Room, Work, is_damage, read_back};
use crate::bundle::{Unverified, Verified};
use crate::error::{Corrupt, Error, Needed, Rejected, Rule};
use crate::gpt::write::Outcome;
use crate::inspect::{self, Memory, SlotTrailer};
use crate::install::{self, Buffers, Decompressor, Source, Tools};
use crate::io::{self, BlockIo, Section};
use crate::policy::{self, Admitted, Facts, Stock, Wishes};
use crate::region::Block;
use crate::region::confirmation;
use crate::slot::{SlotState, SlotTable};
use crate::transition::{self, Disarmed, Sizes, Staged};
use crate::units::block::ByteLen;
use crate::units::digest::{BlockHasher, Digest};
use crate::units::limits::{ENVELOPE_BYTES, NAME_BYTES};
use crate::units::slot_id::SlotId;

/// What becomes of the slot once the bundle is in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Then {
    /// It boots next, on trial.
    #[default]
    Arm,
    /// It is complete, and does not boot until it is activated.
    Stage,
}

/// Whether an installation is carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reach {
    /// It is.
    #[default]
    Whole,
    /// The bundle is only judged, and what the slot holds is read: nothing is written.
    JudgeOnly,
    /// The same, and its index is read: what an installation would read of it.
    Estimate,
}

/// What an installation is asked to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Request {
    /// What the operator asked for.
    pub wishes: Wishes,
    /// What becomes of the slot.
    pub then: Then,
    /// Whether it is carried out.
    pub reach: Reach,
    /// Seconds within which a person confirms the trial; `None` if nobody is asked.
    pub confirm_within: Option<u32>,
}

/// How an installation ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The slot boots next, on trial.
    Armed,
    /// The slot is complete and not armed.
    Staged,
    /// There was nothing to do: the slot holds the bundle, every block of it is right, and this is its state.
    HeldAlready(SlotState),
    /// It would be installed; nothing was written.
    WouldInstall,
}

/// An installation that ended well.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Installed {
    /// The target.
    pub slot: SlotId,
    /// The bundle's version.
    pub version: String<NAME_BYTES>,
    /// Digest of its manifest.
    pub digest: Digest,
    /// Bytes of its images, and where they came from.
    pub sizes: Sizes,
    /// Bytes that an installation would read after the head, where it was asked for.
    pub to_read: Option<ByteLen>,
    /// How it ended.
    pub ending: Ending,
}

impl Installed {
    fn of(verified: &Verified<'_>, slot: SlotId, sizes: Sizes, ending: Ending) -> Self {
        let version = String::try_from(verified.manifest().version().as_str()).unwrap_or_default();
        Self { slot, version, digest: verified.digest(), sizes, to_read: None, ending }
    }

    fn staged(staged: &Staged<'_>, ending: Ending) -> Self {
        Self::of(staged.verified(), staged.slot(), staged.sizes(), ending)
    }

    fn judged(admitted: &Admitted<'_>) -> Self {
        let payloads = admitted.verified().manifest().payloads();
        let total = payloads.iter().map(|payload| payload.geometry().image_blocks_bytes().get());
        let total = ByteLen::new(total.fold(0, u64::saturating_add));
        let sizes = Sizes { total, ..Sizes::default() };
        Self::of(admitted.verified(), admitted.slot(), sizes, Ending::WouldInstall)
    }
}

impl<'p, D: BlockIo> Device<'_, 'p, D> {
    /// The whole installation of a bundle: its head is read and its signatures are checked; policy chooses the slot; what the slot holds is
    /// read back if it claims to be this bundle; else the slot is disarmed, written, read back and sealed; a person is asked, or nobody; the
    /// slot is armed, last of all.
    ///
    /// `source` begins with the head and must end with the last payload.
    ///
    /// # Durability
    /// A cut before the disarming leaves everything as it was. From then on the slot does not boot, and no other slot is written, until it
    /// is armed in one commit, after everything is durable and was read back. See [`transition`], [`install`], [`transition::arm`].
    /// # Errors
    /// Every class. The slot that runs is as it was; running again resumes.
    pub fn install<R: Source, H: BlockHasher, Z: Decompressor, L: Listener>(
        &mut self,
        source: &mut R,
        request: &Request,
        room: &mut Room<'p>,
        work: &mut Work<'_, H, Z>,
        listener: &mut L,
    ) -> Result<Installed, Error<D::Error>> {
        match request.reach {
            Reach::Whole => self.look_to_act(room, listener)?,
            Reach::JudgeOnly | Reach::Estimate => self.look(room)?,
        }
        policy::no_trial_runs(&room.facts)?;
        let Room { slots, facts, envelope, trailer, leaf, block, page } = room;
        let (admitted, state) = self.admit(source, request.wishes, (slots, facts), envelope)?;
        listener.hear(&News::Admitted(&admitted, facts));
        let mut blocks = [leaf, block, page];
        if let Some(state) = state
            && let Some(staged) = self.held(&admitted, slots, work, &mut blocks, listener)?
        {
            return self.held_already(&staged, state, request, (slots, blocks), listener);
        }
        let [_, block, page] = &mut blocks;
        let mut stock = Stock::default();
        self.look_around(&admitted, (slots, &mut stock), work, &mut Memory { trailer, block, other: page })?;
        match request.reach {
            Reach::Whole => {}
            Reach::JudgeOnly => return Ok(Installed::judged(&admitted)),
            Reach::Estimate => {
                let to_read = self.estimate(&admitted, source, (work, &stock), &mut blocks)?;
                return Ok(Installed { to_read: Some(to_read), ..Installed::judged(&admitted) });
            }
        }
        let staged = self.write(admitted, source, (work, &stock), &mut blocks, listener)?;
        self.finish(&staged, request, (slots, blocks), listener)
    }

    /// Reads and judges the head; with it the state of the target, if that claims to hold the very bundle.
    // Not inlined: the memory of a signature's check is gone before the next step.
    #[inline(never)]
    fn admit<'e, R: Source>(
        &self,
        source: &mut R,
        wishes: Wishes,
        (slots, facts): (&SlotTable<'_>, &Facts<'_>),
        envelope: &'e mut [u8; ENVELOPE_BYTES],
    ) -> Result<(Admitted<'e>, Option<SlotState>), Error<D::Error>> {
        let verified = Unverified::read(source, envelope)?.verify(self.board.view.anchors).map_err(Error::Bundle)?;
        source.expects(&verified);
        let admitted = policy::admit(verified, facts, slots, wishes)?;
        let known = facts.slot(admitted.slot())?;
        let same = known.installed.as_ref().map(|known| known.digest) == Some(admitted.verified().digest());
        let complete = matches!(known.state, SlotState::Staged | SlotState::Trial | SlotState::Good);
        Ok((admitted, (same && complete).then_some(known.state)))
    }

    #[inline(never)]
    fn estimate<R: Source, H: BlockHasher, Z: Decompressor>(
        &mut self,
        admitted: &Admitted<'_>,
        source: &mut R,
        (work, stock): (&mut Work<'_, H, Z>, &Stock),
        [leaf, block, page]: &mut super::Blocks<'_>,
    ) -> Result<ByteLen, Error<D::Error>> {
        let Work { data, carried, reference, reuse, hasher, .. } = work;
        let mut buffers = Buffers { data, carried, reference, reuse: reuse.again(), leaf, block, page };
        let images = (admitted.verified(), admitted.extents());
        io::section(&mut *self.disk, Section::Images, |disk| {
            install::to_read(disk, (images, stock), source, &mut buffers, *hasher)
        })
    }

    #[inline(never)]
    fn write<'v, R: Source, H: BlockHasher, Z: Decompressor, L: Listener>(
        &mut self,
        admitted: Admitted<'v>,
        source: &mut R,
        work: (&mut Work<'_, H, Z>, &Stock),
        blocks: &mut super::Blocks<'_>,
        listener: &mut L,
    ) -> Result<Staged<'v>, Error<D::Error>> {
        self.claim(&admitted)?;
        let disarmed = self.disarm(admitted, listener)?;
        self.stage(disarmed, source, work, blocks, listener)
    }

    /// What the slot holds, if it is what its trailer says.
    fn held<'v, H: BlockHasher, Z: Decompressor, L: Listener>(
        &mut self,
        admitted: &Admitted<'v>,
        slots: &SlotTable<'_>,
        work: &mut Work<'_, H, Z>,
        blocks: &mut super::Blocks<'_>,
        listener: &mut L,
    ) -> Result<Option<Staged<'v>>, Error<D::Error>> {
        let place = (slots.get(admitted.slot())?, admitted.extents());
        match read_back(self.disk, admitted.verified().clone(), place, (work, blocks), listener) {
            Ok(staged) => Ok(Some(staged)),
            Err(error) if is_damage(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The slot holds the bundle: what is left to do, down to who confirms its trial.
    fn held_already<L: Listener>(
        &mut self,
        staged: &Staged<'_>,
        state: SlotState,
        request: &Request,
        (slots, blocks): (&mut SlotTable<'p>, super::Blocks<'_>),
        listener: &mut L,
    ) -> Result<Installed, Error<D::Error>> {
        let complete = match state {
            SlotState::Staged => request.then == Then::Stage,
            _ => true,
        };
        if !complete {
            return match request.reach {
                Reach::JudgeOnly | Reach::Estimate => Ok(Installed::staged(staged, Ending::WouldInstall)),
                Reach::Whole => self.finish(staged, request, (slots, blocks), listener),
            };
        }
        let [_, block, _] = blocks;
        let place = slots.get(staged.slot())?;
        let asked = confirmation::asked(self.disk, place, staged.verified().digest(), block);
        if state == SlotState::Good || asked == request.confirm_within {
            if request.reach == Reach::Whole {
                self.settle(listener).map(|_| ())?;
            }
            return Ok(Installed::staged(staged, Ending::HeldAlready(state)));
        }
        let ending = if state == SlotState::Staged { Ending::Staged } else { Ending::Armed };
        match request.reach {
            Reach::JudgeOnly | Reach::Estimate => Ok(Installed::staged(staged, Ending::WouldInstall)),
            Reach::Whole => {
                self.ask(staged, request.confirm_within, (slots, block))?;
                Ok(Installed::staged(staged, ending))
            }
        }
    }

    /// Each partition of the target, for writing: somebody may use one.
    pub(super) fn claim(&mut self, admitted: &Admitted<'_>) -> Result<(), Error<D::Error>> {
        for extent in admitted.extents() {
            io::claim(self.disk, *extent)?;
        }
        Ok(())
    }

    #[inline(never)]
    pub(super) fn disarm<'v, L: Listener>(
        &mut self,
        admitted: Admitted<'v>,
        listener: &mut L,
    ) -> Result<Disarmed<'v>, Error<D::Error>> {
        if transition::has_failed(&admitted) {
            self.commit(listener, |disk, specs, scratch| transition::condemn(disk, specs, &admitted, scratch))
                .map(|_| ())?;
            transition::forget(self.disk, &admitted, self.scratch)?;
        }
        self.commit(listener, |disk, specs, scratch| transition::take_out(disk, specs, &admitted, scratch))
            .map(|_| Disarmed::of(admitted))
    }

    #[inline(never)]
    pub(super) fn stage<'v, R: Source, H: BlockHasher, Z: Decompressor, L: Listener>(
        &mut self,
        disarmed: Disarmed<'v>,
        source: &mut R,
        (work, stock): (&mut Work<'_, H, Z>, &Stock),
        blocks: &mut super::Blocks<'_>,
        listener: &mut L,
    ) -> Result<Staged<'v>, Error<D::Error>> {
        let Work { data, carried, reference, reuse, hasher, decompressor } = work;
        let [leaf, block, page] = blocks;
        let mut buffers = Buffers { data, carried, reference, reuse: reuse.again(), leaf, block, page };
        let mut tools = Tools { hasher: *hasher, decompressor: *decompressor, observer: listener };
        let sizes = io::section(&mut *self.disk, Section::Images, |disk| {
            install::fill(disk, (&disarmed, stock), source, &mut buffers, &mut tools)
        })?;
        install::filled(disarmed, sizes)
    }

    /// Asks a person, or nobody, and arms; or keeps the slot staged.
    #[inline(never)]
    fn finish<L: Listener>(
        &mut self,
        staged: &Staged<'_>,
        request: &Request,
        (slots, [_, block, _]): (&mut SlotTable<'p>, super::Blocks<'_>),
        listener: &mut L,
    ) -> Result<Installed, Error<D::Error>> {
        self.ask(staged, request.confirm_within, (slots, block))?;
        let tries = self.board.tries;
        let ending = if request.then == Then::Stage { Ending::Staged } else { Ending::Armed };
        if ending == Ending::Armed {
            self.prepare(staged)?;
        }
        self.commit(listener, |disk, specs, scratch| match ending {
            Ending::Staged => transition::keep_staged(disk, specs, staged, tries, scratch),
            _ => transition::arm(disk, specs, staged, tries, scratch),
        })
        .map(|_| Installed::staged(staged, ending))
    }

    /// Has the slot say, before it is armed, whether a person confirms its trial. Its partitions are looked for again, since the block is
    /// written by their place.
    fn ask(
        &mut self,
        staged: &Staged<'_>,
        within: Option<u32>,
        (slots, block): (&mut SlotTable<'p>, &mut Block),
    ) -> Result<(), Error<D::Error>> {
        self.find_again(slots)?;
        let slot = slots.get(staged.slot())?;
        transition::in_place(slot, staged)?;
        confirmation::ask(self.disk, slot, staged.verified().digest(), within, block)
    }

    /// Reads every byte of what a slot holds, and writes nothing. Gives bytes of all images.
    ///
    /// # Errors
    /// [`Error::Slot`] names the rule of the trailer, or the block that is wrong; [`Rejected::NoSuchSlot`]; [`Error::Medium`].
    pub fn check<H: BlockHasher, Z: Decompressor, L: Listener>(
        &mut self,
        slot: SlotId,
        room: &mut Room<'p>,
        work: &mut Work<'_, H, Z>,
        listener: &mut L,
    ) -> Result<ByteLen, Error<D::Error>> {
        let Room { slots, trailer, leaf, block, page, .. } = room;
        self.find_again(slots)?;
        let place = slots.get(slot)?;
        let found = inspect::trailer(self.disk, place, &self.board.view, trailer, [&mut *block, &mut *page])?;
        let (verified, extents) = match found {
            SlotTrailer::Valid(verified, extents) => (verified, extents),
            SlotTrailer::NotAuthentic(kind) => return Err(Error::Slot(kind)),
            SlotTrailer::Nothing | SlotTrailer::Mark(_) => return Err(Error::Slot(Corrupt(Rule::TrailerMissing))),
        };
        read_back(self.disk, verified, (place, &extents), (work, &mut [leaf, block, page]), listener)
            .map(|staged| staged.sizes().total)
    }

    /// Arms a staged slot after every block of it was read again: `slot`, or the first one that is staged. An armed slot is left as it is,
    /// and what there is becomes durable.
    ///
    /// # Durability
    /// One commit: [`transition::arm`].
    /// # Errors
    /// [`Rejected::SlotState`] if it is not staged; [`Error::Slot`] names the block that is wrong; those of [`transition::arm`].
    pub fn activate<H: BlockHasher, Z: Decompressor, L: Listener>(
        &mut self,
        slot: Option<SlotId>,
        room: &mut Room<'p>,
        work: &mut Work<'_, H, Z>,
        listener: &mut L,
    ) -> Result<Outcome, Error<D::Error>> {
        self.look_to_act(room, listener)?;
        let Some(slot) = room.facts.staged(slot)? else { return self.settle(listener) };
        let Room { slots, trailer, leaf, block, page, .. } = room;
        let place = slots.get(slot)?;
        let found = inspect::trailer(self.disk, place, &self.board.view, trailer, [&mut *block, &mut *page])?;
        let SlotTrailer::Valid(verified, extents) = found else {
            return Err(Rejected::SlotState { slot, needed: Needed::Staged }.into());
        };
        let staged = read_back(self.disk, verified, (place, &extents), (work, &mut [leaf, block, page]), listener)?;
        self.prepare(&staged)?;
        let tries = self.board.tries;
        self.commit(listener, |disk, specs, scratch| transition::arm(disk, specs, &staged, tries, scratch))
    }
}
