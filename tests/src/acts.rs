//! The acts of an updater on a board's disk, as the program and the boot hook do them: survey, judge, act.

use libupdate::boot::{self, Boot, Guard, Kind};
use libupdate::boot::{Detail, Reason};
use libupdate::bundle::Verified;
use libupdate::error::Rejected;
use libupdate::gpt::write::{self, FreshTable, Relocate};
use libupdate::gpt::{CopyReport, CopyState, Guid, Table, TriesLeft};
use libupdate::inspect::{self, Inspection, Memory, SlotTrailer, View};
use libupdate::install::Buffers;
use libupdate::install::progress::Silent;
use libupdate::install::{self, NoDecompressor, Tools};
use libupdate::policy::{self, Compression, Wishes};
use libupdate::region::boot_note::BootNote;
use libupdate::region::trailer::TRAILER_BYTES;
use libupdate::region::{self, Block};
use libupdate::region::{boot_note, confirmation};
use libupdate::slot::{Slot, SlotState};
use libupdate::transition::Staged;
use libupdate::transition::disarm;
use libupdate::transition::{self, Spent};
use libupdate::{BlockIo, Error, Lba, SlotId, SoftHasher, UnixSeconds};

use crate::board::{Board, COMPATIBLE, slot_id};

/// What the laboratory cuts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// A new table, and this release in its first slot.
    Provision(usize),
    /// This release into the target slot, armed.
    Install(usize),
    /// This release into the target slot, not armed.
    InstallOnly(usize),
    /// This release into the target slot, armed, and a person is asked to confirm it.
    InstallAsking(usize),
    /// Arms what was installed only.
    Activate,
    /// What a boot does: repair, choose, spend.
    Boot,
    /// The booted slot is good.
    MarkGood,
    /// This slot must not boot.
    MarkBad(usize),
    /// This slot is armed, or staged, and is taken out again without a verdict.
    Cancel(usize),
    /// This good slot is damaged.
    Withdraw(usize),
    /// Why this slot's trial is not marked good.
    Explain(usize),
    /// This slot boots next.
    Rollback(usize),
    /// Both copies valid and equal, the backup at the end.
    Repair,
}

/// How an act ended that did not fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// It did what it is for.
    Done,
    /// There was nothing to do.
    NothingToDo,
    /// This slot boots, or none does.
    Boots(Option<SlotId>),
}

/// Seconds that a person has.
const WITHIN: u32 = 600;

/// What goes wrong, for any disk.
type Failure<D> = Error<<D as BlockIo>::Error>;

/// The updater: a board and the memory to work with.
#[derive(Debug)]
pub struct Updater<'b> {
    board: &'b Board,
    /// The booted slot.
    pub booted: Option<SlotId>,
    data: Vec<u8>,
    scratch: Vec<u8>,
    blocks: Box<[Block; 5]>,
    trailer: Box<[u8; TRAILER_BYTES]>,
}

impl<'b> Updater<'b> {
    /// An updater that runs from slot `booted`.
    #[must_use]
    pub fn new(board: &'b Board, booted: Option<SlotId>) -> Self {
        let (data, scratch) = (vec![0; board.model.buffer], vec![0; board.model.scratch]);
        Self { board, booted, data, scratch, blocks: Box::new([[0; 4096]; 5]), trailer: Box::new([0; TRAILER_BYTES]) }
    }

    /// Does one act.
    ///
    /// # Errors
    /// The act's.
    pub fn perform<D: BlockIo>(&mut self, disk: &mut D, act: Act) -> Result<Ending, Failure<D>> {
        match act {
            Act::Provision(release) => self.provision(disk, release),
            Act::Install(release) => self.install(disk, release, Next::Arm),
            Act::InstallOnly(release) => self.install(disk, release, Next::Keep),
            Act::InstallAsking(release) => self.install(disk, release, Next::Ask),
            Act::Activate => self.activate(disk),
            Act::Boot => self.boot(disk).map(Ending::Boots),
            Act::MarkGood => self.mark_good(disk),
            Act::MarkBad(slot) => self.mark_bad(disk, slot_id(slot)),
            Act::Cancel(slot) => self.cancel(disk, slot_id(slot)),
            Act::Explain(slot) => self.explain(disk, slot_id(slot)),
            Act::Withdraw(slot) => self.withdraw(disk, slot_id(slot)),
            Act::Rollback(slot) => self.rollback(disk, slot_id(slot)),
            Act::Repair => self.repair(disk),
        }
    }

    fn view(&self) -> View<'b> {
        View {
            compatible: COMPATIBLE,
            specs: self.board.specs,
            anchors: &self.board.anchors,
            booted: self.booted,
            compression: Compression::None,
        }
    }

    fn tries(&self) -> TriesLeft {
        TriesLeft::new(self.board.tries.trial).unwrap_or(TriesLeft::MAX)
    }

    fn guard(&self) -> Guard {
        Guard::new(TriesLeft::new(self.board.tries.guard).unwrap_or(TriesLeft::MAX))
    }

    /// Table, slots, and what the trailers say.
    ///
    /// # Errors
    /// [`inspect::survey`]'s.
    pub fn survey<D: BlockIo>(&mut self, disk: &mut D) -> Result<Inspection<'b>, Failure<D>> {
        let view = self.view();
        let [block, other, ..] = &mut *self.blocks;
        inspect::inspect(disk, &view, &mut Memory { trailer: &mut self.trailer, block, other })
    }

    fn provision<D: BlockIo>(&mut self, disk: &mut D, release: usize) -> Result<Ending, Failure<D>> {
        let table = &self.board.table;
        let mbr = table.protective_mbr();
        let fresh = FreshTable {
            protective_mbr: mbr.first_chunk().ok_or(Error::Interrupted)?,
            disk_guid: Guid::new(table.disk_guid.as_slice().try_into().unwrap_or_default()),
            first_usable: Lba::new(table.first_usable),
            last_usable: Lba::new(table.last_usable),
            entries: &table.array(),
        };
        write::create(disk, &fresh, &mut self.scratch)?;
        let (_, slots) = inspect::find(disk, self.board.specs, &mut self.scratch)?;
        let verified = self.board.releases[release].verified.clone();
        let [block, wanted, ..] = &mut *self.blocks;
        region::clear(disk, &slots, &verified, [block, wanted])?;
        let survey = self.survey(disk)?;
        let admitted = policy::admit_first(verified, &survey.facts, &survey.slots)?;
        let (disarmed, _) = disarm(disk, self.board.specs, admitted, &mut self.scratch)?;
        let staged = self.stage(disk, disarmed, release)?;
        let outcome = transition::first_good(disk, self.board.specs, &staged, self.guard(), &mut self.scratch)?;
        Ok(ending(&outcome))
    }

    fn stage<D: BlockIo>(
        &mut self,
        disk: &mut D,
        disarmed: transition::Disarmed<'static>,
        release: usize,
    ) -> Result<Staged<'static>, Failure<D>> {
        let mut source = self.board.releases[release].payloads;
        let [leaf, block, page, ..] = &mut *self.blocks;
        let mut buffers = Buffers { data: &mut self.data, carried: &mut [], leaf, block, page };
        let mut tools = Tools { hasher: &mut SoftHasher, decompressor: &mut NoDecompressor, observer: &mut Silent };
        install::stage(disk, disarmed, &mut source, &mut buffers, &mut tools)
    }

    fn restage<'v, D: BlockIo>(
        &mut self,
        disk: &mut D,
        verified: Verified<'v>,
        slot: &Slot<'_>,
    ) -> Result<Staged<'v>, Failure<D>> {
        let extents = policy::extents(verified.manifest(), slot)?;
        let [leaf, block, page, ..] = &mut *self.blocks;
        let mut buffers = Buffers { data: &mut self.data, carried: &mut [], leaf, block, page };
        let mut tools = Tools { hasher: &mut SoftHasher, decompressor: &mut NoDecompressor, observer: &mut Silent };
        install::restage(disk, verified, (slot.id, slot.control, &extents), &mut buffers, &mut tools)
    }

    fn install<D: BlockIo>(&mut self, disk: &mut D, release: usize, next: Next) -> Result<Ending, Failure<D>> {
        let survey = self.survey(disk)?;
        let verified = self.board.releases[release].verified.clone();
        let admitted = policy::admit(verified, &survey.facts, &survey.slots, Wishes::default())?;
        let facts = survey.facts.slot(admitted.slot())?;
        let held = facts.installed.as_ref().map(|installed| installed.digest) == Some(admitted.verified().digest());
        let mut staged = None;
        if held && matches!(facts.state, SlotState::Staged | SlotState::Trial | SlotState::Good) {
            let checked = self.restage(disk, admitted.verified().clone(), survey.slots.get(admitted.slot())?);
            staged = match checked {
                Ok(_) if facts.state != SlotState::Staged || next == Next::Keep => return self.settle(disk),
                Ok(staged) => Some(staged),
                Err(Error::Corrupt(_)) => None,
                Err(error) => return Err(error),
            };
        }
        let staged = match staged {
            Some(staged) => staged,
            None => {
                let (disarmed, _) = disarm(disk, self.board.specs, admitted, &mut self.scratch)?;
                self.stage(disk, disarmed, release)?
            }
        };
        let asked = (next == Next::Ask).then_some(WITHIN);
        let tries = self.tries();
        let [block, ..] = &mut *self.blocks;
        confirmation::ask(disk, survey.slots.get(staged.slot())?, staged.verified().digest(), asked, block)?;
        let outcome = match next {
            Next::Arm | Next::Ask => transition::arm(disk, self.board.specs, &staged, tries, &mut self.scratch)?,
            Next::Keep => transition::keep_staged(disk, self.board.specs, &staged, tries, &mut self.scratch)?,
        };
        Ok(ending(&outcome))
    }

    /// Nothing to do: what there is becomes durable.
    fn settle<D: BlockIo>(&mut self, disk: &mut D) -> Result<Ending, Failure<D>> {
        transition::settle(disk, &mut self.scratch).map(|outcome| ending(&outcome))
    }

    fn activate<D: BlockIo>(&mut self, disk: &mut D) -> Result<Ending, Failure<D>> {
        let survey = self.survey(disk)?;
        let staged = survey.facts.slots.iter().find(|facts| facts.state == SlotState::Staged);
        let Some(facts) = staged else { return self.settle(disk) };
        let slot = survey.slots.get(facts.slot)?;
        let mut trailer = Box::new([0; TRAILER_BYTES]);
        let view = self.view();
        let SlotTrailer::Valid(verified, _) = self.trailer(disk, slot, &view, &mut trailer)? else {
            return Err(Rejected::SlotState { slot: slot.id, needed: "staged" }.into());
        };
        let staged = self.restage(disk, verified, slot)?;
        let tries = self.tries();
        let outcome = transition::arm(disk, self.board.specs, &staged, tries, &mut self.scratch)?;
        Ok(ending(&outcome))
    }

    fn trailer<'t, D: BlockIo>(
        &mut self,
        disk: &mut D,
        slot: &Slot<'_>,
        view: &View<'_>,
        memory: &'t mut [u8; TRAILER_BYTES],
    ) -> Result<SlotTrailer<'t>, Failure<D>> {
        let [.., block, other] = &mut *self.blocks;
        inspect::trailer(disk, slot, view, memory, [block, other])
    }

    /// What the hook does: a damaged copy is rewritten, then the first slot in the order boots whose trailer verifies, whose blocks
    /// do if nobody confirmed its last boots, and whose try could be spent if it is on trial.
    fn boot<D: BlockIo>(&mut self, disk: &mut D) -> Result<Option<SlotId>, Failure<D>> {
        let table = Table::read(disk, &mut self.scratch)?;
        let sound = |copy: CopyReport| matches!(copy.state(), CopyState::Valid | CopyState::Ignored);
        if !sound(table.primary()) || !sound(table.backup()) {
            // A copy that cannot be repaired does not keep a device from booting.
            let _repaired = write::repair(disk, &table, Relocate::No, &mut self.scratch).is_ok();
        }
        let (_, slots) = inspect::find(disk, self.board.specs, &mut self.scratch)?;
        for boot in boot::order(&boot::candidates(&slots), self.guard()) {
            if self.holds(disk, slots.get(boot.candidate.slot)?, boot.kind)? && self.spend(disk, &boot) {
                self.booted = Some(boot.candidate.slot);
                return Ok(self.booted);
            }
        }
        Ok(None)
    }

    fn holds<D: BlockIo>(&mut self, disk: &mut D, slot: &Slot<'_>, kind: Kind) -> Result<bool, Failure<D>> {
        let mut trailer = Box::new([0; TRAILER_BYTES]);
        let view = self.view();
        let SlotTrailer::Valid(verified, _) = self.trailer(disk, slot, &view, &mut trailer)? else { return Ok(false) };
        Ok(kind != Kind::Suspect || self.restage(disk, verified, slot).is_ok())
    }

    fn spend<D: BlockIo>(&mut self, disk: &mut D, boot: &Boot) -> bool {
        match transition::spend_try(disk, self.board.specs, boot, &mut self.scratch) {
            Ok(attempt) => matches!(attempt.spent, Spent::Yes(_) | Spent::NotNeeded | Spent::Failed(_)),
            Err(_) => false,
        }
    }

    /// Puts a release into a slot that has no bits, and leaves it complete without any.
    ///
    /// # Errors
    /// The acts'.
    pub fn fill<D: BlockIo>(&mut self, disk: &mut D, slot: usize, release: usize) -> Result<(), Failure<D>> {
        let survey = self.survey(disk)?;
        let wishes = Wishes { slot: Some(slot_id(slot)), ..Wishes::default() };
        let verified = self.board.releases[release].verified.clone();
        let admitted = policy::admit(verified, &survey.facts, &survey.slots, wishes)?;
        let (disarmed, _) = disarm(disk, self.board.specs, admitted, &mut self.scratch)?;
        self.stage(disk, disarmed, release).map(|_| ())
    }

    /// Release and slot of every slot that holds one, and the state of it.
    ///
    /// # Errors
    /// [`inspect::survey`]'s.
    pub fn states<D: BlockIo>(&mut self, disk: &mut D) -> Result<Vec<(SlotState, Option<usize>)>, Failure<D>> {
        let survey = self.survey(disk)?;
        let release = |digest| self.board.releases.iter().position(|release| release.verified.digest() == digest);
        let state = |slot: &policy::SlotFacts| {
            (slot.state, slot.installed.as_ref().and_then(|installed| release(installed.digest)))
        };
        Ok(survey.facts.slots.iter().map(state).collect())
    }

    fn mark_good<D: BlockIo>(&mut self, disk: &mut D) -> Result<Ending, Failure<D>> {
        let Some(slot) = self.booted else { return Ok(Ending::NothingToDo) };
        let guard = self.guard();
        let outcome = transition::mark_good(disk, self.board.specs, slot, guard, &mut self.scratch)?;
        Ok(ending(&outcome))
    }

    fn mark_bad<D: BlockIo>(&mut self, disk: &mut D, slot: SlotId) -> Result<Ending, Failure<D>> {
        let survey = self.survey(disk)?;
        let outcome = transition::mark_bad(disk, self.board.specs, &survey.facts, slot, &mut self.scratch)?;
        Ok(ending(&outcome))
    }

    fn cancel<D: BlockIo>(&mut self, disk: &mut D, slot: SlotId) -> Result<Ending, Failure<D>> {
        let survey = self.survey(disk)?;
        let place = survey.slots.get(slot)?;
        match transition::cancel(disk, self.board.specs, &survey.facts, place, &mut self.scratch) {
            Err(Error::Rejected(Rejected::SlotState { .. })) => self.settle(disk),
            outcome => Ok(ending(&outcome?)),
        }
    }

    fn explain<D: BlockIo>(&mut self, disk: &mut D, slot: SlotId) -> Result<Ending, Failure<D>> {
        let survey = self.survey(disk)?;
        let Some(installed) = &survey.facts.slot(slot)?.installed else { return Ok(Ending::NothingToDo) };
        let (reason, detail) = (Reason::HEALTH_CHECK, Detail::new("20-app: failed"));
        let verdict = BootNote { reason, manifest: installed.digest, at: UnixSeconds::UNKNOWN, detail };
        boot_note::leave(disk, survey.slots.get(slot)?, &verdict, &mut self.blocks[0])?;
        Ok(Ending::Done)
    }

    fn withdraw<D: BlockIo>(&mut self, disk: &mut D, slot: SlotId) -> Result<Ending, Failure<D>> {
        let survey = self.survey(disk)?;
        let outcome = transition::withdraw(disk, self.board.specs, &survey.facts, slot, &mut self.scratch)?;
        Ok(ending(&outcome))
    }

    fn rollback<D: BlockIo>(&mut self, disk: &mut D, slot: SlotId) -> Result<Ending, Failure<D>> {
        let survey = self.survey(disk)?;
        let outcome = transition::rollback(disk, self.board.specs, &survey.facts, slot, &mut self.scratch)?;
        Ok(ending(&outcome))
    }

    fn repair<D: BlockIo>(&mut self, disk: &mut D) -> Result<Ending, Failure<D>> {
        let table = Table::read(disk, &mut self.scratch)?;
        let repaired = write::repair(disk, &table, Relocate::Yes, &mut self.scratch)?;
        let moved = matches!(repaired.backup, write::BackupPlace::MovedFrom(_));
        Ok(if repaired.repaired.is_some() || moved { Ending::Done } else { Ending::NothingToDo })
    }
}

/// What follows on staging.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Arm,
    Ask,
    Keep,
}

fn ending(outcome: &write::Outcome) -> Ending {
    match outcome.effect {
        write::Effect::Unchanged => Ending::NothingToDo,
        write::Effect::Written => Ending::Done,
    }
}
