//! The slot bits by the rules of DESIGN 3.3, numbered as there. Written from them, not from the code, so it is short and slow.

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
#[expect(missing_docs, reason = "P, T and S of DESIGN 3.3")]
pub struct Slot {
    pub priority: u8,
    pub tries: u8,
    pub successful: bool,
    pub seen: Seen,
}

/// All that the rules speak of.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the words of DESIGN 3.3")]
pub struct Model {
    pub slots: Vec<Slot>,
    pub booted: Option<usize>,
    pub tries: u8,
    pub guard: u8,
}

/// The states of DESIGN 3.3, worst first as in rule 2.
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
    const EMPTY: Self = Self { priority: 0, tries: 0, successful: false, seen: Seen::Nothing };

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
        slots[0] = Slot { priority: 1, tries: guard, successful: true, seen: Seen::Valid(0) };
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
        let fits =
            |(rule, found): (&Slot, &Slot)| seen(rule.seen, found.seen) && Slot { seen: found.seen, ..*rule } == *found;
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
        let Slot { priority, tries, successful, seen } = self.slots[slot];
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

    /// Highest P first, a tie to the lower index; S, or a try left.
    #[must_use]
    pub fn next(&self) -> Option<usize> {
        let bootable = |slot: &usize| {
            let Slot { priority, tries, successful, .. } = self.slots[*slot];
            priority > 0 && (successful || tries > 0)
        };
        (0..self.slots.len()).filter(bootable).min_by_key(|slot| (16 - self.slots[*slot].priority, *slot))
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

    fn with(&self, slot: usize, bits: Slot) -> Self {
        let mut model = self.clone();
        model.slots[slot] = bits;
        model
    }

    /// The device comes up: one try is spent, also of a good slot that is guarded.
    #[must_use]
    pub fn booting(&self) -> Vec<Self> {
        let Some(next) = self.next() else { return vec![self.clone()] };
        let down = Self { booted: None, ..self.clone() };
        let bits = self.slots[next];
        let counts = !bits.successful || self.guard > 0;
        let spent = Slot { tries: if counts { bits.tries.saturating_sub(1) } else { bits.tries }, ..bits };
        vec![down, Self { booted: Some(next), ..self.with(next, spent) }]
    }

    /// Rules 1, 2, 4, 5; then armed by rule 3, or left staged.
    #[must_use]
    pub fn installing(&self, release: usize, wish: Option<usize>, arm: bool, retry: bool) -> Option<Vec<Self>> {
        if self.booted.is_some_and(|booted| self.state(booted) == State::Trial) {
            return None;
        }
        let choice = || (0..self.slots.len()).filter(|slot| self.booted != Some(*slot));
        let may_go = |slot: &usize| self.slots[*slot].is_out() || self.another_is_good(*slot).is_some();
        let holder = || choice().filter(may_go).find(|slot| self.slots[*slot].seen == Seen::Valid(release));
        let worst = || choice().min_by_key(|slot| (self.state(*slot), self.slots[*slot].priority, *slot));
        // DESIGN 5: run again = resume, so the slot that holds this bundle comes before the worst one.
        let target = wish.or_else(holder).or_else(worst).filter(|slot| self.booted != Some(*slot))?;
        if !self.slots[target].is_out() {
            self.another_is_good(target)?;
        }
        let remembers = |slot: usize| matches!(self.state(slot), State::Failed | State::Exhausted);
        let failed = |slot: usize| remembers(slot) && self.slots[slot].seen == Seen::Valid(release);
        if !retry && (0..self.slots.len()).any(failed) {
            return None;
        }
        let out = |tries, seen| self.with(target, Slot { seen, tries, ..Slot::EMPTY });
        let Slot { tries, successful, seen, .. } = self.slots[target];
        let mut way = vec![self.clone()];
        if tries == 0 && !successful {
            // POWER, install: the memory of a failure goes before the slot gets a try.
            way.extend([out(0, seen), out(0, Seen::Becoming(None)), out(1, Seen::Becoming(None))]);
        } else {
            // FORMAT: a disarmed slot has one try, which tells it from a failed one.
            way.push(out(1, seen));
        }
        way.push(out(1, Seen::Becoming(Some(release))));
        let staged = Slot { priority: 0, tries: self.tries, successful: false, seen: Seen::Valid(release) };
        let end = if arm { self.clone().first(target, staged) } else { self.with(target, staged) };
        way.push(end);
        Some(way)
    }

    /// A staged slot is armed.
    #[must_use]
    pub fn activating(&self, slot: usize) -> Option<Vec<Self>> {
        let bits = Slot { tries: self.tries, ..self.slots[slot] };
        (self.state(slot) == State::Staged).then(|| vec![self.clone(), self.clone().first(slot, bits)])
    }

    /// Rule 3: S and T, not P.
    #[must_use]
    pub fn marking_good(&self, slot: usize) -> Option<Vec<Self>> {
        let good = Slot { successful: true, tries: self.guard, ..self.slots[slot] };
        (good.priority > 0).then(|| vec![self.clone(), self.with(slot, good)])
    }

    /// Rule 1; the trailer stays as the memory of the failure.
    #[must_use]
    pub fn marking_bad(&self, slot: usize) -> Option<Vec<Self>> {
        self.another_is_good(slot)?;
        let failed = Slot { seen: self.slots[slot].seen, ..Slot::EMPTY };
        Some(vec![self.clone(), self.with(slot, failed)])
    }

    /// Rule 1; what is armed or staged, and does not run, is out of the order, and its trailer is a mark. What is armed without one is only out.
    #[must_use]
    pub fn cancelling(&self, slot: usize) -> Option<Vec<Self>> {
        let Slot { priority, tries, successful, seen } = self.slots[slot];
        let armed = priority > 0 && tries > 0 && !successful;
        if self.booted == Some(slot) || (!armed && self.state(slot) != State::Staged) {
            return None;
        }
        self.another_is_good(slot)?;
        let out = |seen| self.with(slot, Slot { tries: 1, seen, ..Slot::EMPTY });
        let marks = [Seen::Becoming(None), Seen::Nothing].map(out);
        let marked = if matches!(seen, Seen::Valid(_)) { marks.to_vec() } else { vec![] };
        Some([vec![self.clone(), out(seen)], marked].concat())
    }

    /// The best good slot that is not booted is raised.
    #[must_use]
    pub fn rolling_back(&self) -> Option<Vec<Self>> {
        let good = (0..self.slots.len()).filter(|slot| self.booted != Some(*slot) && self.state(*slot) == State::Good);
        let best = good.min_by_key(|slot| (16 - self.slots[*slot].priority, *slot))?;
        Some(vec![self.clone(), self.clone().first(best, self.slots[best])])
    }
}
