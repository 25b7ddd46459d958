//! The acts that the laboratory cuts: for each, the call of [`Device`] and its operands. The order of what happens is the device's.

use libupdate::boot::{Detail, Guard, Reason, Setback};
use libupdate::bundle::delta::MEMORY_BYTES;
use libupdate::bundle::hints::GROUP_BYTES;
use libupdate::device::{
    self, Board as Rules, BootRules, Claim, Device, Ending as Installation, Listener, Note, OnGrown, Request, Room,
    Sound, Start, Starter, Then, Work,
};
use libupdate::gpt::write::{BackupPlace, Effect, FreshTable, Outcome, Relocate};
use libupdate::gpt::{Guid, TriesLeft};
use libupdate::inspect::{Inspection, View};
use libupdate::install::NoDecompressor;
use libupdate::install::progress::{Flow, Observer, Progress, Silent};
use libupdate::install::reuse::Memory;
use libupdate::loader::{Loader, Put};
use libupdate::policy::{self, Compression, Wishes};
use libupdate::region::confirmation;
use libupdate::slot::{Slot, SlotState};
use libupdate::verity::CHUNK_BYTES;
use libupdate::{BlockIo, Error, Lba, SlotId, SoftHasher, UnixSeconds};

use crate::board::{Board, COMPATIBLE, DELTA, HINTED, slot_id};
use crate::loader_store::Store;

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
    /// A whole boot: every slot that is tried starts.
    Boot,
    /// A whole boot in which this slot does not start.
    BootWithout(usize),
    /// A boot script asks which slot boots, and spends its try.
    Choose,
    /// A boot loader without keys does.
    ChooseByBits,
    /// The booted slot is good.
    MarkGood,
    /// This slot must not boot.
    MarkBad(usize),
    /// This slot on trial must not boot, says a boot loader without keys.
    FailTrial(usize),
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

impl Act {
    /// Whether it is a boot, which goes on where other acts end.
    #[must_use]
    pub const fn is_boot(self) -> bool {
        matches!(self, Self::Boot | Self::BootWithout(_) | Self::Choose | Self::ChooseByBits)
    }
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
pub const WITHIN: u32 = 600;

/// What goes wrong, for any disk.
type Failure<D> = Error<<D as BlockIo>::Error>;

/// The updater: a board and the memory to work with.
#[derive(Debug)]
pub struct Updater<'b> {
    board: &'b Board,
    /// The booted slot.
    pub booted: Option<SlotId>,
    data: Vec<u8>,
    /// For carried bytes and an old image: empty until a delta comes.
    carried: Vec<u8>,
    reference: Vec<u8>,
    /// For blocks of other slots: empty until a release with hints comes.
    index: Vec<u64>,
    hints: Vec<u8>,
    scratch: Vec<u8>,
    room: Box<Room<'b>>,
    /// The store of the board's boot loader, if that chooses by itself.
    pub store: Option<Store>,
}

impl<'b> Updater<'b> {
    /// An updater that runs from slot `booted`.
    #[must_use]
    pub fn new(board: &'b Board, booted: Option<SlotId>) -> Self {
        let (data, scratch) = (vec![0; board.model.buffer], vec![0; board.model.scratch]);
        let (carried, reference, index, hints) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { board, booted, data, carried, reference, index, hints, scratch, room: Box::default(), store: None }
    }

    /// Does one act.
    ///
    /// # Errors
    /// The act's.
    pub fn perform<D: BlockIo>(&mut self, disk: &mut D, act: Act) -> Result<Ending, Failure<D>> {
        match act {
            Act::Provision(release) => self.provision(disk, release),
            Act::Install(release) => self.install(disk, release, Request::default()),
            Act::InstallOnly(release) => {
                self.install(disk, release, Request { then: Then::Stage, ..Request::default() })
            }
            Act::InstallAsking(release) => {
                self.install(disk, release, Request { confirm_within: Some(WITHIN), ..Request::default() })
            }
            Act::Activate => self.on(disk, |device, room, work| device.activate(None, room, work, &mut Silent)),
            Act::Boot => self.boot(disk, None),
            Act::BootWithout(slot) => self.boot(disk, Some(slot_id(slot))),
            Act::Choose => {
                let next = self.with(disk, |device, room, _| device.choose(room, &mut Silent))?;
                Ok(self.boots(next.boot.map(|boot| boot.candidate.slot)))
            }
            Act::ChooseByBits => {
                let (guard, specs) = (self.rules().guard, self.board.specs);
                let chosen = device::choose_and_spend(disk, specs, guard, &mut self.scratch)?;
                Ok(self.boots(chosen.attempt.map(|attempt| attempt.token.slot())))
            }
            Act::MarkGood => {
                let Some(slot) = self.booted else { return Ok(Ending::NothingToDo) };
                self.on(disk, |device, room, _| device.mark_good(slot, Claim::Booted, room, &mut Silent))
            }
            Act::MarkBad(slot) => {
                let note = note(Reason::MARKED_BAD, "it restarts");
                self.on(disk, |device, room, _| device.mark_bad(slot_id(slot), &note, room, &mut Silent))
            }
            Act::FailTrial(slot) => {
                let (specs, scratch) = (self.board.specs, &mut self.scratch);
                device::mark_bad_by_bits(disk, specs, slot_id(slot), scratch).map(|outcome| ending(&outcome))
            }
            Act::Cancel(slot) => self.on(disk, |device, room, _| device.cancel(Some(slot_id(slot)), room, &mut Silent)),
            Act::Explain(slot) => self.explain(disk, slot_id(slot)),
            Act::Withdraw(slot) => self.on(disk, |device, room, _| device.withdraw(slot_id(slot), room, &mut Silent)),
            Act::Rollback(slot) => self.on(disk, |device, room, _| {
                device.rollback(Some(slot_id(slot)), room, &mut Silent).map(|(_, outcome)| outcome)
            }),
            Act::Repair => self.repair(disk),
        }
    }

    fn rules(&self) -> Rules<'b> {
        let view = View {
            compatible: COMPATIBLE,
            specs: self.board.specs,
            anchors: &self.board.anchors,
            booted: self.booted,
            compression: Compression::Delta,
        };
        let tries = |tries| TriesLeft::new(tries).unwrap_or(TriesLeft::MAX);
        let guard = Guard::new(tries(self.board.tries.guard));
        Rules { view, tries: tries(self.board.tries.trial), guard, backup: OnGrown::Moves }
    }

    /// Lends the device and its memory to one act.
    fn with<D: BlockIo, T>(
        &mut self,
        disk: &mut D,
        act: impl FnOnce(&mut Device<'_, 'b, D>, &mut Room<'b>, &mut Work<'_, SoftHasher, NoDecompressor>) -> T,
    ) -> T {
        let rules = self.rules();
        let Self { data, carried, reference, index, hints, scratch, room, store, .. } = self;
        let (hasher, decompressor) = (&mut SoftHasher, &mut NoDecompressor);
        let mut work = Work { data, carried, reference, reuse: Memory { index, hints }, hasher, decompressor };
        let loader: Option<&mut dyn Loader<D>> = match store {
            Some(store) => Some(store),
            None => None,
        };
        act(&mut Device::new(disk, rules, scratch).with_loader(loader), room, &mut work)
    }

    /// One act that ends with a commit.
    fn on<D: BlockIo>(
        &mut self,
        disk: &mut D,
        act: impl FnOnce(
            &mut Device<'_, 'b, D>,
            &mut Room<'b>,
            &mut Work<'_, SoftHasher, NoDecompressor>,
        ) -> Result<Outcome, Failure<D>>,
    ) -> Result<Ending, Failure<D>> {
        self.with(disk, act).map(|outcome| ending(&outcome))
    }

    /// Table, slots, and what the trailers say.
    ///
    /// # Errors
    /// [`Device::inspect`]'s.
    pub fn inspect<D: BlockIo>(&mut self, disk: &mut D) -> Result<Inspection<'b>, Failure<D>> {
        self.with(disk, |device, room, _| device.inspect(room))
    }

    fn provision<D: BlockIo>(&mut self, disk: &mut D, release: usize) -> Result<Ending, Failure<D>> {
        let table = &self.board.table;
        let (mbr, entries) = (table.protective_mbr(), table.array());
        let fresh = FreshTable {
            protective_mbr: mbr.first_chunk().ok_or(Error::Interrupted)?,
            disk_guid: Guid::new(table.disk_guid.as_slice().try_into().unwrap_or_default()),
            first_usable: Lba::new(table.first_usable),
            last_usable: Lba::new(table.last_usable),
            entries: &entries,
        };
        let release = &self.board.releases[release];
        let (verified, mut source) = (release.verified.clone(), release.payloads);
        self.on(disk, |device, room, work| device.provision(&fresh, (verified, &mut source), room, work, &mut Silent))
    }

    fn install<D: BlockIo>(&mut self, disk: &mut D, release: usize, request: Request) -> Result<Ending, Failure<D>> {
        let mut source = self.board.releases[release].bundle;
        if release == DELTA {
            self.carried.resize(CHUNK_BYTES, 0);
            self.reference.resize(MEMORY_BYTES, 0);
        }
        if release == HINTED {
            self.carried.resize(CHUNK_BYTES, 0);
            self.index.resize(1024, 0);
            self.hints.resize(GROUP_BYTES, 0);
        }
        let installed =
            self.with(disk, |device, room, work| device.install(&mut source, &request, room, work, &mut Silent))?;
        Ok(if matches!(installed.ending, Installation::HeldAlready(_)) { Ending::NothingToDo } else { Ending::Done })
    }

    /// Makes the slot bits and the store of the boot loader say the same, as `status` does. Whether the store had to be written.
    ///
    /// # Errors
    /// [`Device::reconcile`]'s.
    pub fn reconcile<D: BlockIo>(&mut self, disk: &mut D) -> Result<Put, Failure<D>> {
        self.with(disk, |device, _, _| device.reconcile(&mut Silent))
    }

    /// The hook's boot of the slot that a boot loader has chosen.
    ///
    /// # Errors
    /// The act's.
    pub fn boot_named<D: BlockIo>(&mut self, disk: &mut D, slot: SlotId) -> Result<Ending, Failure<D>> {
        let rules = BootRules { named: Some(slot), insists: true, ..BootRules::default() };
        let mut starter = YesOrNo { refuses: None, cannot: None };
        let booted = self.with(disk, |device, room, work| device.boot(&rules, room, work, &mut starter))?;
        Ok(self.boots(booted.map(|booted| booted.step.slot())))
    }

    /// The hook's boot, with a yes or a no in place of the mount.
    fn boot<D: BlockIo>(&mut self, disk: &mut D, refuses: Option<SlotId>) -> Result<Ending, Failure<D>> {
        self.boot_with(disk, YesOrNo { refuses, cannot: None })
    }

    /// A boot in which this slot cannot start, which is known before its try is spent.
    ///
    /// # Errors
    /// The act's.
    pub fn boot_beside<D: BlockIo>(&mut self, disk: &mut D, cannot: SlotId) -> Result<Ending, Failure<D>> {
        self.boot_with(disk, YesOrNo { refuses: None, cannot: Some(cannot) })
    }

    fn boot_with<D: BlockIo>(&mut self, disk: &mut D, mut starter: YesOrNo) -> Result<Ending, Failure<D>> {
        let rules = BootRules::default();
        let booted = self.with(disk, |device, room, work| device.boot(&rules, room, work, &mut starter))?;
        Ok(self.boots(booted.map(|booted| booted.step.slot())))
    }

    fn boots(&mut self, slot: Option<SlotId>) -> Ending {
        self.booted = slot.or(self.booted);
        Ending::Boots(slot)
    }

    fn explain<D: BlockIo>(&mut self, disk: &mut D, slot: SlotId) -> Result<Ending, Failure<D>> {
        let note = note(Reason::HEALTH_CHECK, "20-app: failed");
        match self.with(disk, |device, room, _| device.explain(slot, &note, room)) {
            Err(Error::Rejected(_)) => Ok(Ending::NothingToDo),
            other => other.map(|()| Ending::Done),
        }
    }

    /// Seconds that a slot asks a person to confirm it within.
    ///
    /// # Errors
    /// Those of [`Device::inspect`].
    pub fn asked<D: BlockIo>(&mut self, disk: &mut D, slot: SlotId) -> Result<Option<u32>, Failure<D>> {
        let inspection = self.inspect(disk)?;
        let Some(installed) = &inspection.facts.slot(slot)?.installed else { return Ok(None) };
        Ok(confirmation::asked(disk, inspection.slots.get(slot)?, installed.digest, &mut [0; 4096]))
    }

    fn repair<D: BlockIo>(&mut self, disk: &mut D) -> Result<Ending, Failure<D>> {
        let repaired = self.with(disk, |device, _, _| device.repair(Relocate::Yes))?;
        let moved = matches!(repaired.backup, BackupPlace::MovedFrom(_));
        Ok(if repaired.repaired.is_some() || moved { Ending::Done } else { Ending::NothingToDo })
    }

    /// Puts a release into a slot that has no bits.
    ///
    /// # Errors
    /// The act's.
    pub fn fill<D: BlockIo>(&mut self, disk: &mut D, slot: usize, release: usize) -> Result<(), Failure<D>> {
        let wishes = Wishes { slot: Some(slot_id(slot)), ..Wishes::default() };
        self.install(disk, release, Request { wishes, then: Then::Stage, ..Request::default() }).map(|_| ())
    }

    /// Release and slot of every slot that holds one, and the state of it.
    ///
    /// # Errors
    /// [`Device::inspect`]'s.
    pub fn states<D: BlockIo>(&mut self, disk: &mut D) -> Result<Vec<(SlotState, Option<usize>)>, Failure<D>> {
        let inspection = self.inspect(disk)?;
        let release = |digest| self.board.releases.iter().position(|release| release.verified.digest() == digest);
        let state = |slot: &policy::SlotFacts| {
            (slot.state, slot.installed.as_ref().and_then(|installed| release(installed.digest)))
        };
        Ok(inspection.facts.slots.iter().map(state).collect())
    }
}

/// A machine on which every slot starts but one.
struct YesOrNo {
    refuses: Option<SlotId>,
    cannot: Option<SlotId>,
}

impl Observer for YesOrNo {
    fn progress(&mut self, _: Progress) -> Flow {
        Flow::Continue
    }
}

impl Listener for YesOrNo {}

impl<D: BlockIo> Starter<D> for YesOrNo {
    type Started = ();

    fn may_start(&mut self, _: &mut D, slot: &Slot<'_>) -> Result<(), Setback> {
        if self.cannot == Some(slot.id) { Err(Setback::new(Reason::KERNEL, "no")) } else { Ok(()) }
    }

    fn start(&mut self, _: &mut D, sound: &Sound<'_>) -> Result<Start<()>, Setback> {
        if self.refuses == Some(sound.slot.id) {
            return Err(Setback::new(Reason::MOUNT, "no"));
        }
        Ok(Start::System(()))
    }
}

fn note(reason: Reason, detail: &str) -> Note {
    Note { reason, detail: Detail::new(detail), at: UnixSeconds::UNKNOWN }
}

fn ending(outcome: &Outcome) -> Ending {
    match outcome.effect {
        Effect::Unchanged => Ending::NothingToDo,
        Effect::Written => Ending::Done,
    }
}
