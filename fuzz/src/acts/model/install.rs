//! An installation by the rules.

use libupdate::device::{Reach, Then};

use super::{Failing, Installation, Model, Seen, Slot, State, Way};

impl Model {
    /// Rules 1, 2, 4, 5. What the slot holds already is kept, what it does not is written; then it is armed by rule 3, or left staged.
    #[must_use]
    pub fn installing(&self, asked: &Installation, failing: Failing) -> Option<Way> {
        let target = self.target(asked)?;
        let complete = matches!(self.state(target), State::Staged | State::Trial | State::Good);
        if asked.reach == Reach::JudgeOnly {
            return Some(self.settling());
        }
        // A slot that is wrong or cannot be read is written anew, which heals a bad sector.
        if !complete || self.slots[target].seen != Seen::Valid(asked.release) || self.slots[target].damaged {
            return Some(self.writing(asked, target));
        }
        let held = self.keeping(asked, target, failing);
        Some(if failing == Failing::Read { held.or(self.writing(asked, target)) } else { held })
    }

    fn target(&self, asked: &Installation) -> Option<usize> {
        if self.booted.is_some_and(|booted| self.state(booted) == State::Trial) {
            return None;
        }
        let holds = Seen::Valid(asked.release);
        let choice = || (0..self.slots.len()).filter(|slot| self.booted != Some(*slot));
        let may_go = |slot: &usize| self.slots[*slot].is_out() || self.another_is_good(*slot).is_some();
        let holder = || choice().filter(may_go).find(|slot| self.slots[*slot].seen == holds);
        let worst = || choice().min_by_key(|slot| (self.state(*slot), self.slots[*slot].priority, *slot));
        // Rule 2: run again and it resumes, so the slot that holds this bundle comes before the worst one.
        let target = asked.slot.or_else(holder).or_else(worst).filter(|slot| self.booted != Some(*slot))?;
        if !self.slots[target].is_out() {
            self.another_is_good(target)?;
        }
        let remembers = |slot: usize| matches!(self.state(slot), State::Failed | State::Exhausted);
        let failed = |slot: usize| remembers(slot) && self.slots[slot].seen == holds;
        (asked.retry || !(0..self.slots.len()).any(failed)).then_some(target)
    }

    /// The slot holds the bundle. What is left to do is to ask a person, or nobody, and to arm.
    fn keeping(&self, asked: &Installation, target: usize, failing: Failing) -> Way {
        let slot = self.slots[target];
        let told = Slot { asks: Some(asked.asks), ..slot };
        let state = self.state(target);
        let mut steps = vec![self.clone()];
        if state != State::Good && slot != told {
            steps.push(self.with(target, told));
        }
        if state == State::Staged && asked.then == Then::Arm {
            steps.push(self.clone().first(target, Slot { tries: self.tries, ..told }));
            return Way::through(steps);
        }
        // A question that cannot be read is none.
        let missed = failing == Failing::Read && !asked.asks;
        if missed { Way::through(steps).or(self.settling()) } else { Way::through(steps) }
    }

    /// The slot is disarmed and written; it holds the bundle when it is sealed, and has bits last of all.
    fn writing(&self, asked: &Installation, target: usize) -> Way {
        let Slot { tries, successful, asks, damaged, .. } = self.slots[target];
        let seen = self.slots[target].seen;
        let held = |tries| self.with(target, Slot { seen, tries, asks, damaged, ..Slot::EMPTY });
        let out = |tries, seen| self.with(target, Slot { seen, tries, ..Slot::EMPTY });
        let mut steps = vec![self.clone()];
        if tries == 0 && !successful {
            // POWER, install: the memory of a failure goes before the slot gets a try.
            steps.extend([held(0), out(0, Seen::Becoming(None)), out(1, Seen::Becoming(None))]);
        } else {
            // FORMAT: a disarmed slot has one try, which tells it from a failed one.
            steps.push(held(1));
        }
        steps.push(out(1, Seen::Becoming(Some(asked.release))));
        let (seen, asks) = (Seen::Valid(asked.release), Some(asked.asks));
        let staged = Slot { priority: 0, tries: self.tries, successful: false, seen, asks, damaged: false };
        let armed = asked.then == Then::Arm;
        steps.push(if armed { self.clone().first(target, staged) } else { self.with(target, staged) });
        Way::through(steps)
    }
}
