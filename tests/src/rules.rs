//! The rules of slot bits once more, from DESIGN.md 3.3 and not from the code: what each act may do to them, and nothing else.
//!
//! | step | needs | leaves |
//! |---|---|---|
//! | disarm | out of the order, or another slot good | P 0, T 1, S 0 |
//! | clear (mark-bad) | another slot good | P 0, T 0, S 0 |
//! | stage | P 0, S 0 | T = tries |
//! | arm | P 0, S 0 | P above all others, T = tries, S 0 |
//! | first good | P 0, S 0, all others zero | P 1, T = guard, S 1 |
//! | spend | bootable, T > 0 | T - 1 |
//! | mark good | P > 0 | T = guard, S 1 |
//! | withdraw | good, another slot good | S 0 |
//! | raise (rollback) | good | P above all others |
//!
//! "Above" is the highest other plus one; past 15 the others move down in their order, none to 0.

/// Priority, tries left, successful: as `P T S` in every table of this project.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Bits(pub u8, pub u8, pub u8);

impl Bits {
    /// Whether the chooser may boot the slot.
    #[must_use]
    pub const fn bootable(self) -> bool {
        self.0 > 0 && (self.1 > 0 || self.2 == 1)
    }

    const fn good(self) -> bool {
        self.0 > 0 && self.2 == 1
    }
}

/// What the profile says of tries.
#[derive(Clone, Copy, Debug)]
pub struct Tries {
    /// Of a slot that is armed.
    pub trial: u8,
    /// Of a slot that is marked good.
    pub guard: u8,
}

/// One change of slot bits; slots are counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Out of the boot order, to be written.
    Disarm(usize),
    /// Out of the boot order, for what it did.
    Clear(usize),
    /// Complete, and not in the boot order.
    Stage(usize),
    /// First in the boot order, on trial.
    Arm(usize),
    /// The first slot of a new disk.
    FirstGood(usize),
    /// One boot less.
    Spend(usize),
    /// It has completed a boot.
    MarkGood(usize),
    /// A good slot that is damaged.
    Withdraw(usize),
    /// A good slot first in the boot order.
    Raise(usize),
}

impl Step {
    /// Every step on a disk of this many slots.
    fn all(slots: usize) -> impl Iterator<Item = Self> {
        let kinds = [
            Self::Disarm,
            Self::Clear,
            Self::Stage,
            Self::Arm,
            Self::FirstGood,
            Self::Spend,
            Self::MarkGood,
            Self::Withdraw,
            Self::Raise,
        ];
        (0..slots).flat_map(move |slot| kinds.map(|kind| kind(slot)))
    }
}

/// The bits after `step`, if the rules allow it.
#[must_use]
pub fn take(bits: &[Bits], step: Step, tries: Tries) -> Option<Vec<Bits>> {
    let others_good = |slot: usize| bits.iter().enumerate().any(|(other, bits)| other != slot && bits.good());
    let in_order = |bits: Bits| bits.0 > 0 || bits.2 == 1;
    let with = |slot: usize, new: Bits| {
        let mut after = bits.to_vec();
        after[slot] = new;
        after
    };
    match step {
        Step::Clear(slot) => others_good(slot).then(|| with(slot, Bits(0, 0, 0))),
        Step::Disarm(slot) => (!in_order(bits[slot]) || others_good(slot)).then(|| with(slot, Bits(0, 1, 0))),
        Step::Stage(slot) => (!in_order(bits[slot])).then(|| with(slot, Bits(0, tries.trial, 0))),
        Step::Arm(slot) if !in_order(bits[slot]) => {
            let mut after = above(bits, slot);
            after[slot] = Bits(after[slot].0, tries.trial, 0);
            Some(after)
        }
        Step::FirstGood(slot) => {
            let clean = bits.iter().enumerate().all(|(other, bits)| other == slot || *bits == Bits(0, 0, 0));
            (clean && !in_order(bits[slot])).then(|| with(slot, Bits(1, tries.guard, 1)))
        }
        Step::Spend(slot) => {
            let Bits(priority, left, successful) = bits[slot];
            (bits[slot].bootable() && left > 0).then(|| with(slot, Bits(priority, left - 1, successful)))
        }
        Step::MarkGood(slot) => (bits[slot].0 > 0).then(|| with(slot, Bits(bits[slot].0, tries.guard, 1))),
        Step::Withdraw(slot) => {
            let Bits(priority, left, _) = bits[slot];
            (bits[slot].good() && others_good(slot)).then(|| with(slot, Bits(priority, left, 0)))
        }
        Step::Raise(slot) if bits[slot].good() => Some(above(bits, slot)),
        Step::Arm(_) | Step::Raise(_) => None,
    }
}

/// The bits with `slot`'s priority above all others'.
fn above(bits: &[Bits], slot: usize) -> Vec<Bits> {
    let mut after = bits.to_vec();
    let others = |bits: &[Bits]| -> Vec<u8> {
        bits.iter().enumerate().filter(|(other, _)| *other != slot).map(|(_, bits)| bits.0).collect()
    };
    if others(bits).into_iter().max().unwrap_or(0) == 15 {
        let mut ranks = others(bits);
        ranks.retain(|priority| *priority > 0);
        ranks.sort_unstable();
        ranks.dedup();
        for bits in &mut after {
            let rank = ranks.iter().position(|priority| *priority == bits.0);
            bits.0 = rank.map_or(0, |rank| u8::try_from(rank + 1).unwrap_or(15));
        }
    }
    after[slot].0 = others(&after).into_iter().max().unwrap_or(0) + 1;
    after
}

/// The steps that lead from the one to the other.
#[must_use]
pub fn explain(before: &[Bits], after: &[Bits], tries: Tries) -> Vec<Step> {
    Step::all(before.len()).filter(|step| take(before, *step, tries).as_deref() == Some(after)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIES: Tries = Tries { trial: 5, guard: 3 };

    #[test]
    fn arming_counts_up_and_moves_the_others_down_past_15() {
        let next = take(&[Bits(2, 3, 1), Bits(0, 0, 0)], Step::Arm(1), TRIES);
        assert_eq!(next, Some(vec![Bits(2, 3, 1), Bits(3, 5, 0)]));
        let next = take(&[Bits(15, 3, 1), Bits(7, 0, 1), Bits(0, 0, 0)], Step::Arm(2), TRIES);
        assert_eq!(next, Some(vec![Bits(2, 3, 1), Bits(1, 0, 1), Bits(3, 5, 0)]));
    }

    #[test]
    fn the_last_good_slot_is_never_cleared() {
        assert_eq!(take(&[Bits(2, 3, 1), Bits(1, 2, 0)], Step::Clear(0), TRIES), None);
        assert!(take(&[Bits(2, 3, 1), Bits(1, 2, 0)], Step::Clear(1), TRIES).is_some());
    }

    #[test]
    fn what_no_rule_allows_is_not_explained() {
        assert_eq!(explain(&[Bits(2, 3, 1), Bits(3, 2, 0)], &[Bits(2, 3, 1), Bits(3, 1, 0)], TRIES), [Step::Spend(1)]);
        assert_eq!(explain(&[Bits(2, 3, 1), Bits(3, 2, 0)], &[Bits(2, 3, 1), Bits(3, 0, 0)], TRIES), []);
        assert_eq!(explain(&[Bits(2, 3, 1), Bits(3, 2, 0)], &[Bits(2, 2, 1), Bits(3, 1, 0)], TRIES), []);
    }
}
