//! What is tried next, and what becomes of a slot that did not hold. Pure.
//!
//! ```text
//!   named on the command line ──► that slot, nothing spent ──► reboot; if a loader insists on a good slot: the other good ones, every block
//!
//!   bootable slots, highest priority first:
//!     trial    ─ spend ─ check ──► boot          a failed check: the slot is failed
//!     counted  ─ spend ─ check ──► boot          a failed check: passed over, it may heal
//!     good     ───────── check ──► boot          the same
//!     suspect  ─ check every block ──► boot      a damaged block: it is good no more
//!         │ none of them
//!         ▼
//!   as the profile says:  last resort (every block of each slot) │ recovery partition │ reboot
//! ```

use heapless::Vec;

use crate::boot::{self, Boot, Candidate, Guard, Kind, Reason};
use crate::gpt::{Priority, Successful, TriesLeft};
use crate::slot::bootable;
use crate::units::limits::SLOTS;
use crate::units::slot_id::SlotId;

/// One try of one slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The chooser's: its try is spent first.
    Chosen(Boot),
    /// The command line's: whoever put it there has chosen and spent.
    Named(Candidate),
    /// Nothing else is left.
    LastResort(Candidate),
}

/// How much of a slot is read before it boots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Depth {
    /// What the kernel reads, as it reads it.
    AsRead,
    /// Every block, first.
    Everything,
}

/// A stage of a boot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The table was read, and repaired if it had to be.
    Table,
    /// The slot's try is spent.
    Try,
    /// Its trailers are authentic.
    Signature,
    /// Its rollback index is not below the floor.
    Floor,
    /// Its blocks are right, as far as they are read before it starts.
    Blocks,
}

/// What becomes of a slot that did not start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Consequence {
    /// It never boots again by itself.
    Failed,
    /// It is good no more, and has no tries left.
    GoodNoMore,
    /// It is not booted this time.
    PassedOver,
}

impl Step {
    /// The slot's bits and entry.
    #[must_use]
    pub const fn candidate(&self) -> Candidate {
        match self {
            Self::Chosen(boot) => boot.candidate,
            Self::Named(candidate) | Self::LastResort(candidate) => *candidate,
        }
    }

    /// The slot.
    #[must_use]
    pub const fn slot(&self) -> SlotId {
        self.candidate().slot
    }

    /// Whether the slot has yet to complete a boot.
    #[must_use]
    pub fn is_trial(&self) -> bool {
        match self {
            Self::Chosen(boot) => matches!(boot.kind, Kind::Trial { .. }),
            Self::Named(candidate) => candidate.bits.successful == Successful::No,
            Self::LastResort(_) => false,
        }
    }

    /// Tries left once this boot's is spent.
    #[must_use]
    pub const fn tries_left(&self) -> TriesLeft {
        match self {
            Self::Chosen(Boot { kind: Kind::Trial { left } | Kind::Counted { left }, .. }) => *left,
            _ => self.candidate().bits.tries_left,
        }
    }

    /// How much of the slot is read before it boots.
    #[must_use]
    pub const fn depth(&self) -> Depth {
        match self {
            Self::Chosen(Boot { kind: Kind::Suspect, .. }) | Self::LastResort(_) => Depth::Everything,
            Self::Chosen(_) | Self::Named(_) => Depth::AsRead,
        }
    }

    /// The word for the report.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Chosen(boot) => match boot.kind {
                Kind::Trial { .. } => "trial",
                Kind::Counted { .. } => "counted",
                Kind::Good => "good",
                Kind::Suspect => "suspect",
            },
            Self::Named(_) => "named",
            Self::LastResort(_) => "last-resort",
        }
    }
}

/// What is tried, in this order.
#[must_use]
pub(crate) fn steps(candidates: &[Candidate], guard: Guard, named: Option<SlotId>) -> Vec<Step, SLOTS> {
    match named {
        Some(slot) => candidates.iter().filter(|one| one.slot == slot).take(1).map(|one| Step::Named(*one)).collect(),
        None => boot::order(candidates, guard).iter().map(|one| Step::Chosen(*one)).collect(),
    }
}

/// What is tried if none of [`steps`] started; beside a slot that was named, only what is good.
#[must_use]
pub(crate) fn last_steps(candidates: &[Candidate], named: Option<SlotId>) -> Vec<Step, SLOTS> {
    let wanted = |one: &&Candidate| named.is_none_or(|named| named != one.slot && good(one));
    boot::last_resort(candidates).iter().filter(wanted).map(|one| Step::LastResort(*one)).collect()
}

/// Whether that slot is on trial, so that whoever named it counts its boots.
pub(crate) fn is_on_trial(candidates: &[Candidate], slot: SlotId) -> bool {
    let trial = |one: &Candidate| bootable(one.bits) && one.bits.successful == Successful::No;
    candidates.iter().any(|one| one.slot == slot && trial(one))
}

/// Whether that slot is out of the boot order, and another one is good.
pub(crate) fn is_out(candidates: &[Candidate], slot: SlotId) -> bool {
    let out = |one: &Candidate| one.slot == slot && one.bits.priority == Priority::ZERO;
    candidates.iter().any(out) && candidates.iter().any(good)
}

fn good(candidate: &Candidate) -> bool {
    candidate.bits.priority > Priority::ZERO && candidate.bits.successful == Successful::Yes
}

/// Slots in the boot order whose tries ran out: they are passed over without being checked.
pub(crate) fn exhausted(candidates: &[Candidate]) -> impl Iterator<Item = SlotId> {
    let out = |one: &&Candidate| one.bits.priority > Priority::ZERO && !bootable(one.bits);
    candidates.iter().filter(out).map(|one| one.slot)
}

/// What becomes of a slot that did not start.
#[must_use]
pub(crate) fn consequence(step: &Step, reason: Reason) -> Consequence {
    let Step::Chosen(boot) = step else { return Consequence::PassedOver };
    match boot.kind {
        // Nothing can be written to this disk, or nothing could be read from it: that says nothing about the slot.
        _ if matches!(reason, Reason::TRY_NOT_SPENT | Reason::UNREADABLE) => Consequence::PassedOver,
        Kind::Trial { .. } => Consequence::Failed,
        Kind::Suspect if matches!(reason, Reason::CORRUPTION | Reason::ROOT_HASH) => Consequence::GoodNoMore,
        Kind::Suspect | Kind::Counted { .. } | Kind::Good => Consequence::PassedOver,
    }
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    use super::*;
    use crate::gpt::{EntryNumber, SlotBits};

    fn candidate(index: usize, priority: u8, tries: u8, successful: u8) -> Candidate {
        let bits = SlotBits {
            priority: Priority::new(priority).unwrap(),
            tries_left: TriesLeft::new(tries).unwrap(),
            successful: if successful == 1 { Successful::Yes } else { Successful::No },
        };
        let entry = EntryNumber::new(u32::try_from(index).unwrap() + 1).unwrap();
        Candidate { slot: SlotId::from_index(index).unwrap(), entry, bits }
    }

    fn guard() -> Guard {
        Guard::new(TriesLeft::new(3).unwrap())
    }

    fn words(candidates: &[Candidate], named: Option<SlotId>) -> Vec<String> {
        let told = |step: &Step| format!("{}:{}:{}", step.slot(), step.word(), step.tries_left().get());
        steps(candidates, guard(), named).iter().map(told).collect()
    }

    #[test]
    fn bootable_slots_come_in_their_order_and_a_named_one_alone() {
        let table = [candidate(0, 1, 3, 1), candidate(1, 2, 3, 0)];
        assert_eq!(words(&table, None), ["b:trial:2", "a:counted:2"]);
        assert_eq!(words(&table, Some(SlotId::A)), ["a:named:3"]);
        assert_eq!(words(&table, Some(SlotId::from_index(2).unwrap())), [""; 0]);
        assert_eq!(words(&[candidate(0, 1, 0, 1), candidate(1, 2, 0, 0)], None), ["a:suspect:0"]);
    }

    #[test]
    fn exhausted_slots_are_named_and_disarmed_ones_are_not() {
        let table = [candidate(0, 1, 3, 1), candidate(1, 2, 0, 0), candidate(2, 0, 0, 0)];
        assert_eq!(exhausted(&table).collect::<Vec<_>>(), [SlotId::B]);
        assert_eq!(last_steps(&table, None).iter().map(|step| step.slot().letter()).collect::<String>(), "bac");
    }

    #[test]
    fn beside_a_named_slot_only_good_ones_are_tried() {
        let table = [candidate(0, 2, 3, 1), candidate(1, 5, 3, 0), candidate(2, 1, 0, 1), candidate(3, 0, 3, 1)];
        let beside = |slot| last_steps(&table, Some(slot)).iter().map(|step| step.slot().letter()).collect::<String>();
        assert_eq!((beside(SlotId::A), beside(SlotId::B)), ("c".into(), "ac".into()));
        assert!(is_on_trial(&table, SlotId::B) && !is_on_trial(&table, SlotId::A));
        let spent = candidate(1, 5, 0, 0);
        assert!(!is_on_trial(&[spent], SlotId::B), "nobody counts it any more");
        assert!(is_out(&table, table[3].slot) && !is_out(&table[3..], table[3].slot) && !is_out(&table, SlotId::A));
    }

    #[test]
    fn suspects_and_the_last_resort_are_read_in_full() {
        let step = |candidate| steps(&[candidate], guard(), None)[0];
        assert_eq!(step(candidate(0, 1, 0, 1)).depth(), Depth::Everything);
        assert_eq!(step(candidate(0, 1, 1, 1)).depth(), Depth::AsRead);
        assert_eq!(last_steps(&[candidate(0, 0, 0, 0)], None)[0].depth(), Depth::Everything);
    }

    #[test]
    fn a_trial_fails_a_good_slot_is_passed_over_a_suspect_is_withdrawn_by_damage_only() {
        let of = |candidate, reason| consequence(&steps(&[candidate], guard(), None)[0], reason);
        let (trial, counted, suspect) = (candidate(0, 1, 1, 0), candidate(0, 1, 1, 1), candidate(0, 1, 0, 1));
        for reason in [Reason::TRAILER, Reason::ROOT_HASH, Reason::MOUNT, Reason::NO_INIT, Reason::ROLLBACK] {
            assert_eq!(of(trial, reason), Consequence::Failed, "{reason}");
            assert_eq!(of(counted, reason), Consequence::PassedOver, "{reason}");
        }
        for reason in [Reason::TRY_NOT_SPENT, Reason::UNREADABLE] {
            assert_eq!(of(trial, reason), Consequence::PassedOver, "{reason}");
        }
        assert_eq!(of(suspect, Reason::CORRUPTION), Consequence::GoodNoMore);
        assert_eq!(of(suspect, Reason::ROOT_HASH), Consequence::GoodNoMore);
        assert_eq!(of(suspect, Reason::TRAILER), Consequence::PassedOver);
        let named = Step::Named(trial);
        assert_eq!(consequence(&named, Reason::MOUNT), Consequence::PassedOver);
    }
}
