//! The slot bits by the rules of docs/DESIGN.md, "The rules of the slots", numbered as there. Written from them, not from the code, so it is short and slow.

use libupdate::device::{Claim, Reach, Then};

mod boot;
mod install;

/// What a slot's trailer regions hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// Nothing, or the mark of an installation.
    Nothing,
    /// Something that does not verify.
    Torn,
    /// The signed manifest of this release.
    Valid(usize),
    /// In a step of a way: nothing, something torn, or, if one is being written, this release already.
    Becoming(Option<usize>),
}

/// A slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "priority, tries left and successful")]
pub struct Slot {
    pub priority: u8,
    pub tries: u8,
    pub successful: bool,
    pub seen: Seen,
    /// Whether a person is asked to confirm the trial of what it holds. `None` where it holds nothing, or may be either.
    pub asks: Option<bool>,
    /// Whether the first block of what it holds went bad.
    pub damaged: bool,
}

/// What an installation is asked to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the options of the act")]
pub struct Installation {
    pub release: usize,
    pub slot: Option<usize>,
    pub then: Then,
    pub reach: Reach,
    pub retry: bool,
    pub asks: bool,
}

/// What the disk fails to do, once, in an act.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failing {
    /// Nothing.
    Nothing,
    /// A read.
    Read,
    /// A write or a flush.
    Write,
}

/// The states that an act leads through.
#[derive(Clone, Debug)]
pub struct Way {
    /// Those that it may be ended in by a cut or a failure, first the one that it begins in.
    pub steps: Vec<Model>,
    /// Those that it may end well in: one, if nothing fails.
    pub ends: Vec<Model>,
}

impl Way {
    /// A way that ends in the last of its states.
    fn through(steps: Vec<Model>) -> Self {
        Self { ends: steps.last().cloned().into_iter().collect(), steps }
    }

    /// A way that goes one of two ways.
    fn or(mut self, other: Self) -> Self {
        self.steps.extend(other.steps);
        self.ends.extend(other.ends);
        self
    }

    /// Every state of it.
    pub fn all(&self) -> impl Iterator<Item = &Model> {
        self.steps.iter().chain(&self.ends)
    }
}

/// All that the rules speak of.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the words of docs/GLOSSARY.md")]
pub struct Model {
    pub slots: Vec<Slot>,
    pub booted: Option<usize>,
    pub tries: u8,
    pub guard: u8,
}

/// The states of docs/FORMAT.md, section 9, worst first as in rule 2.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum State {
    Empty,
    Unverified,
    Failed,
    Exhausted,
    Staged,
    Trial,
    Good,
}

impl Slot {
    const EMPTY: Self =
        Self { priority: 0, tries: 0, successful: false, seen: Seen::Nothing, asks: None, damaged: false };

    /// Neither P nor S: nothing is lost when it is written.
    #[must_use]
    pub const fn is_out(&self) -> bool {
        self.priority == 0 && !self.successful
    }
}

impl Model {
    /// A provisioned device: the first slot good, the rest empty, nothing booted.
    #[must_use]
    pub fn new(slots: usize, tries: u8, guard: u8) -> Self {
        let mut slots = vec![Slot::EMPTY; slots];
        slots[0] = Slot {
            priority: 1,
            tries: guard,
            successful: true,
            seen: Seen::Valid(0),
            asks: Some(false),
            damaged: false,
        };
        Self { slots, booted: None, tries, guard }
    }

    /// Whether the disk may hold these slots.
    #[must_use]
    pub fn fits(&self, found: &[Slot]) -> bool {
        let seen = |rule: Seen, found: Seen| match (rule, found) {
            (Seen::Becoming(_), Seen::Nothing | Seen::Torn) => true,
            (Seen::Becoming(release), Seen::Valid(there)) => release == Some(there),
            (rule, found) => rule == found,
        };
        let fits = |(rule, found): (&Slot, &Slot)| {
            let Slot { asks, damaged, .. } = *found;
            let asked = asks.is_none() || rule.asks.is_none() || rule.asks == asks;
            let sound = !matches!(found.seen, Seen::Valid(_)) || rule.damaged == damaged;
            seen(rule.seen, found.seen) && asked && sound && Slot { seen: found.seen, asks, damaged, ..*rule } == *found
        };
        self.slots.iter().zip(found).all(fits)
    }

    /// What the rules see where a read of one slot's trailer fails: something that does not verify. With that slot.
    pub fn with_one_unread(&self) -> impl Iterator<Item = (Self, usize)> {
        (0..self.slots.len()).map(|slot| (self.with(slot, Slot { seen: Seen::Torn, ..self.slots[slot] }), slot))
    }

    /// The same where the trailer is there after all, unless it was written meanwhile.
    #[must_use]
    pub fn with_read(mut self, slot: usize, before: &Self) -> Self {
        if self.slots[slot].seen == Seen::Torn {
            self.slots[slot].seen = before.slots[slot].seen;
        }
        self
    }

    fn state(&self, slot: usize) -> State {
        let Slot { priority, tries, successful, seen, .. } = self.slots[slot];
        match (seen, priority > 0, tries > 0, successful) {
            (Seen::Nothing, ..) => State::Empty,
            (Seen::Torn | Seen::Becoming(_), ..) => State::Unverified,
            (_, true, _, true) => State::Good,
            (_, true, true, false) => State::Trial,
            (_, true, false, false) if self.booted == Some(slot) => State::Trial,
            (_, true, false, false) => State::Exhausted,
            (_, false, true, _) => State::Staged,
            (_, false, false, _) => State::Failed,
        }
    }

    fn others(&self, slot: usize) -> impl Iterator<Item = usize> {
        (0..self.slots.len()).filter(move |other| *other != slot)
    }

    /// Rule 1.
    fn another_is_good(&self, slot: usize) -> Option<()> {
        self.others(slot).any(|other| self.state(other) == State::Good).then_some(())
    }

    /// The slots that boot, the next one first: highest P first, a tie to the lower index; S, or a try left.
    fn order(&self) -> Vec<usize> {
        let bootable = |slot: &usize| {
            let Slot { priority, tries, successful, .. } = self.slots[*slot];
            priority > 0 && (successful || tries > 0)
        };
        let mut order: Vec<usize> = (0..self.slots.len()).filter(bootable).collect();
        order.sort_by_key(|slot| (16 - self.slots[*slot].priority, *slot));
        order
    }

    /// The slot that boots next.
    #[must_use]
    pub fn next(&self) -> Option<usize> {
        self.order().first().copied()
    }

    /// Rule 3: above all others, which are moved down in order where there is no room above.
    fn first(mut self, slot: usize, bits: Slot) -> Self {
        let mut used: Vec<u8> = self.others(slot).map(|other| self.slots[other].priority).filter(|p| *p > 0).collect();
        used.sort_unstable();
        used.dedup();
        if used.last() == Some(&15) {
            for other in self.others(slot).collect::<Vec<_>>() {
                let priority = &mut self.slots[other].priority;
                *priority = used.iter().filter(|lower| **lower <= *priority).count() as u8;
            }
            used = (1..=used.len() as u8).collect();
        }
        self.slots[slot] = Slot { priority: used.last().unwrap_or(&0) + 1, ..bits };
        self
    }

    /// Whether a slot may go bad and another one still boots.
    #[must_use]
    pub fn may_go_bad(&self, slot: usize) -> bool {
        let sound = |other| self.state(other) == State::Good && !self.slots[other].damaged;
        matches!(self.slots[slot].seen, Seen::Valid(_)) && !self.slots[slot].damaged && self.others(slot).any(sound)
    }

    fn with(&self, slot: usize, bits: Slot) -> Self {
        let mut model = self.clone();
        model.slots[slot] = bits;
        model
    }

    /// A staged slot is armed if every block of it is right; one that is armed stays so.
    #[must_use]
    pub fn activating(&self, slot: usize) -> Option<Way> {
        let bits = Slot { tries: self.tries, ..self.slots[slot] };
        match self.state(slot) {
            State::Staged if bits.damaged => None,
            State::Staged => Some(Way::through(vec![self.clone(), self.clone().first(slot, bits)])),
            State::Trial if self.booted != Some(slot) => Some(self.settling()),
            _ => None,
        }
    }

    /// Rule 3: S and T, not P. A slot that nobody vouches for must have booted.
    #[must_use]
    pub fn marking_good(&self, slot: usize, claim: Claim) -> Option<Way> {
        let booted = self.slots[slot].successful || self.booted == Some(slot);
        if claim == Claim::Booted && !booted {
            return None;
        }
        let good = Slot { successful: true, tries: self.guard, ..self.slots[slot] };
        (good.priority > 0).then(|| Way::through(vec![self.clone(), self.with(slot, good)]))
    }

    /// Rule 1; the trailer stays as the memory of the failure.
    #[must_use]
    pub fn marking_bad(&self, slot: usize) -> Option<Way> {
        self.another_is_good(slot)?;
        Some(Way::through(vec![self.clone(), self.failed(slot)]))
    }

    fn failed(&self, slot: usize) -> Self {
        let Slot { seen, asks, damaged, .. } = self.slots[slot];
        self.with(slot, Slot { seen, asks, damaged, ..Slot::EMPTY })
    }

    /// Rule 1; what is armed or staged, and does not run, is out of the order, and its trailer is a mark. What is armed without one is
    /// only out. Of any other slot there is nothing to take back, unless it runs on its last try.
    #[must_use]
    pub fn cancelling(&self, slot: usize) -> Option<Way> {
        let Slot { priority, tries, successful, seen, .. } = self.slots[slot];
        let armed = priority > 0 && tries > 0 && !successful;
        if !armed && !matches!(self.state(slot), State::Staged | State::Trial) {
            return Some(self.settling());
        }
        if self.booted == Some(slot) {
            return None;
        }
        self.another_is_good(slot)?;
        let out = |seen| self.with(slot, Slot { priority: 0, tries: 1, successful: false, seen, ..self.slots[slot] });
        let marks = [Seen::Becoming(None), Seen::Nothing].map(out);
        let marked = if matches!(seen, Seen::Valid(_)) { marks.to_vec() } else { vec![] };
        Some(Way::through([vec![self.clone(), out(seen)], marked].concat()))
    }

    /// The best good slot that is not booted is raised.
    #[must_use]
    pub fn rolling_back(&self) -> Option<Way> {
        let good = (0..self.slots.len()).filter(|slot| self.booted != Some(*slot) && self.state(*slot) == State::Good);
        let best = good.min_by_key(|slot| (16 - self.slots[*slot].priority, *slot))?;
        Some(Way::through(vec![self.clone(), self.clone().first(best, self.slots[best])]))
    }

    /// Nothing changes but what is durable.
    #[must_use]
    pub fn settling(&self) -> Way {
        Way::through(vec![self.clone()])
    }
}
