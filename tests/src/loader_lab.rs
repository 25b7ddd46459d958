//! The laboratory of boot loaders that choose by themselves: an act, and the store that follows it, cut at every write.
//!
//! ```text
//!  act: bits, store, bits, store ..  recorded ──► every crash image ──► the loader is powered on: it starts a slot,
//!                                                                       whole, that the store meant before or means after the act
//!         some of them ──► status (store and bits agree) ──► the act again: reached
//!         some of them ──► boots that nobody confirms: the good slot runs after at most one boot more than there are tries
//!  act, killed ─ its writes in the cache ─ act again, or status ──► every crash image since the first one's last flush
//! ```

use libupdate::loader::Put;
use libupdate::slot::SlotState;
use libupdate::{Digest, SlotId};

use crate::acts::{Act, Ending, Updater};
use crate::board::{Board, slot_id};
use crate::chance::Chance;
use crate::crash::{Effort, Grain, Tears, Window, windows};
use crate::loader_store::{Kind, Store};
use crate::medium::Medium;
use crate::rules::Bits;
use crate::scenario::Stage;
use crate::seen::Met;
use crate::sim_disk::{Event, Faults, SimDisk};
use crate::verdict::Judge;

/// What is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doing {
    /// An act of the updater, with the store after it.
    Act(Act),
    /// The loader is powered on, the hook boots what it starts, and `status` is asked.
    PowerOn,
    /// `status`.
    Status,
}

/// A disk and what is done to it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name in messages.
    pub name: &'static str,
    start: Medium,
    booted: usize,
    doing: Doing,
    /// Release that runs in the end.
    reaches: usize,
}

/// What was counted.
#[derive(Clone, Copy, Default, Debug)]
pub struct Count {
    /// Distinct crash images.
    pub images: usize,
    /// Of them, those from which the act was done again.
    pub again: usize,
    /// Of them, those that were booted until the good slot ran.
    pub lives: usize,
}

/// A board with a loader.
#[derive(Debug)]
pub struct LoaderLab<'b> {
    board: &'b Board,
    judge: Judge<'b>,
    store: Store,
    chance: Chance,
    /// One in so many images is recovered from.
    every: usize,
}

/// Boots that a trial may take before the good slot runs: its tries, and one that a cut gave back.
const MOST_TRIALS: usize = 7;
/// Boots of a life.
const LIFE: usize = 24;

impl<'b> LoaderLab<'b> {
    /// A laboratory for a board and a kind of loader. One in `every` crash images is recovered from.
    #[must_use]
    pub fn new(board: &'b Board, store: Store, every: usize) -> Self {
        Self { board, judge: Judge::new(board), store, chance: Chance::new(13), every }
    }

    fn updater(&self, booted: usize) -> Updater<'b> {
        let mut updater = Updater::new(self.board, Some(slot_id(booted)));
        updater.store = Some(self.store.clone());
        updater
    }

    /// A disk with these bits and releases in slots a and b, and a store that says the same.
    fn disk(&self, stage: &Stage<'_>, a: (Bits, Option<usize>), b: (Bits, Option<usize>)) -> SimDisk {
        let mut disk = SimDisk::new(stage.disk(&[a, b]));
        self.store.make(&mut disk).expect("a sound disk");
        let put = self.updater(0).reconcile(&mut disk).expect("a sound disk");
        assert_eq!(put, Put::Written);
        disk
    }

    /// Every case of the board.
    #[must_use]
    pub fn cases(&self) -> Vec<Case> {
        let stage = Stage::new(self.board);
        let good = (Bits(4, 3, 1), Some(1));
        let of = |name, disk: SimDisk, booted, doing, reaches| Case {
            name,
            start: disk.content().flattened(),
            booted,
            doing,
            reaches,
        };
        let plain = |name, b, booted, doing, reaches| of(name, self.disk(&stage, good, b), booted, doing, reaches);
        let trial = (Bits(5, 6, 0), Some(2));
        let older = (Bits(1, 3, 1), Some(0));
        let mut cases = vec![
            plain("install, fresh", (Bits(0, 0, 0), None), 0, Doing::Act(Act::Install(2)), 2),
            plain("install over older", older, 0, Doing::Act(Act::Install(2)), 2),
            plain("install over a trial", (Bits(5, 6, 0), Some(0)), 0, Doing::Act(Act::Install(2)), 2),
            plain("activate", (Bits(0, 2, 0), Some(2)), 0, Doing::Act(Act::Activate), 2),
            plain("power on", trial, 0, Doing::PowerOn, 2),
            plain("mark good", trial, 1, Doing::Act(Act::MarkGood), 2),
            plain("mark bad", trial, 0, Doing::Act(Act::MarkBad(1)), 1),
            plain("cancel", trial, 0, Doing::Act(Act::Cancel(1)), 1),
            plain("roll back", older, 0, Doing::Act(Act::Rollback(1)), 0),
        ];
        // The trial used its tries up, the good slot runs, and the bits do not know it yet.
        let mut fallen = self.disk(&stage, good, trial);
        let boots = if self.store.is(Kind::Counts) {
            (LIFE, Asked::Never)
        } else {
            (2 * MOST_TRIALS - 5, Asked::InTheGoodSlot)
        };
        self.live(&mut fallen, boots.0, boots.1);
        assert_eq!(self.live(&mut fallen, 1, Asked::Never), [slot_id(0)]);
        cases.push(of("status after a fallback", fallen.clone(), 0, Doing::Status, 1));
        cases.push(of("install after a fallback", fallen, 0, Doing::Act(Act::Install(3)), 3));
        cases
    }

    /// Does what the case does.
    fn perform(&self, disk: &mut SimDisk, case: &Case) -> Result<(), String> {
        let text = |error: libupdate::Error<_>| error.to_string();
        let mut updater = self.updater(case.booted);
        match case.doing {
            Doing::Act(act) => updater.perform(disk, act).map(drop).map_err(text),
            Doing::Status => updater.reconcile(disk).map(drop).map_err(text),
            Doing::PowerOn => self.boot(disk).map(drop),
        }
    }

    /// Cuts a case.
    ///
    /// # Errors
    /// What went wrong, for a person.
    pub fn cut(&mut self, case: &Case) -> Result<Count, String> {
        let mut disk = SimDisk::new(case.start.clone());
        self.perform(&mut disk, case)?;
        self.store_waits_for_the_bits(disk.log())?;
        let effort = self.effort();
        let (mut met, mut fresh) = (Met::default(), Vec::new());
        for window in &mut windows(&case.start, disk.log()) {
            let means = [self.starts(window.durable())?, self.starts(&window.end())?];
            window.cuts(effort, &mut self.chance, &mut |cut| {
                if met.insert(cut.identity().folded()) {
                    fresh.push((cut.medium(), means, cut.story()));
                }
            });
        }
        let mut count = Count { images: fresh.len(), ..Count::default() };
        for (number, (image, means, story)) in fresh.iter().enumerate() {
            let wrong = |why: String| format!("{}: {story}: {why}", case.name);
            let found = self.starts(image).map_err(wrong)?;
            if !means.contains(&found) {
                return Err(wrong(format!("starts {found}, which is neither old nor new")));
            }
            if number % self.every == 0 {
                self.again(image, case).map_err(wrong)?;
                count.again += 1;
                self.falls_back(image).map_err(wrong)?;
                count.lives += 1;
            }
        }
        Ok(count)
    }

    /// Does the case on a disk of which one write fails, then again on a sound one.
    ///
    /// # Errors
    /// What went wrong, for a person.
    pub fn fail(&mut self, case: &Case) -> Result<usize, String> {
        for number in 0.. {
            let mut disk = SimDisk::failing(case.start.clone(), Faults { write: Some(number), ..Faults::default() });
            if self.perform(&mut disk, case).is_ok() && disk.accesses().writes <= number {
                return Ok(number);
            }
            let wrong = |why: String| format!("{}: write {number} fails: {why}", case.name);
            let image = disk.content();
            self.starts(&image).map_err(wrong)?;
            self.again(&image, case).map_err(wrong)?;
        }
        Ok(0)
    }

    /// Kills a case's act at some of its accesses, with what it wrote still in the drive's cache, does the case again or asks `status` in the
    /// same boot, and cuts all from the first act's last flush on.
    ///
    /// # Errors
    /// What went wrong, for a person.
    pub fn across(&mut self, case: &Case) -> Result<usize, String> {
        let Doing::Act(act) = case.doing else { return Ok(0) };
        let mut met = Met::default();
        let mut images = 0;
        for killed in (1..).step_by(2) {
            let faults = Faults { killed: Some(killed), ..Faults::default() };
            let mut first = SimDisk::failing(case.start.clone(), faults);
            if self.perform(&mut first, case).is_ok() {
                break;
            }
            let flushed = first.log().iter().filter(|event| matches!(event, Event::Flush)).count();
            for doing in [Doing::Act(act), Doing::Status] {
                let mut disk = first.clone().handed_over(Faults::default());
                let told = format!("{}: killed after {killed}, then {doing:?}", case.name);
                // What was done already may be refused now; it is cut all the same.
                let done = self.perform(&mut disk, &Case { doing, ..case.clone() });
                let mut all = windows(&case.start, disk.log());
                if done.is_ok() && all.last().is_some_and(|window| window.sectors() > 0) {
                    return Err(format!("{told}: it says that it is done, and something is not flushed"));
                }
                for window in all.iter_mut().skip(flushed) {
                    images += self.judge(window, &mut met).map_err(|why| format!("{told}: {why}"))?;
                }
            }
        }
        Ok(images)
    }

    /// Each image of a window starts what was started before it, or is after it. Gives how many were not met before.
    fn judge(&mut self, window: &mut Window, met: &mut Met) -> Result<usize, String> {
        let means = [self.starts(window.durable())?, self.starts(&window.end())?];
        let mut fresh = Vec::new();
        let effort = Effort { samples: 2, ..self.effort() };
        window.cuts(effort, &mut self.chance, &mut |cut| {
            if met.insert(cut.identity().folded()) {
                fresh.push((cut.medium(), cut.story()));
            }
        });
        for (image, story) in &fresh {
            let found = self.starts(image).map_err(|why| format!("{story}: {why}"))?;
            if !means.contains(&found) {
                return Err(format!("{story}: starts {found}, which is neither old nor new"));
            }
        }
        Ok(fresh.len())
    }

    /// How many states a window shows. The firmware writes a variable whole: a flag is not torn.
    fn effort(&self) -> Effort {
        let tears = if self.store.is(Kind::Flag) { Tears::Never } else { Tears::Lost };
        Effort { samples: 12, tears, grain: Grain::Coarse }
    }

    /// The store is written only when everything before is durable.
    fn store_waits_for_the_bits(&self, log: &[Event]) -> Result<(), String> {
        let sectors: Vec<u64> = self.store.sectors(self.board.model.block_size.bytes()).collect();
        let is_store = |event: &Event| matches!(event, Event::Write(first, _) if sectors.contains(first));
        let early = log.windows(2).any(|pair| is_store(&pair[1]) && !matches!(pair[0], Event::Flush));
        if early { Err("the store is written before the bits are durable".to_owned()) } else { Ok(()) }
    }

    /// What the loader starts from this disk, if every block of it is right.
    fn starts(&mut self, image: &Medium) -> Result<Digest, String> {
        let mut disk = SimDisk::new(image.clone());
        let slot = self.store.power_on(&mut disk).map_err(|error| error.to_string())?.ok_or("nothing starts")?;
        // The judge learns the places of slots from the table.
        self.judge.sight(image.identity(), &|| image.clone()).table.ok_or("there is no table")?;
        let held = self.judge.holds(slot.index(), image.identity(), &|| image.clone());
        held.ok_or_else(|| format!("slot {slot} starts, and is not whole"))
    }

    /// After a cut: the power comes, `status` is asked, the act is done again.
    fn again(&mut self, image: &Medium, case: &Case) -> Result<(), String> {
        let text = |error: libupdate::Error<_>| error.to_string();
        let mut disk = SimDisk::new(image.clone());
        let (slot, mut updater) = self.boot(&mut disk)?;
        if updater.reconcile(&mut disk).map_err(text)? != Put::Unchanged {
            return Err("the store does not say what the bits say, after it was made to".to_owned());
        }
        let (state, runs) = updater.states(&mut disk).map_err(text)?[slot.index()];
        let (acts, reaches) = match case.doing {
            Doing::Act(Act::Cancel(cancelled)) if cancelled == slot.index() => (vec![Act::MarkGood], runs),
            _ if runs == Some(case.reaches) => (vec![Act::MarkGood], runs),
            Doing::Act(act @ Act::Install(_)) if state == SlotState::Trial => {
                (vec![Act::MarkGood, act], Some(case.reaches))
            }
            Doing::Act(act) => (vec![act], Some(case.reaches)),
            Doing::PowerOn | Doing::Status => return Ok(()),
        };
        for act in &acts {
            updater.perform(&mut disk, *act).map_err(text)?;
        }
        if !self.store.keeps_the_rest(&mut disk) {
            return Err("what else the store holds is gone".to_owned());
        }
        let reached = self.starts(&disk.content())?;
        let wanted = reaches.map(|release| self.board.releases[release].verified.digest());
        if Some(reached) == wanted { Ok(()) } else { Err(format!("{acts:?}, and {reached} starts, not {wanted:?}")) }
    }

    /// The power comes, the loader starts a slot, the hook boots it, `status` is asked.
    fn boot(&self, disk: &mut SimDisk) -> Result<(SlotId, Updater<'b>), String> {
        let slot = self.store.power_on(disk).map_err(|error| error.to_string())?.ok_or("nothing starts")?;
        let mut updater = self.updater(slot.index());
        let slot = start(&mut updater, disk, slot)?;
        updater.reconcile(disk).map_err(|error| error.to_string())?;
        Ok((slot, updater))
    }

    /// Boots that nobody confirms: the good slot runs in the end.
    fn falls_back(&self, image: &Medium) -> Result<(), String> {
        for asked in [Asked::Always, Asked::InTheGoodSlot] {
            let mut disk = SimDisk::new(image.clone());
            let mut updater = Updater::new(self.board, None);
            let states = updater.states(&mut disk).map_err(|error| error.to_string())?;
            let on_trial = |slot: &SlotId| states[slot.index()].0 == SlotState::Trial;
            let ran = self.live(&mut disk, LIFE, asked);
            let trials = ran.iter().filter(|slot| on_trial(slot)).count();
            let ended = ran.len() == LIFE && !ran.last().is_some_and(on_trial);
            if trials > MOST_TRIALS || !ended {
                return Err(format!("boots that nobody confirms: {ran:?}"));
            }
        }
        Ok(())
    }

    /// The slots that run, boot after boot, without anybody marking one good.
    fn live(&self, disk: &mut SimDisk, boots: usize, asked: Asked) -> Vec<SlotId> {
        let mut ran = Vec::new();
        for _ in 0..boots {
            let Ok(Some(slot)) = self.store.power_on(disk) else { break };
            let mut updater = self.updater(slot.index());
            let Ok(slot) = start(&mut updater, disk, slot) else { break };
            let status = match asked {
                Asked::Always => true,
                Asked::InTheGoodSlot => slot == slot_id(0),
                Asked::Never => false,
            };
            if status && updater.reconcile(disk).is_err() {
                break;
            }
            ran.push(slot);
        }
        ran
    }
}

/// In which boots of a life `status` is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    Always,
    InTheGoodSlot,
    Never,
}

/// The hook's part of a boot: the slot that starts, which is another one if the named one is out of the boot order.
fn start(updater: &mut Updater<'_>, disk: &mut SimDisk, slot: SlotId) -> Result<SlotId, String> {
    match updater.boot_named(disk, slot).map_err(|error| error.to_string())? {
        Ending::Boots(Some(slot)) => Ok(slot),
        other => Err(format!("slot {slot} does not start: {other:?}")),
    }
}
