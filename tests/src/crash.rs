//! Every state that a disk may be found in after a cut, from the log of what an act did to it.
//!
//! ```text
//!  log     W0 W1 | W2 W3 W4 | W5      | a flush
//!  window  '- 0 -' '-- 1 --' '2'
//! ```
//! 1. What was flushed is on the medium.
//! 2. Of what was written since, any subset of the sectors may be, in any order: sectors do not depend on each other, and of a sector
//!    written twice either content may be there. The last write torn at any sector is among the subsets.
//! 3. As an option a sector may be torn inside, its head new and its tail old or the other way round, or be lost: unreadable until
//!    it is written again. A drive of larger physical blocks may lose all written sectors of one.
//! 4. A window of up to 4096 combinations (12 sectors) is shown in full. Of a larger one: every prefix in the order of writing, at
//!    each sector; at every write, all combinations where they are so few, else random ones; all sectors but one; one sector alone.

use std::fmt::Write as _;

use crate::chance::Chance;
use crate::medium::{Identity, Medium, Sectors};
use crate::sim_disk::Event;

mod dirty;
mod torn;

use dirty::Dirty;

/// Combinations of one window, or of one cut point, that are shown in full.
pub const ALL_OF: usize = 4096;

/// How many states of a large window are shown.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Random subsets at every write of a large window, and of each kind at its end.
    pub samples: usize,
    /// What may become of a sector beside old and new.
    pub tears: Tears,
    /// At how many places inside.
    pub grain: Grain,
}

/// At how many places a sector may be torn where all of a window's tears are combined: fewer, the more sectors there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grain {
    /// 63, 15, 6 places.
    Fine,
    /// 7, 3, 1 places.
    Coarse,
}

/// What may become of a sector beside old and new, least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Tears {
    /// Nothing: sectors are atomic.
    Never,
    /// It may be torn inside.
    Inside,
    /// It may also be lost.
    Lost,
}

/// What was written between two flushes.
#[derive(Debug)]
pub struct Window {
    durable: Medium,
    dirty: Vec<Dirty>,
    /// Sector and content in the order of writing.
    steps: Vec<(usize, usize)>,
    /// Number of steps done at the end of each write.
    writes: Vec<usize>,
    /// Sectors that were written with what they held already: a cut can only lose them.
    rewritten: Vec<u64>,
}

/// One crash image, as a choice among the options of every dirty sector.
#[derive(Debug)]
pub struct Cut<'w> {
    window: &'w Window,
    choices: &'w [usize],
    identity: Identity,
}

/// The windows of a log. The last one has what was never flushed.
#[must_use]
pub fn windows(start: &Medium, log: &[Event]) -> Vec<Window> {
    let mut durable = start.clone();
    let mut windows = Vec::new();
    for events in log.split(|event| matches!(event, Event::Flush)) {
        let window = Window::new(&durable, events);
        durable = window.end();
        windows.push(window);
    }
    windows
}

impl Window {
    fn new(durable: &Medium, events: &[Event]) -> Self {
        let (dirty, steps, writes, rewritten) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut window = Self { durable: durable.clone(), dirty, steps, writes, rewritten };
        let mut place_of = std::collections::HashMap::new();
        for event in events {
            let Event::Write(first, sectors) = event else { continue };
            for (lba, sector) in (*first..).zip(sectors) {
                let Some(old) = durable.sector(lba) else { continue };
                if !place_of.contains_key(&lba) && sector.same(old) {
                    window.rewritten.push(lba);
                    continue;
                }
                let place = *place_of.entry(lba).or_insert_with(|| {
                    window.dirty.push(Dirty::new(lba, durable.zone_of(lba), old));
                    window.dirty.len() - 1
                });
                let option = window.dirty[place].add(sector);
                window.dirty[place].whole = window.dirty[place].options.len();
                window.steps.push((place, option));
            }
            window.writes.push(window.steps.len());
        }
        window
    }

    /// What is on the medium before any of it.
    #[must_use]
    pub const fn durable(&self) -> &Medium {
        &self.durable
    }

    /// What is on the medium after all of it.
    #[must_use]
    pub fn end(&self) -> Medium {
        let mut choices = vec![0; self.dirty.len()];
        self.replay(&mut choices, self.steps.len());
        self.cut(&choices).medium()
    }

    /// Sectors that it changes.
    #[must_use]
    pub const fn sectors(&self) -> usize {
        self.dirty.len()
    }

    /// What is on the medium when the first half of it is, in the order of writing.
    #[must_use]
    pub fn half(&self) -> Medium {
        let mut choices = vec![0; self.dirty.len()];
        self.replay(&mut choices, self.steps.len() / 2);
        self.cut(&choices).medium()
    }

    /// Shows `each` the states of rule 2 and, if `effort` says so, of rule 3.
    pub fn cuts(&mut self, effort: Effort, chance: &mut Chance, each: &mut dyn FnMut(&Cut<'_>)) {
        if self.combinations(self.dirty.len()).is_some() {
            let all: Vec<usize> = (0..self.dirty.len()).collect();
            self.product(&all, |dirty| dirty.whole, each);
        } else {
            self.prefixes(each);
            self.at_each_write(effort, chance, each);
            self.all_but_one(effort, chance, each);
        }
        if effort.tears > Tears::Never && !self.dirty.is_empty() {
            self.torn(effort, chance, each);
        }
    }

    /// One state, drawn: some of what was written before some point, at most one sector torn or lost. And its story.
    pub fn any(&mut self, tears: Tears, chance: &mut Chance) -> (Medium, String) {
        // The whole window half of the time: what is written last matters most.
        let steps = if chance.below(2) == 0 { self.steps.len() } else { chance.below(self.steps.len() + 1) };
        let reached = self.steps[..steps].iter().map(|(place, _)| place + 1).max().unwrap_or(0);
        let mut choices = if chance.below(4) == 0 {
            let mut choices = vec![0; self.dirty.len()];
            self.replay(&mut choices, steps);
            choices
        } else {
            self.random_subset(reached, chance)
        };
        if tears > Tears::Never && reached > 0 {
            let place = chance.below(reached);
            self.dirty[place].tear(3, tears);
            choices[place] = chance.below(self.dirty[place].options.len());
        }
        let cut = self.cut(&choices);
        (cut.medium(), cut.story())
    }

    /// Whether writing in order passes this state.
    #[must_use]
    pub fn passes(&self, state: &Medium) -> bool {
        let mut met = false;
        self.prefixes(&mut |cut| met |= cut.identity() == state.identity());
        met
    }

    /// Number of whole combinations of the first `sectors` dirty sectors, unless they are too many.
    fn combinations(&self, sectors: usize) -> Option<usize> {
        let product = |product: usize, dirty: &Dirty| product.checked_mul(dirty.whole).filter(|all| *all <= ALL_OF);
        self.dirty.iter().take(sectors).try_fold(1, product)
    }

    /// Every combination of the options of these sectors, the others old.
    fn product(&self, of: &[usize], options: impl Fn(&Dirty) -> usize, each: &mut dyn FnMut(&Cut<'_>)) {
        let mut choices = vec![0; self.dirty.len()];
        loop {
            each(&self.cut(&choices));
            let next = of.iter().find(|place| choices[**place] + 1 < options(&self.dirty[**place]));
            let Some(next) = next else { return };
            for place in of.iter().take_while(|place| *place != next) {
                choices[*place] = 0;
            }
            choices[*next] += 1;
        }
    }

    fn prefixes(&self, each: &mut dyn FnMut(&Cut<'_>)) {
        let mut choices = vec![0; self.dirty.len()];
        let mut identity = self.durable.identity();
        each(&Cut { window: self, choices: &choices, identity });
        for (place, option) in &self.steps {
            let dirty = &self.dirty[*place];
            if choices[*place] == 0 {
                choices[*place] = *option;
                identity.apply(&dirty.changes[*option]);
                each(&Cut { window: self, choices: &choices, identity });
            } else {
                choices[*place] = *option;
                let cut = self.cut(&choices);
                identity = cut.identity;
                each(&cut);
            }
        }
    }

    fn at_each_write(&self, effort: Effort, chance: &mut Chance, each: &mut dyn FnMut(&Cut<'_>)) {
        // Sectors get their number when they are first written, so that those of a prefix are the first ones.
        let reached = |done: &usize| self.steps[..*done].iter().map(|(place, _)| place + 1).max().unwrap_or(0);
        let reached: Vec<usize> = self.writes.iter().map(reached).collect();
        let few = reached.iter().filter(|reached| self.combinations(**reached).is_some()).count();
        // The combinations of the last prefix with few sectors are those of every shorter one as well.
        if let Some(sectors) = reached[..few].last() {
            let places: Vec<usize> = (0..*sectors).collect();
            self.product(&places, |dirty| dirty.whole, each);
        }
        for reached in reached.into_iter().skip(few) {
            for _ in 0..effort.samples {
                each(&self.cut(&self.random_subset(reached, chance)));
            }
        }
    }

    /// Some of the first `reached` sectors, each with any of its contents: half of them, few, or nearly all.
    fn random_subset(&self, reached: usize, chance: &mut Chance) -> Vec<usize> {
        let density = [32, 4, 60][chance.below(3)];
        let mut bits = 0;
        let mut choices = vec![0; self.dirty.len()];
        for (number, choice) in choices.iter_mut().enumerate().take(reached) {
            if number % 10 == 0 {
                bits = chance.next();
            }
            let taken = bits % 64 < density;
            bits >>= 6;
            if taken {
                let whole = self.dirty[number].whole;
                *choice = if whole == 2 { 1 } else { 1 + chance.below(whole - 1) };
            }
        }
        choices
    }

    /// The sharpest states of a large window: one sector missing, and one sector alone.
    fn all_but_one(&self, effort: Effort, chance: &mut Chance, each: &mut dyn FnMut(&Cut<'_>)) {
        let mut full = vec![0; self.dirty.len()];
        self.replay(&mut full, self.steps.len());
        let every = (effort.samples * 4).min(self.dirty.len());
        for number in 0..every {
            let place = if every == self.dirty.len() { number } else { chance.below(self.dirty.len()) };
            let kept = std::mem::take(&mut full[place]);
            each(&self.cut(&full));
            full[place] = kept;
            let mut alone = vec![0; self.dirty.len()];
            alone[place] = kept;
            each(&self.cut(&alone));
        }
    }

    /// Sets the choices to what stands there after this many steps.
    fn replay(&self, choices: &mut [usize], steps: usize) {
        for (place, option) in &self.steps[..steps] {
            choices[*place] = *option;
        }
    }

    fn cut<'w>(&'w self, choices: &'w [usize]) -> Cut<'w> {
        let mut identity = self.durable.identity();
        for (dirty, choice) in self.dirty.iter().zip(choices).filter(|(_, choice)| **choice > 0) {
            identity.apply(&dirty.changes[*choice]);
        }
        Cut { window: self, choices, identity }
    }
}

impl Cut<'_> {
    /// What the disk holds, as a number per zone.
    #[must_use]
    pub const fn identity(&self) -> Identity {
        self.identity
    }

    /// The disk.
    #[must_use]
    pub fn medium(&self) -> Medium {
        let chosen = self.window.dirty.iter().zip(self.choices).filter(|(_, choice)| **choice > 0);
        let sectors: Sectors = chosen.map(|(dirty, choice)| (dirty.lba, dirty.options[*choice].clone())).collect();
        self.window.durable.with(sectors)
    }

    /// Which sectors are new, torn or lost, for a person.
    #[must_use]
    pub fn story(&self) -> String {
        let mut story = String::new();
        for (dirty, choice) in self.window.dirty.iter().zip(self.choices).filter(|(_, choice)| **choice > 0).take(24) {
            let what = match (*choice < dirty.whole, dirty.options[*choice].bytes()) {
                (true, _) => "new",
                (false, Some(_)) => "torn",
                (false, None) => "lost",
            };
            // Writing to a string does not fail.
            write!(story, "{} {what}, ", dirty.lba).unwrap_or_default();
        }
        format!("{story}of {} unflushed sectors", self.window.dirty.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::medium::Sector;
    use libupdate::{BlockCount, BlockSize};

    fn blank() -> Medium {
        Medium::blank([BlockSize::B512; 2], BlockCount::new(64), vec![])
    }

    fn write(first: u64, bytes: &[u8]) -> Event {
        Event::Write(first, bytes.iter().map(|byte| Sector::new(&[*byte; 512])).collect())
    }

    fn shown(log: &[Event], effort: Effort) -> HashSet<u64> {
        let mut seen = HashSet::new();
        for mut window in windows(&blank(), log) {
            window.cuts(effort, &mut Chance::new(1), &mut |cut| {
                assert_eq!(cut.identity(), cut.medium().identity());
                seen.insert(cut.identity().folded());
            });
        }
        seen
    }

    const WHOLE: Effort = Effort { samples: 100, tears: Tears::Never, grain: Grain::Fine };

    #[test]
    fn a_small_window_is_shown_in_full() {
        assert_eq!(shown(&[write(0, &[1; 5]), write(9, &[2; 4])], WHOLE).len(), 1 << 9);
        // A flush between the two: 2^5 before, 2^4 after, of which one is the last one before.
        assert_eq!(shown(&[write(0, &[1; 5]), Event::Flush, write(9, &[2; 4])], WHOLE).len(), 32 + 15);
        // A failed flush is none.
        assert_eq!(shown(&[write(0, &[1; 5]), Event::FailedFlush, write(9, &[2; 4])], WHOLE).len(), 1 << 9);
    }

    #[test]
    fn a_sector_written_twice_may_hold_either_content() {
        assert_eq!(shown(&[write(0, &[1, 1]), write(1, &[2])], WHOLE).len(), 2 * 3);
        assert_eq!(shown(&[write(0, &[1]), write(0, &[0])], WHOLE).len(), 2, "back to the old content");
        assert_eq!(shown(&[write(0, &[0, 0, 0])], WHOLE).len(), 1, "nothing changes");
    }

    #[test]
    fn a_large_window_shows_every_prefix_and_both_sharp_kinds() {
        let log = [write(0, &[1; 20]), write(20, &[2; 20])];
        let seen = shown(&log, WHOLE);
        let disk = |new: &dyn Fn(u64) -> bool| {
            let sectors =
                (0..40).filter(|lba| new(*lba)).map(|lba| (lba, Sector::new(&[1 + u8::from(lba >= 20); 512])));
            blank().with(sectors.collect()).identity().folded()
        };
        for border in 0..40 {
            assert!(seen.contains(&disk(&|lba| lba < border)), "prefix {border}");
            assert!(seen.contains(&disk(&|lba| lba != border)), "all but {border}");
            assert!(seen.contains(&disk(&|lba| lba == border)), "{border} alone");
        }
        assert!(seen.len() > 250, "{}", seen.len());
    }

    #[test]
    fn torn_and_lost_sectors_are_shown_when_asked_for() {
        // Old, new, 63 places with either side new, lost.
        let one = shown(&[write(0, &[1])], Effort { tears: Tears::Lost, ..WHOLE });
        assert_eq!(one.len(), 2 + 2 * 63 + 1);
        let two = shown(&[write(0, &[1, 2])], Effort { tears: Tears::Lost, ..WHOLE });
        assert_eq!(two.len(), (2 + 2 * 15 + 1) * (2 + 2 * 15 + 1));
    }
}
