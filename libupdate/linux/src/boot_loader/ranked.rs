//! Rankings for the tests of stores.

use libupdate::SlotId;
use libupdate::boot::Candidate;
use libupdate::gpt::{EntryNumber, Priority, SlotBits, Successful, TriesLeft};
use libupdate::loader::Ranking;

/// A ranking of slots from a on: priority, tries left, whether it is good.
pub fn ranking(slots: &[(u8, u8, bool)]) -> Ranking {
    let candidates = slots.iter().enumerate().map(|(index, (priority, tries, good))| Candidate {
        slot: SlotId::from_index(index).unwrap(),
        entry: EntryNumber::new(u32::try_from(index).unwrap() + 1).unwrap(),
        bits: SlotBits {
            priority: Priority::new(*priority).unwrap(),
            tries_left: TriesLeft::new(*tries).unwrap(),
            successful: if *good { Successful::Yes } else { Successful::No },
        },
    });
    Ranking::of(&candidates.collect::<Vec<_>>(), None, None)
}
