//! Which slot to boot. Pure: no IO, no clock, total over every input.
//!
//! | priority | tries left | successful | bootable | what the boot costs |
//! |---|---|---|---|---|
//! | 0 | any | any | no | |
//! | >0 | 0 | no | no | |
//! | >0 | >0 | no | yes, on trial | one try, or it does not boot |
//! | >0 | >0 | yes | yes | one try, if the profile guards good slots |
//! | >0 | 0 | yes | yes | no try; every block is read first, if the profile guards |
//!
//! Higher priority first; a tie goes to the lower entry number.

use heapless::Vec;

use crate::gpt::{EntryNumber, Priority, SlotBits, Successful, TriesLeft};
use crate::slot::{SlotTable, bootable};
use crate::units::limits::SLOTS;
use crate::units::slot_id::SlotId;

mod reason;
mod setback;
mod step;
pub mod unfit;

pub use reason::{DETAIL_BYTES, Detail, Reason};
pub use setback::Setback;
pub(crate) use step::{Consequence, consequence, exhausted, is_on_trial, is_out, last_steps, steps};
pub use step::{Depth, Stage, Step};
pub use unfit::Unfit;

/// Whether boots of a good slot are counted until they are confirmed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guard {
    /// Not counted, nothing is written in a good boot.
    Off,
    /// This many unconfirmed boots before every block is checked.
    Boots(TriesLeft),
}

impl Guard {
    /// The guard of a profile: 0 is off.
    #[must_use]
    pub const fn new(boots: TriesLeft) -> Self {
        if boots.get() == 0 { Self::Off } else { Self::Boots(boots) }
    }

    /// Tries left of a slot that was just marked good.
    #[must_use]
    pub const fn tries(self) -> TriesLeft {
        match self {
            Self::Off => TriesLeft::ZERO,
            Self::Boots(boots) => boots,
        }
    }
}

/// What the chooser knows of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// The slot.
    pub slot: SlotId,
    /// The entry that carries its bits.
    pub entry: EntryNumber,
    /// Its bits.
    pub bits: SlotBits,
}

/// How a slot is booted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It has not completed a boot: a spent try is the condition of booting it.
    Trial {
        /// Tries left once this boot's is spent.
        left: TriesLeft,
    },
    /// It has, and the boot is counted.
    Counted {
        /// Tries left once this boot's is spent.
        left: TriesLeft,
    },
    /// It has, and nothing is written.
    Good,
    /// It has, but its counted boots were never confirmed: every block is read and checked before it boots.
    Suspect,
}

impl Kind {
    /// Whether the slot has yet to complete a boot.
    #[must_use]
    pub const fn is_trial(self) -> bool {
        matches!(self, Self::Trial { .. })
    }
}

/// The slot to boot, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Boot {
    /// The slot.
    pub candidate: Candidate,
    /// What it costs.
    pub kind: Kind,
}

/// What [`choose`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    /// Boot this slot.
    Boot(Boot),
    /// No slot is bootable: the profile's last resort decides. [`last_resort`] has the order.
    Nothing,
}

/// The slot that boots next.
#[must_use]
pub fn choose(candidates: &[Candidate], guard: Guard) -> Choice {
    order(candidates, guard).first().map_or(Choice::Nothing, |boot| Choice::Boot(*boot))
}

/// Every bootable slot, the next one first: what is tried in turn where a check fails.
#[must_use]
pub fn order(candidates: &[Candidate], guard: Guard) -> Vec<Boot, SLOTS> {
    let boots = candidates
        .iter()
        .filter_map(|candidate| Some(Boot { candidate: *candidate, kind: kind(candidate.bits, guard)? }));
    sorted(boots.take(SLOTS).collect(), |boot| boot.candidate)
}

/// Slots to try where none is bootable, the most promising first: those with a priority, then the rest. Each is read and
/// checked in full before it boots.
#[must_use]
pub fn last_resort(candidates: &[Candidate]) -> Vec<Candidate, SLOTS> {
    sorted(candidates.iter().take(SLOTS).copied().collect(), |candidate| *candidate)
}

/// The chooser's view of a slot table.
#[must_use]
pub fn candidates(table: &SlotTable<'_>) -> Vec<Candidate, SLOTS> {
    let seen = table.slots().iter();
    seen.map(|slot| Candidate { slot: slot.id, entry: slot.control, bits: slot.bits() }).take(SLOTS).collect()
}

fn kind(bits: SlotBits, guard: Guard) -> Option<Kind> {
    if !bootable(bits) {
        return None;
    }
    Some(match (bits.successful, guard, bits.tries_left.spent()) {
        (Successful::No, _, left) => Kind::Trial { left: left? },
        (Successful::Yes, Guard::Off, _) => Kind::Good,
        (Successful::Yes, Guard::Boots(_), Some(left)) => Kind::Counted { left },
        (Successful::Yes, Guard::Boots(_), None) => Kind::Suspect,
    })
}

/// At most as many rows as there are slots: inserting each in its place is the least code.
fn sorted<T>(rows: Vec<T, SLOTS>, candidate: impl Fn(&T) -> Candidate) -> Vec<T, SLOTS> {
    let key = |row: &T| {
        let Candidate { entry, bits, .. } = candidate(row);
        (Priority::MAX.get().saturating_sub(bits.priority.get()), entry)
    };
    let mut sorted = Vec::new();
    for row in rows {
        let place = sorted.iter().position(|other| key(other) > key(&row)).unwrap_or(sorted.len());
        // There are as many places as rows.
        if sorted.insert(place, row).is_err() {
            break;
        }
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn letters(candidates: &[Candidate]) -> std::string::String {
        order(candidates, guard()).iter().map(|boot| boot.candidate.slot.letter()).collect()
    }

    #[test]
    fn higher_priority_first_ties_to_the_lower_entry_zero_never() {
        let table = [candidate(0, 3, 0, 1), candidate(1, 4, 0, 1), candidate(2, 0, 9, 1), candidate(3, 4, 0, 1)];
        assert_eq!(letters(&table), "bda");
        let mut swapped = table;
        swapped[1].entry = EntryNumber::new(9).unwrap();
        assert_eq!(letters(&swapped), "dba");
    }

    #[test]
    fn a_slot_without_success_needs_a_try() {
        assert_eq!(letters(&[candidate(0, 2, 0, 1), candidate(1, 3, 0, 0), candidate(2, 4, 1, 0)]), "ca");
        assert_eq!(choose(&[candidate(0, 2, 0, 0), candidate(1, 0, 3, 1)], guard()), Choice::Nothing);
    }

    #[test]
    fn what_each_boot_costs() {
        let cost = |bits: Candidate, guard| match choose(&[bits], guard) {
            Choice::Boot(boot) => boot.kind,
            Choice::Nothing => panic!("not bootable"),
        };
        let left = |tries| TriesLeft::new(tries).unwrap();
        assert_eq!(cost(candidate(0, 1, 3, 0), guard()), Kind::Trial { left: left(2) });
        assert_eq!(cost(candidate(0, 1, 3, 0), Guard::Off), Kind::Trial { left: left(2) });
        assert_eq!(cost(candidate(0, 1, 3, 1), guard()), Kind::Counted { left: left(2) });
        assert_eq!(cost(candidate(0, 1, 0, 1), guard()), Kind::Suspect);
        assert_eq!(cost(candidate(0, 1, 3, 1), Guard::Off), Kind::Good);
        assert_eq!(cost(candidate(0, 1, 0, 1), Guard::Off), Kind::Good);
    }

    /// Over every combination of bits of two slots: what is chosen is bootable, and something is chosen iff one is.
    #[test]
    fn the_choice_is_total_and_never_an_unbootable_slot() {
        let all = (0..2).flat_map(|s| (0..4).flat_map(move |p| (0..3).map(move |t| (p * 5, t, s))));
        for (a, b) in all.clone().flat_map(|a| all.clone().map(move |b| (a, b))) {
            let table = [candidate(0, a.0, a.1, a.2), candidate(1, b.0, b.1, b.2)];
            let any = table.iter().any(|candidate| bootable(candidate.bits));
            match choose(&table, guard()) {
                Choice::Nothing => assert!(!any),
                Choice::Boot(boot) => {
                    assert!(bootable(boot.candidate.bits));
                    let beaten =
                        |other: &&Candidate| bootable(other.bits) && other.bits.priority > boot.candidate.bits.priority;
                    assert!(!table.iter().any(|other| beaten(&other)));
                }
            }
        }
    }

    #[test]
    fn the_last_resort_tries_every_slot_once() {
        let table = [candidate(0, 0, 0, 0), candidate(1, 2, 0, 0), candidate(2, 1, 0, 0)];
        let letters: std::string::String = last_resort(&table).iter().map(|c| c.slot.letter()).collect();
        assert_eq!(letters, "bca");
    }
}
