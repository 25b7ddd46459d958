//! Acts one after another on one disk whose cache outlives each of them.
//!
//! ```text
//!  act 1 ── killed, or a flush fails ─┐ what it wrote is still in the cache        (kept)
//!                                     │ or the drive drops some of it              (dropped)
//!  act 2 ── killed, or ends ──────────┤
//!  act 3, or act 2 ── ends ───────────┴─► every crash image of every window since act 1's last flush ──► verdict, other readers
//! ```
//! A window that begins in one act and ends in the next is judged as any other: old or new, by the durable state before it and the one
//! after it. An act that takes the cache for empty joins its first writes to such a window, and a cut tears both copies of the table.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::{Lab, Sample};
use crate::acts::{Act, Ending, Updater};
use crate::board::slot_id;
use crate::crash::windows;
use crate::gpt_disk::bytes_of;
use crate::gpt_readers::{Reader, Seen as Rows};
use crate::medium::{Medium, Spread, Zone};
use crate::scenario::Scenario;
use crate::sim_disk::{Event, Faults, Flushes, SimDisk};
use crate::tally::Tally;

/// How an act ends early.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// After so many writes and flushes.
    Killed(usize),
    /// At this flush, counted from 0.
    FlushFails(usize),
}

/// What becomes of the drive's cache when an act ends early.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cache {
    /// It is kept: the next act reads what is in it.
    Kept,
    /// Some of it is lost, as after a flush that failed.
    Dropped,
}

/// Acts on one disk, and how each but the last ends early.
#[derive(Clone, Debug)]
pub struct Chain<'s> {
    /// The disk, and the first act.
    pub scenario: &'s Scenario,
    /// How the first act ends, and what becomes of the cache.
    pub stop: (Stop, Cache),
    /// An act between, ended early too.
    pub between: Option<(Act, Stop)>,
    /// The last act.
    pub last: Act,
    /// How each process flushes: [`Flushes::Honest`], or a wrong one to prove that this is seen.
    pub flushes: Flushes,
}

impl Stop {
    fn faults(self, flushes: Flushes) -> Faults {
        match self {
            Self::Killed(after) => Faults { killed: Some(after), flushes, ..Faults::default() },
            Self::FlushFails(number) => Faults { flush: Some(number), flushes, ..Faults::default() },
        }
    }
}

/// Readers of both copies: a table is old or new for each of them in every state of ours.
const READERS: [Reader; 3] = [Reader::Vboot, Reader::LinuxGpt, Reader::UBoot];

/// What each of [`READERS`] finds, by the identity of the table's zone.
pub(super) type Sights = HashMap<u128, Vec<Rows>, BuildHasherDefault<Spread>>;

/// The acts that may follow on any other, on a board with two slots or more.
#[must_use]
pub fn followers() -> Vec<Act> {
    let on_slots =
        [Act::MarkBad, Act::FailTrial, Act::Withdraw, Act::Rollback, Act::Explain, Act::Cancel, Act::BootWithout];
    let mut all: Vec<Act> = on_slots.iter().flat_map(|act| [act(0), act(1)]).collect();
    all.extend([Act::Boot, Act::Choose, Act::ChooseByBits, Act::MarkGood, Act::Activate, Act::Repair]);
    all.extend([Act::Install(2), Act::Install(3), Act::InstallOnly(3), Act::InstallAsking(3)]);
    all
}

impl Lab<'_> {
    /// Writes and flushes of a scenario's act where nothing ends it early.
    pub fn accesses(&self, scenario: &Scenario) -> (usize, usize) {
        let mut disk = SimDisk::new(scenario.start.clone());
        let mut updater = Updater::new(self.board, scenario.booted.map(slot_id));
        // How it ends is judged elsewhere.
        let _ended = updater.perform(&mut disk, scenario.act).is_ok();
        (disk.accesses().writes, disk.accesses().flushes)
    }

    /// Runs a chain, and judges every crash image since the first act's last flush.
    pub fn across(&mut self, chain: &Chain<'_>) -> Tally {
        let mut tally = Tally { runs: 1, ..Tally::default() };
        let scenario = chain.scenario;
        self.tears = self.scale.effort.tears.min(scenario.tears);
        (self.met, self.complete) = (super::Met::default(), None);
        let (stop, cache) = chain.stop;
        let mut updater = Updater::new(self.board, scenario.booted.map(slot_id));
        let mut disk = SimDisk::failing(scenario.start.clone(), stop.faults(chain.flushes));
        let _ended = updater.perform(&mut disk, scenario.act).is_ok();
        let (mut start, mut skip) = (scenario.start.clone(), flushes(disk.log()));
        if cache == Cache::Dropped {
            let mut all = windows(&start, disk.log());
            if let Some(window) = all.last_mut() {
                let mut chance = self.chance.split();
                start = window.any(self.tears, &mut chance).0;
            }
            (disk, skip) = (SimDisk::new(start.clone()), 0);
        }
        if let Some((act, stop)) = chain.between {
            disk = disk.handed_over(stop.faults(chain.flushes));
            let _ended = updater.perform(&mut disk, act).is_ok();
        }
        disk = disk.handed_over(Faults { flushes: chain.flushes, ..Faults::default() });
        let ending = updater.perform(&mut disk, chain.last);
        let log = disk.into_log();
        let told = format!("{}, {:?}, {:?}, then {:?}", scenario.name, chain.stop, chain.between, chain.last);
        if claims(chain.last, &ending) && unflushed(&log) {
            tally.mixed(format!("{told}: {ending:?}, and something is not flushed"));
        }
        self.judge_from(&start, &log, skip, &told, &mut tally);
        tally
    }

    fn judge_from(&mut self, start: &Medium, log: &[Event], skip: usize, told: &str, tally: &mut Tally) {
        let mut windows = windows(start, log);
        let sides = [self.look(start), self.look(&windows.last().map_or(start.clone(), super::Window::end))];
        let before = (tally.unbootable, tally.mixed);
        for window in windows.iter_mut().skip(skip) {
            let ends = [self.read_by_others(window.durable()), self.read_by_others(&window.end())];
            let mut sample = Sample::new(READ_BY_OTHERS, self.chance.split());
            self.cut_window(window, 0, &sides, (&mut sample, tally));
            for image in sample.kept {
                self.hold_readers(&image, &ends, tally);
            }
        }
        if (tally.unbootable, tally.mixed) != before {
            tally.told.push(told.to_owned());
        }
    }

    /// Holds what other readers find of a crash image against what they find before and after the window.
    fn hold_readers(&mut self, image: &Medium, ends: &[Option<Vec<Rows>>; 2], tally: &mut Tally) {
        let Some(found) = self.read_by_others(image) else { return };
        for (number, reader) in READERS.iter().enumerate() {
            let known = ends.iter().flatten().any(|end| end[number] == found[number]);
            if !known && ends.iter().all(Option::is_some) {
                tally.mixed(format!("{} finds neither the old table nor the new one", reader.name()));
            }
            tally.foreign += 1;
        }
    }

    /// What the readers find. `None` on a disk that grew, whose backup they look for elsewhere.
    fn read_by_others(&mut self, medium: &Medium) -> Option<Vec<Rows>> {
        if medium.blocks().get() != self.board.table.blocks {
            return None;
        }
        let key = medium.identity().zone(Zone::TABLE);
        if let Some(known) = self.sights.get(&key) {
            return Some(known.clone());
        }
        let bytes = bytes_of(medium);
        let found: Vec<Rows> = READERS.iter().map(|reader| reader.read(&bytes, medium.block_size())).collect();
        self.sights.insert(key, found.clone());
        Some(found)
    }
}

/// Crash images of one window that are shown to other readers.
const READ_BY_OTHERS: usize = 24;

fn flushes(log: &[Event]) -> usize {
    log.iter().filter(|event| matches!(event, Event::Flush)).count()
}

/// Whether an act says that something is so now: a boot does not, nor does one that had no slot to speak of.
const fn claims<E>(act: Act, ending: &Result<Ending, E>) -> bool {
    match (ending, act) {
        (Err(_), _)
        | (_, Act::Boot | Act::BootWithout(_) | Act::Choose | Act::ChooseByBits)
        | (Ok(Ending::NothingToDo), Act::Explain(_) | Act::MarkGood) => false,
        (Ok(_), _) => true,
    }
}

fn unflushed(log: &[Event]) -> bool {
    log.iter().rev().take_while(|event| !matches!(event, Event::Flush)).any(|event| matches!(event, Event::Write(..)))
}
