//! A boot by the rules.

use libupdate::boot::Reason;

use super::{Failing, Model, Slot, Way};
use crate::machine::Refusal;

/// What an access that fails may still do to the boot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Luck {
    /// Nothing fails, or has failed already.
    Good,
    /// One access may fail.
    Bad,
}

impl Model {
    /// The machine comes up: each slot of the order is tried, its try spent first, until one starts. The ends are the slots that may have.
    #[must_use]
    pub fn booting(&self, refusal: Option<Refusal>, failing: Failing) -> Way {
        let down = Self { booted: None, ..self.clone() };
        let mut way = Way { steps: vec![], ends: vec![] };
        let luck = if failing == Failing::Nothing { Luck::Good } else { Luck::Bad };
        down.try_each(&down.order(), refusal, luck, &mut way);
        way
    }

    fn try_each(&self, order: &[usize], refusal: Option<Refusal>, luck: Luck, way: &mut Way) {
        way.steps.push(self.clone());
        let Some((slot, rest)) = order.split_first() else {
            way.ends.push(self.clone());
            return;
        };
        let spent = self.spending(*slot);
        let mut starts = vec![(spent.clone(), luck)];
        if luck == Luck::Bad {
            // It cannot be read, or its try cannot be spent, or nobody knows whether it is: that says nothing about the slot. A good one
            // boots all the same.
            spent.try_each(rest, refusal, Luck::Good, way);
            self.try_each(rest, refusal, Luck::Good, way);
            if self.slots[*slot].successful {
                starts.push((self.clone(), Luck::Good));
            }
        }
        for (state, luck) in starts {
            way.steps.push(state.clone());
            // What is damaged is not started.
            let damage = Refusal { slot: *slot, reason: Reason::CORRUPTION };
            let damage = self.slots[*slot].damaged.then_some(damage);
            let Some(why) = damage.or(refusal).filter(|why| why.slot == *slot) else {
                way.ends.push(Self { booted: Some(*slot), ..state });
                continue;
            };
            state.after(why, self.is_suspect(*slot)).try_each(rest, refusal, luck, way);
            if luck == Luck::Bad {
                state.try_each(rest, refusal, Luck::Good, way);
            }
        }
    }

    /// Rule 3: one try is spent, also of a good slot that is guarded.
    fn spending(&self, slot: usize) -> Self {
        let bits = self.slots[slot];
        let counts = !bits.successful || self.guard > 0;
        self.with(slot, Slot { tries: if counts { bits.tries.saturating_sub(1) } else { bits.tries }, ..bits })
    }

    /// A good slot whose counted boots were never confirmed.
    #[must_use]
    pub fn is_suspect(&self, slot: usize) -> bool {
        self.guard > 0 && self.slots[slot].successful && self.slots[slot].tries == 0
    }

    /// Rule 1: a trial that does not start has failed, a suspect whose blocks are wrong is good no more; while another slot is good.
    fn after(&self, refusal: Refusal, suspect: bool) -> Self {
        let Refusal { slot, reason } = refusal;
        let damaged = matches!(reason, Reason::CORRUPTION | Reason::ROOT_HASH);
        let trial = !self.slots[slot].successful;
        if self.another_is_good(slot).is_none() || reason == Reason::UNREADABLE {
            self.clone()
        } else if trial {
            self.failed(slot)
        } else if suspect && damaged {
            self.with(slot, Slot { successful: false, ..self.slots[slot] })
        } else {
            self.clone()
        }
    }
}
