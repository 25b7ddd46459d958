//! A boot loader that is not ours, and that chooses the slot by itself from a store of its own: an environment block, variables, file names.
//!
//! ```text
//!   slot bits of the GPT          the record: good, on trial, failed, and tries left
//!      │         ▲
//!      │ Ranking │ taken()         1. tries that the loader took come into the bits   (one commit)
//!      ▼         │                 2. what the bits say goes into the store           (one atomic step)
//!   store of the loader           what it reads at boot: which slot first, and how often
//! ```
//! [`Device`](crate::device::Device) does both around each commit, and in [`Device::reconcile`](crate::device::Device::reconcile), which
//! every boot and every `status` calls: a store that fell behind, because the power went between the two, is brought up to date. Only
//! counts go from the store to the bits, and only downwards: a store that is old or lost never makes a slot good, nor gives it tries.

use core::fmt;

use heapless::Vec;

use crate::boot::{self, Candidate};
use crate::gpt::{Priority, Successful, TriesLeft};
use crate::io::BlockIo;
use crate::transition::Staged;
use crate::units::limits::SLOTS;
use crate::units::slot_id::SlotId;

/// What a store shall say of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It boots.
    Good,
    /// It boots while tries are left, and each boot takes one.
    Trial(TriesLeft),
    /// It does not boot, not even if nothing else does: it may be half written.
    Off,
}

/// What a store shall say: every slot, the one that boots first at the top. Slots that are [`Standing::Off`] come last.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ranking {
    rows: Vec<(SlotId, Standing), SLOTS>,
    confirmed: Option<SlotId>,
    runs: Option<SlotId>,
}

impl Ranking {
    /// What the slot bits say. `confirmed`: the slot that has just been marked good, or put first. `runs`: the booted one.
    #[must_use]
    pub fn of(candidates: &[Candidate], confirmed: Option<SlotId>, runs: Option<SlotId>) -> Self {
        let row = |candidate: &Candidate| (candidate.slot, Standing::of(candidate));
        Self { rows: boot::last_resort(candidates).iter().map(row).collect(), confirmed, runs }
    }

    /// Slots and what is said of them, the first one first.
    #[must_use]
    pub fn rows(&self) -> &[(SlotId, Standing)] {
        &self.rows
    }

    /// Slots that may boot, the first one first.
    pub fn bootable(&self) -> impl Iterator<Item = (SlotId, Standing)> {
        self.rows.iter().copied().filter(|(_, standing)| *standing != Standing::Off)
    }

    /// The first slot that is good.
    #[must_use]
    pub fn first_good(&self) -> Option<SlotId> {
        self.rows.iter().find(|(_, standing)| *standing == Standing::Good).map(|(slot, _)| *slot)
    }

    /// The slot on trial that is before every good slot and has a try left: the one that a flag is for.
    #[must_use]
    pub fn trial(&self) -> Option<SlotId> {
        let mut up_to_good = self.rows.iter().take_while(|(_, standing)| *standing != Standing::Good);
        let is_trial = |standing: &Standing| matches!(standing, Standing::Trial(left) if *left > TriesLeft::ZERO);
        up_to_good.find(|(_, standing)| is_trial(standing)).map(|(slot, _)| *slot)
    }

    /// The slot that a flag has to name now: [`Ranking::trial`], if it does not run. The boot of the one that runs is spent; if nobody
    /// confirms it, the slot that runs then counts it, and sets the flag again.
    #[must_use]
    pub fn next_trial(&self) -> Option<SlotId> {
        self.trial().filter(|slot| self.runs != Some(*slot))
    }

    /// Boots that a store which counts those of good slots, too, gives a good one. `stored`: what it has left now, `was_good`: whether the
    /// store called it good already, `usual`: what it begins with.
    ///
    /// It begins anew when it is marked good or put first, and keeps its count else. One that was good and has no boot left hangs: it gets
    /// none because another slot runs and looks.
    #[must_use]
    pub fn good_left(&self, slot: SlotId, stored: Option<TriesLeft>, was_good: bool, usual: TriesLeft) -> TriesLeft {
        let kept = stored.filter(|left| was_good || *left > TriesLeft::ZERO);
        kept.filter(|_| self.confirmed != Some(slot)).unwrap_or(usual)
    }
}

impl Standing {
    fn of(candidate: &Candidate) -> Self {
        let bits = candidate.bits;
        match (bits.priority == Priority::ZERO, bits.successful) {
            (true, _) => Self::Off,
            (false, Successful::Yes) => Self::Good,
            (false, Successful::No) => Self::Trial(bits.tries_left),
        }
    }
}

/// How a loader counts the boots of a slot on trial.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counting {
    /// In its store, down to 0.
    Down,
    /// Not at all: a flag names the slot for one boot, and the firmware clears it.
    Once,
}

/// Whether [`Loader::put`] had to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Put {
    /// The store said it already.
    Unchanged,
    /// It was written.
    Written,
}

/// The store of a boot loader. `D` is the disk with the slots, which a store may be on.
pub trait Loader<D: BlockIo>: fmt::Debug {
    /// How the loader counts.
    fn counting(&self) -> Counting;

    /// Tries that the store has left for `slot`; `None` if it does not boot it, or not count it. For [`Counting::Once`]: one while the flag
    /// is set.
    ///
    /// # Errors
    /// The store cannot be read, or is damaged: nothing was written.
    fn read(&mut self, disk: &mut D, slot: SlotId) -> Result<Option<TriesLeft>, D::Error>;

    /// Takes what the loader needs of a slot that is about to be armed, so that [`Loader::put`] need only name it: its kernel, on a
    /// partition that the loader reads. What is taken does not boot yet.
    ///
    /// # Errors
    /// It cannot be taken: the slot is not armed.
    fn prepare(&mut self, _disk: &mut D, _staged: &Staged<'_>) -> Result<(), D::Error> {
        Ok(())
    }

    /// Makes the store say `ranking`, in one step that is durable when it returns. Writes nothing if the store says it already.
    ///
    /// # Durability
    /// A cut leaves what the store said before, or all of `ranking`. A store of several files or variables says itself why the device boots
    /// from each state in between.
    /// # Errors
    /// The store could not be written: it says what it said before.
    fn put(&mut self, disk: &mut D, ranking: &Ranking) -> Result<Put, D::Error>;
}

/// Tries left of a slot once those that the loader took are gone, if it took any since the bits were written. Pure.
///
/// A loader that does not count boots a slot on trial once for each flag. If the flag is gone and another slot runs, that boot was spent:
/// the slot did not start, or the flag was lost with the power. `booted` unknown: nothing can be said.
#[must_use]
pub fn taken(
    candidate: &Candidate,
    stored: Option<TriesLeft>,
    counting: Counting,
    booted: Option<SlotId>,
) -> Option<TriesLeft> {
    let Standing::Trial(left) = Standing::of(candidate) else { return None };
    match counting {
        Counting::Down => stored.filter(|stored| *stored < left),
        Counting::Once if stored.is_some_and(|stored| stored > TriesLeft::ZERO) => None,
        Counting::Once if booted.is_none_or(|booted| booted == candidate.slot) => None,
        Counting::Once => left.spent(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpt::{EntryNumber, SlotBits};

    fn candidate(index: usize, priority: u8, tries: u8, successful: Successful) -> Candidate {
        let bits = SlotBits {
            priority: Priority::new(priority).unwrap(),
            tries_left: TriesLeft::new(tries).unwrap(),
            successful,
        };
        let entry = EntryNumber::new(u32::try_from(index).unwrap() + 1).unwrap();
        Candidate { slot: SlotId::from_index(index).unwrap(), entry, bits }
    }

    fn tries(left: u8) -> TriesLeft {
        TriesLeft::new(left).unwrap()
    }

    #[test]
    fn a_ranking_has_the_boot_order_and_what_is_off_last() {
        let slots = [
            candidate(0, 1, 3, Successful::Yes),
            candidate(1, 0, 1, Successful::No),
            candidate(2, 2, 2, Successful::No),
        ];
        let ranking = Ranking::of(&slots, None, Some(SlotId::A));
        let [a, b, c] = slots.map(|one| one.slot);
        assert_eq!(ranking.rows(), [(c, Standing::Trial(tries(2))), (a, Standing::Good), (b, Standing::Off)]);
        assert_eq!((ranking.first_good(), ranking.next_trial()), (Some(a), Some(c)));
        assert_eq!(ranking.bootable().count(), 2);
        let runs = Ranking::of(&slots, None, Some(c));
        assert_eq!((runs.trial(), runs.next_trial()), (Some(c), None), "it runs: its boot is spent");
        let spent = [slots[0], candidate(2, 2, 0, Successful::No)];
        assert_eq!(Ranking::of(&spent, None, None).next_trial(), None);
        let behind = [candidate(0, 3, 3, Successful::Yes), slots[2]];
        assert_eq!(Ranking::of(&behind, None, None).next_trial(), None, "a trial after a good slot does not boot");
    }

    #[test]
    fn a_good_slot_keeps_its_count_until_it_is_confirmed() {
        let slots = [candidate(0, 2, 3, Successful::Yes), candidate(1, 1, 3, Successful::Yes)];
        let left = |confirmed, stored, was_good| {
            let ranking = Ranking::of(&slots, confirmed, Some(SlotId::B));
            ranking.good_left(SlotId::A, stored, was_good, tries(3)).get()
        };
        assert_eq!((left(None, Some(tries(1)), true), left(Some(SlotId::B), Some(tries(1)), false)), (1, 1));
        assert_eq!((left(Some(SlotId::A), Some(tries(1)), true), left(Some(SlotId::A), None, false)), (3, 3));
        assert_eq!((left(None, None, true), left(None, Some(tries(0)), false)), (3, 3), "it has yet to begin");
        assert_eq!(left(None, Some(tries(0)), true), 0, "it hangs");
    }

    #[test]
    fn counts_go_from_the_store_to_the_bits_downwards_and_for_trials_only() {
        let trial = candidate(1, 2, 3, Successful::No);
        let down = |candidate, stored| taken(&candidate, stored, Counting::Down, Some(SlotId::A));
        assert_eq!(down(trial, Some(tries(1))), Some(tries(1)));
        assert_eq!(down(trial, Some(tries(0))), Some(tries(0)));
        for stored in [None, Some(tries(3)), Some(tries(9))] {
            assert_eq!(down(trial, stored), None);
        }
        assert_eq!(down(candidate(1, 2, 3, Successful::Yes), Some(tries(0))), None, "a good slot");
        assert_eq!(down(candidate(1, 0, 3, Successful::No), Some(tries(0))), None, "a staged slot");
    }

    #[test]
    fn a_flag_that_is_gone_is_a_try_unless_the_trial_runs() {
        let trial = candidate(1, 2, 2, Successful::No);
        let once = |stored, booted| taken(&trial, stored, Counting::Once, booted);
        assert_eq!(once(None, Some(SlotId::A)), Some(tries(1)));
        assert_eq!(once(Some(tries(0)), Some(SlotId::A)), Some(tries(1)));
        assert_eq!(once(Some(tries(1)), Some(SlotId::A)), None, "it has yet to boot");
        assert_eq!(once(None, Some(SlotId::B)), None, "it runs");
        assert_eq!(once(None, None), None, "nobody knows");
        let out = candidate(1, 2, 0, Successful::No);
        assert_eq!(taken(&out, None, Counting::Once, Some(SlotId::A)), None);
    }
}
