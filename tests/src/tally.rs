//! What a laboratory run counted.

use crate::sim_disk::Event;

/// Failures that are told in full.
const TOLD: usize = 5;

/// The least and the greatest of some numbers.
#[derive(Clone, Copy, Default, Debug)]
pub struct Range(Option<(usize, usize)>);

impl Range {
    fn take(&mut self, number: usize) {
        self.join(Self(Some((number, number))));
    }

    fn join(&mut self, other: Self) {
        self.0 = match (self.0, other.0) {
            (Some((low, high)), Some((least, most))) => Some((low.min(least), high.max(most))),
            (mine, more) => mine.or(more),
        };
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            None => f.pad("-"),
            Some((low, high)) if low == high => f.pad(&low.to_string()),
            Some((low, high)) => f.pad(&format!("{low}-{high}")),
        }
    }
}

/// Counts of one act, or of several together.
#[derive(Clone, Default, Debug)]
pub struct Tally {
    /// Scenarios.
    pub runs: usize,
    /// Fewest and most writes of an act.
    pub writes: Range,
    /// Fewest and most flushes of an act.
    pub flushes: Range,
    /// Moments before, between and after the writes and flushes of the acts.
    pub cuts: usize,
    /// Crash images of the acts, not counted twice: as before the act, between its commits, as after it.
    pub act: [usize; 3],
    /// Crash images of recoveries, not counted twice.
    pub recovery: usize,
    /// Recoveries that were run from a cut act, from a cut recovery, and from a cut recovery of that.
    pub recoveries: [usize; 3],
    /// Next installations after a recovery.
    pub installs: usize,
    /// Crash images on which nothing boots.
    pub unbootable: usize,
    /// Crash images that are neither old nor new, and acts that broke a rule.
    pub mixed: usize,
    /// Recoveries and next installations that needed help.
    pub stuck: usize,
    /// Crash images shown to other readers, once for each.
    pub foreign: usize,
    /// Verdicts given, images that were met again included.
    pub verdicts: usize,
    /// The first failures, for a person.
    pub told: Vec<String>,
}

impl Tally {
    /// Counts the accesses of an act.
    pub fn log(&mut self, log: &[Event]) {
        self.runs += 1;
        let flushes = log.iter().filter(|event| matches!(event, Event::Flush)).count();
        self.flushes.take(flushes);
        self.writes.take(log.len() - flushes);
        self.cuts += log.len() + 1;
    }

    /// Counts an image that is sound; `like` says whether its table means what it meant before the act, and after it.
    pub fn sound(&mut self, level: usize, fresh: bool, like: [bool; 2]) {
        self.verdicts += 1;
        if fresh && level > 0 {
            self.recovery += 1;
        } else if fresh {
            let column = match like {
                [true, _] => 0,
                [false, true] => 2,
                [false, false] => 1,
            };
            self.act[column] += 1;
        }
    }

    /// Counts an image on which nothing boots.
    pub fn unbootable(&mut self, story: impl FnOnce() -> String) {
        self.verdicts += 1;
        self.unbootable += 1;
        self.tell(|| format!("nothing boots: {}", story()));
    }

    /// Counts an image that is neither old nor new, or a broken rule.
    pub fn mixed(&mut self, why: String) {
        self.verdicts += 1;
        self.mixed += 1;
        self.tell(|| why);
    }

    /// Counts a recovery that needed help.
    pub fn stuck(&mut self, why: String) {
        self.stuck += 1;
        self.tell(|| why);
    }

    fn tell(&mut self, what: impl FnOnce() -> String) {
        if self.told.len() < TOLD {
            let what = what();
            if !self.told.contains(&what) {
                self.told.push(what);
            }
        }
    }

    /// Adds another one.
    pub fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.writes.join(other.writes);
        self.flushes.join(other.flushes);
        self.cuts += other.cuts;
        for (mine, more) in self.act.iter_mut().zip(other.act) {
            *mine += more;
        }
        for (mine, more) in self.recoveries.iter_mut().zip(other.recoveries) {
            *mine += more;
        }
        self.recovery += other.recovery;
        self.installs += other.installs;
        self.unbootable += other.unbootable;
        self.mixed += other.mixed;
        self.stuck += other.stuck;
        self.verdicts += other.verdicts;
        self.foreign += other.foreign;
        let room = TOLD.saturating_sub(self.told.len());
        self.told.extend(other.told.into_iter().take(room));
    }

    /// Whether no promise was broken.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.unbootable == 0 && self.mixed == 0 && self.stuck == 0
    }
}
