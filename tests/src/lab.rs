//! The laboratory: an act, cut at every write; the recovery from what is found then, cut at every write; and that recovery again.
//!
//! ```text
//!  level 0   the act, recorded ──► every crash image ──► verdict
//!  level 1                    some of them ──► boot, act again, recorded ──► every crash image ──► verdict
//!  level 2                                                              some of them ──► once more
//! ```
//! What else is held, once for each log: every commit is a [`Step`] that the rules allow (tries change by one, only those of the slot
//! that boots); nothing is written outside the table and the slots; when an act says that it is done, everything is durable; a
//! recovery reaches what the act was for, with both copies of the table valid; the installation after that needs no manual step.

use libupdate::Digest;

use crate::acts::{Act, Ending, Updater, WITHIN};
use crate::board::{Board, slot_id};
use crate::chance::Chance;
use crate::crash::{Cut, Effort, Grain, Tears, Window, windows};
use crate::medium::Medium;
use crate::rules::Step;
use crate::scenario::Scenario;
use crate::seen::{Met, Seen};
use crate::sim_disk::{Event, Faults, Flushes, SimDisk};
use crate::tally::Tally;
use crate::verdict::{Judge, Mixed, Sight, Verdict, provision_verdict, verdict};

pub mod across;
mod chain;
mod recovery;

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// States of one window.
    pub effort: Effort,
    /// Crash images that a recovery starts from: of the act, of each recovery, of each recovery of that.
    pub recoveries: [usize; 3],
    /// One in so many recoveries is followed by the next installation.
    pub next_install: usize,
}

/// The laboratory for one board.
#[derive(Debug)]
pub struct Lab<'b> {
    board: &'b Board,
    judge: Judge<'b>,
    /// Images of all boards and scenarios, and of this scenario.
    seen: &'b Seen,
    met: Met,
    scale: Scale,
    chance: Chance,
    recovered: usize,
    /// What a disk that is being provisioned may mean, if something boots: what it meant before, and what it is to mean.
    complete: Option<[Sight; 2]>,
    /// The bundle whose trial a person confirms: it boots nowhere without the question.
    asking: Option<Digest>,
    /// What the scenario's disk does to the sector that it was writing.
    tears: Tears,
    /// What other readers found.
    sights: across::Sights,
}

impl<'b> Lab<'b> {
    /// A laboratory that notes every crash image in `seen`.
    #[must_use]
    pub fn new(board: &'b Board, seen: &'b Seen, scale: Scale, chance: &Chance) -> Self {
        let (judge, chance) = (Judge::new(board), chance.named(board.model.name));
        let (met, tears) = (Met::default(), scale.effort.tears);
        Self {
            board,
            judge,
            seen,
            met,
            scale,
            chance,
            recovered: 0,
            complete: None,
            asking: None,
            tears,
            sights: across::Sights::default(),
        }
    }

    /// Runs one scenario through all levels.
    pub fn run(&mut self, scenario: &Scenario) -> Tally {
        let mut tally = Tally::default();
        let (ending, disk) = self.begin(scenario, Faults::default());
        if !matches!(ending, Ok(Ending::Done | Ending::Boots(_))) {
            tally.stuck(format!("{}: the act itself: {ending:?}", scenario.name));
        }
        let end = disk.content();
        let provision = matches!(scenario.act, Act::Provision(_));
        self.complete = provision.then(|| [self.look(&scenario.start), self.look(&end)]);
        self.asking = match scenario.act {
            Act::InstallAsking(release) => Some(self.board.releases[release].verified.digest()),
            _ => None,
        };
        let log = disk.into_log();
        let steps = self.chain(&scenario.start, &log, scenario.act, &mut tally);
        if steps != scenario.steps {
            tally.mixed(format!("{}: {steps:?} instead of {:?}", scenario.name, scenario.steps));
        }
        tally.log(&log);
        for image in self.cut_all(&scenario.start, &log, 0, &mut tally) {
            self.recover(&image, scenario.act, 1, &mut tally);
        }
        tally
    }

    /// Runs one scenario on a disk that fails, and recovers on one that does not: from what a read sees then, and from what is left
    /// where the power goes as well.
    pub fn fail(&mut self, scenario: &Scenario, faults: Faults) -> Tally {
        let mut tally = Tally { runs: 1, ..Tally::default() };
        let text = format!("{}, {faults:?}", scenario.name);
        let (ending, disk) = self.begin(scenario, faults);
        let (end, log) = (disk.content(), disk.into_log());
        let retried = log.iter().rev().take_while(|event| !matches!(event, Event::FailedFlush)).count();
        if retried > 0 && retried < log.len() && !scenario.act.is_boot() {
            tally.mixed(format!("{text}: something is written after a flush has failed"));
        }
        let mut images = vec![end];
        if ending.is_err() {
            self.complete = None;
            let provision = matches!(scenario.act, Act::Provision(_));
            let from = log.iter().rposition(|event| matches!(event, Event::Flush)).map_or(0, |at| at + 1);
            let durable =
                windows(&scenario.start, &log).pop().map_or(scenario.start.clone(), |it| it.durable().clone());
            if !provision {
                images.append(&mut self.cut_all(&durable, &log[from..], 0, &mut tally));
            }
        }
        for image in images {
            self.recover(&image, scenario.act, 3, &mut tally);
        }
        tally
    }

    /// Shows every crash image of a scenario on a drive whose flushes do nothing. There is no promise for it.
    pub fn lie(&mut self, scenario: &Scenario) -> Tally {
        let (_, disk) = self.begin(scenario, Faults { flushes: Flushes::Lies, ..Faults::default() });
        self.only_cut(&scenario.start, disk.log())
    }

    /// Shows every crash image of a scenario on a drive that takes no write to the backup. A boot goes on, and all that is promised of it is that
    /// the disk boots again; every other act ends before it changes anything.
    pub fn without_backup(&mut self, scenario: &Scenario) -> Tally {
        let table = &self.board.table;
        let faults = Faults { unwritable: Some(table.backup_entries..table.blocks), ..Faults::default() };
        let (ending, disk) = self.begin(scenario, faults);
        let same = self.look(&disk.content()) == self.look(&scenario.start);
        let mut tally = self.only_cut(&scenario.start, disk.log());
        if ending.is_ok() != scenario.act.is_boot() || ending.is_err() && !same {
            tally.stuck(format!("{} without a backup: {ending:?}", scenario.name));
        }
        tally
    }

    /// Shows every crash image of a log; nothing is recovered.
    pub fn only_cut(&mut self, start: &Medium, log: &[Event]) -> Tally {
        let mut tally = Tally::default();
        tally.log(log);
        (self.met, self.complete) = (Met::default(), None);
        let recoveries = std::mem::take(&mut self.scale.recoveries);
        self.cut_all(start, log, 0, &mut tally);
        self.scale.recoveries = recoveries;
        tally
    }

    /// Does a scenario's act.
    fn begin(&mut self, scenario: &Scenario, faults: Faults) -> (Result<Ending, String>, SimDisk) {
        self.met = Met::default();
        self.tears = self.scale.effort.tears.min(scenario.tears);
        let mut disk = SimDisk::failing(scenario.start.clone(), faults);
        let mut updater = Updater::new(self.board, scenario.booted.map(slot_id));
        let ending = updater.perform(&mut disk, scenario.act).map_err(|error| error.to_string());
        (ending, disk)
    }

    /// Judges every crash image of a log, and returns some for recoveries.
    fn cut_all(&mut self, start: &Medium, log: &[Event], level: usize, tally: &mut Tally) -> Vec<Medium> {
        let mut windows = windows(start, log);
        let wanted = self.scale.recoveries.get(level).copied().unwrap_or(0);
        let busy = windows.iter().filter(|window| window.sectors() > 0).count().max(1);
        let sides = [self.look(start), self.look(&windows.last().map_or(start.clone(), Window::end))];
        let mut kept = Vec::new();
        for window in &mut windows {
            let mut sample = Sample::new(wanted.div_ceil(busy), self.chance.split());
            self.cut_window(window, level, &sides, (&mut sample, tally));
            kept.append(&mut sample.kept);
        }
        while kept.len() > wanted {
            kept.swap_remove(self.chance.below(kept.len()));
        }
        kept
    }

    fn cut_window(
        &mut self,
        window: &mut Window,
        level: usize,
        act: &[Sight; 2],
        (sample, tally): (&mut Sample, &mut Tally),
    ) {
        let (before, after) = (self.look(window.durable()), self.look(&window.end()));
        let grain = if level == 0 { self.scale.effort.grain } else { Grain::Coarse };
        let effort = Effort { tears: self.tears, grain, ..self.scale.effort };
        let mut chance = self.chance.split();
        let Self { seen, met, judge, complete, asking, board, .. } = self;
        window.cuts(effort, &mut chance, &mut |cut| {
            let found = judge.sight(cut.identity(), &|| cut.medium());
            let story = || format!("level {level}: {}; {before} -> {after}; found {found}", cut.story());
            seen.insert(cut.identity().folded());
            let fresh = met.insert(cut.identity().folded());
            let ruling = match complete {
                Some(complete) => provision_verdict(&found, complete),
                None => verdict(&found, &before, &after),
            };
            let asks = |(slot, digest)| *asking != Some(digest) || !fresh || is_asked(board, cut, slot);
            let ruling = if found.boots.is_none_or(asks) { ruling } else { Verdict::Mixed(Mixed::Unasked) };
            match ruling {
                Verdict::Old | Verdict::New => {
                    tally.sound(level, fresh, act.each_ref().map(|side| found.table == side.table));
                }
                Verdict::Unbootable => tally.unbootable(story),
                Verdict::Mixed(why) => tally.mixed(format!("{why:?}, {}", story())),
            }
            if fresh {
                sample.offer(cut);
            }
        });
    }

    fn look(&mut self, medium: &Medium) -> Sight {
        self.judge.sight(medium.identity(), &|| medium.clone())
    }
}

/// Whether a slot that boots asks a person to confirm its trial.
fn is_asked(board: &Board, cut: &Cut<'_>, slot: usize) -> bool {
    let asked = Updater::new(board, None).asked(&mut SimDisk::new(cut.medium()), slot_id(slot));
    asked.is_ok_and(|asked| asked == Some(WITHIN))
}

/// A fair choice of `room` among all images offered.
struct Sample {
    room: usize,
    offered: usize,
    kept: Vec<Medium>,
    chance: Chance,
}

impl Sample {
    const fn new(room: usize, chance: Chance) -> Self {
        Self { room, offered: 0, kept: Vec::new(), chance }
    }

    fn offer(&mut self, cut: &Cut<'_>) {
        self.offered += 1;
        if self.kept.len() < self.room {
            self.kept.push(cut.medium());
        } else if self.room > 0 {
            let place = self.chance.below(self.offered);
            if place < self.room {
                self.kept[place] = cut.medium();
            }
        }
    }
}

/// The steps that a log takes, for a test that wants no more of it.
pub fn steps_of(board: &Board, start: &Medium, log: &[Event], act: Act) -> (Vec<Step>, Tally) {
    let seen = Seen::default();
    let effort = Effort { samples: 1, tears: Tears::Never, grain: Grain::Coarse };
    let mut lab = Lab::new(board, &seen, Scale { effort, recoveries: [0; 3], next_install: 1 }, &Chance::new(0));
    let mut tally = Tally::default();
    (lab.chain(start, log, act, &mut tally), tally)
}
