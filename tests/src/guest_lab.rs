//! The power-cut laboratory on a real guest: what its kernel wrote is cut everywhere, judged by the laboratory's verdicts, and booted.
//!
//! ```text
//!  guest ──► log of its writes ──► every crash image ──► verdict
//!                                       some of them ──► guest ──► log of its writes ──► every crash image ──► verdict
//! ```
//! The log is the device's own, behind the guest's kernel: writes as they came there, joined or split as the kernel likes. Every
//! window between two flushes is cut as in the laboratory ([`crash`](crate::crash)).

use std::num::NonZeroUsize;

use libupdate::SlotId;
use libupdate::bundle::{Anchors, PublicKey};
use libupdate::gpt::Guid;
use libupdate::slot::{Duty, PartitionSpec};

use crate::chance::Chance;
use crate::crash::{Effort, Grain, Tears, Window, windows};
use crate::guest::Machine;
use crate::guest_disk::GuestDisk;
use crate::guest_kit::{Board, COMPATIBLE, DATA_TYPE, Kit, SLOT_TYPE, TRIES};
use crate::medium::Medium;
use crate::rules::{Step, explain};
use crate::seen::Met;
use crate::sim_disk::Event;
use crate::tally::Tally;
use crate::verdict::{Judge, Sight, Terms, Verdict, verdict};
use crate::{guest_medium, write_log};

const EFFORT: Effort = Effort { samples: 64, tears: Tears::Lost, grain: Grain::Fine };
/// Draws of a state that is neither end of its window.
const DRAWS: usize = 32;

/// A run of a guest: what it said, and what it wrote.
#[derive(Debug)]
pub struct Run {
    /// What stood on the disk before.
    pub start: Medium,
    /// What was done to it.
    pub log: Vec<Event>,
    /// What the console said.
    pub said: String,
}

/// A state that a cut may leave, and how it came.
#[derive(Debug)]
pub struct Image {
    /// What stands on the disk.
    pub content: Medium,
    /// Which writes are there.
    pub story: String,
    /// Whether writes in their order never pass it: it is out of order, or torn.
    pub reordered: bool,
}

/// Runs a machine from a disk until it powers off, with a log of its writes.
///
/// # Panics
/// Where the log does not lead from what stood on the disk to what stands there now.
#[must_use]
pub fn run(machine: Machine, disk: &GuestDisk) -> Run {
    let start = disk.content();
    let said = Machine { medium: guest_medium::Medium::Logged, ..machine }.run(disk);
    let log = write_log::events(&guest_medium::log(&disk.path()));
    let end = windows(&start, &log).last().map_or(start.clone(), Window::end);
    assert!(end.identity() == disk.content().identity(), "the log has every write to the disk:\n{said}");
    Run { start, log, said }
}

/// The laboratory for the guests' board.
#[derive(Debug)]
pub struct GuestLab {
    judge: Judge<'static>,
    met: Met,
    chance: Chance,
}

impl GuestLab {
    /// One that has seen nothing, for boards whose slots have a root.
    #[must_use]
    pub fn new(chance: &Chance) -> Self {
        Self::of(&Board::default(), chance)
    }

    /// The same for a board.
    ///
    /// # Panics
    /// Where the kit's key is none.
    #[must_use]
    pub fn of(board: &Board, chance: &Chance) -> Self {
        let key = PublicKey::from_spki(&der(&Kit::shared().path("maker.pub"))).expect("a key of the program's");
        let anchors = Anchors::new(&[key], NonZeroUsize::MIN).expect("one key, one signature");
        // They live as long as the kit.
        let (specs, anchors) = (specs(board).leak(), Box::leak(Box::new(anchors)));
        let judge = Judge::of(Terms { compatible: COMPATIBLE, specs, anchors, guard: TRIES.guard });
        Self { judge, met: Met::default(), chance: chance.clone() }
    }

    /// What a disk means.
    pub fn look(&mut self, content: &Medium) -> Sight {
        self.judge.sight(content.identity(), &|| content.clone())
    }

    /// Judges every crash image of a run; `level` is 0, or 1 for a run that began with a crash image.
    pub fn cut(&mut self, run: &Run, level: usize) -> Tally {
        let mut tally = Tally::default();
        tally.log(&run.log);
        let mut windows = windows(&run.start, &run.log);
        let sides = [self.look(&run.start), self.look(&windows.last().map_or(run.start.clone(), Window::end))];
        for window in &mut windows {
            self.cut_window(window, level, &sides, &mut tally);
        }
        tally
    }

    /// The commits of a run, each by the rules, with the number of the flush that stands between the copies of the table.
    ///
    /// # Errors
    /// What no rule allows.
    pub fn steps(&mut self, run: &Run) -> Result<Vec<(usize, Step)>, String> {
        let mut steps = Vec::new();
        for (number, window) in windows(&run.start, &run.log).iter().enumerate() {
            let sights = [self.look(window.durable()), self.look(&window.end())];
            let [Some(old), Some(new)] = sights.each_ref().map(|sight| sight.table.clone()) else {
                return Err("there is no table".to_owned());
            };
            if old.bits != new.bits {
                let step = explain(&old.bits, &new.bits, TRIES).first().copied();
                let step = step.ok_or_else(|| format!("no rule leads from {:?} to {:?}", old.bits, new.bits))?;
                steps.push((number.saturating_sub(1), step));
            }
            if old.foreign != new.foreign || old.last_usable != new.last_usable {
                return Err(format!("something else changed: {} -> {}", sights[0], sights[1]));
            }
        }
        Ok(steps)
    }

    /// For each flush of a run, the images that are dead, and those that are mixed, if the device had not done this one.
    pub fn without_each_flush(&mut self, run: &Run) -> Vec<[usize; 2]> {
        let starts = windows(&run.start, &run.log).into_iter().map(|window| window.durable().clone());
        let parts: Vec<&[Event]> = run.log.split(|event| matches!(event, Event::Flush)).collect();
        let joined = parts.windows(2).zip(starts).map(|(parts, start)| (parts.concat(), start));
        let counts = joined.map(|(events, start)| {
            let (mut tally, mut windows) = (Tally::default(), windows(&start, &events));
            let side = self.look(&start);
            for window in &mut windows {
                self.cut_window(window, 0, &[side.clone(), side.clone()], &mut tally);
            }
            [tally.unbootable, tally.mixed]
        });
        counts.collect()
    }

    /// One state out of the middle of each window in which something changes.
    pub fn sample(&mut self, run: &Run) -> Vec<Image> {
        let mut images = Vec::new();
        for (number, mut window) in windows(&run.start, &run.log).into_iter().enumerate() {
            if window.sectors() == 0 {
                continue;
            }
            let ends = [window.durable().identity(), window.end().identity()];
            // Half of them out of order or torn, where such a state exists.
            let wanted = self.chance.below(2) == 0;
            // Of a window of one sector that is not torn, the end is all that a cut may leave beside its start.
            let mut image = Image { content: window.end(), story: "all".to_owned(), reordered: false };
            for _ in 0..DRAWS {
                let (content, story) = window.any(Tears::Inside, &mut self.chance);
                if ends.contains(&content.identity()) {
                    continue;
                }
                let reordered = !window.passes(&content);
                image = Image { content, story: format!("window {number}: {story}"), reordered };
                if reordered == wanted {
                    break;
                }
            }
            images.push(image);
        }
        images
    }

    fn cut_window(&mut self, window: &mut Window, level: usize, run: &[Sight; 2], tally: &mut Tally) {
        let (before, after) = (self.look(window.durable()), self.look(&window.end()));
        let mut chance = self.chance.split();
        let Self { judge, met, .. } = self;
        window.cuts(EFFORT, &mut chance, &mut |cut| {
            let found = judge.sight(cut.identity(), &|| cut.medium());
            let fresh = met.insert(cut.identity().folded());
            let story = || format!("level {level}: {}; {before} -> {after}; found {found}", cut.story());
            match verdict(&found, &before, &after) {
                Verdict::Old | Verdict::New => {
                    tally.sound(level, fresh, run.each_ref().map(|side| found.table == side.table));
                }
                Verdict::Unbootable => tally.unbootable(story),
                Verdict::Mixed(why) => tally.mixed(format!("{why:?}, {}", story())),
            }
        });
    }
}

/// What the kit's profile says of a board's slots.
fn specs(board: &Board) -> Vec<PartitionSpec<'static>> {
    let root = Guid::parse(SLOT_TYPE).expect("a GUID");
    let data = Guid::parse(DATA_TYPE).expect("a GUID");
    let spec = |slot, role, label, type_guid, duty| PartitionSpec { slot, role, label, type_guid, duty };
    let mut specs = vec![
        spec(SlotId::A, "root", "root-a", root, Duty::Control),
        spec(SlotId::B, "root", "root-b", root, Duty::Control),
    ];
    if board.has_boot() {
        specs.push(spec(SlotId::A, "boot", "boot-a", data, Duty::Member));
        specs.push(spec(SlotId::B, "boot", "boot-b", data, Duty::Member));
    }
    specs
}

/// The bytes in a PEM file.
fn der(path: &std::path::Path) -> Vec<u8> {
    let text = std::fs::read_to_string(path).expect("the kit has a key");
    let digit = |byte| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let lines = text.lines().filter(|line| !line.starts_with('-'));
    let digits: Vec<u8> = lines.flat_map(str::bytes).filter_map(digit).collect();
    let group = |four: &[u8]| {
        let word = four.iter().fold(0_u32, |word, digit| word << 6 | u32::from(*digit)) << (6 * (4 - four.len()));
        word.to_be_bytes()[1..four.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}
