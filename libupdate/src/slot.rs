//! Slots: which partitions they are, what state they are in, and how their bits change. Pure: no IO.
//!
//! ```text
//!            install            arm              boot, mark-good
//!   empty ──► disarmed ──► staged ──► trial ───────────────────────► good
//!              (mark)      (T > 0)     │ tries run out      mark-bad   │
//!                                      ▼                               ▼
//!                                   exhausted                       failed
//! ```
//!
//! | state | P | T | S | trailer | |
//! |---|---|---|---|---|---|
//! | empty | 0 | 0 | 0 | none | provision |
//! | disarmed | 0 | 1 | 0 | mark, or none | an installation began; also T = 0, and P = 0 with S = 1, which foreign tools make |
//! | staged | 0 | >0 | 0 | valid | `install --no-activate` |
//! | trial | >0 | >0 | 0 | valid | armed; also at T = 0 while it is the booted slot |
//! | exhausted | >0 | 0 | 0 | valid | tries ran out |
//! | failed | 0 | 0 | 0 | valid | mark-bad, or a check in the hook |
//! | good | >0 | any | 1 | valid | mark-good |
//! | unverified | any | any | any | not authentic, or none where one must be | |

use core::fmt;

use heapless::Vec;

use crate::error::{Rejected, TableFault};
use crate::gpt::{Attributes, Entry, EntryNumber, Guid, Priority, SlotBits, Successful, TriesLeft};
use crate::units::block::Extent;
use crate::units::crc::Crc;
use crate::units::limits::{PAYLOADS, SLOTS};
use crate::units::slot_id::SlotId;

mod bits;

pub use bits::{BitEdits, arm, disarm, mark_bad, mark_good, out_of_order, raise, spent, stage, withdraw};

/// What a partition is to its slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Duty {
    /// Its entry carries the slot bits.
    Control,
    /// It only holds an image.
    Member,
}

/// One partition that a profile asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartitionSpec<'p> {
    /// The slot it belongs to.
    pub slot: SlotId,
    /// What it holds: the role of a payload.
    pub role: &'p str,
    /// Its partition name in the table.
    pub label: &'p str,
    /// Its type.
    pub type_guid: Guid,
    /// Whether its entry carries the slot's bits.
    pub duty: Duty,
}

/// A partition of a slot, found in the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Partition<'p> {
    /// What it holds.
    pub role: &'p str,
    /// Its label.
    pub label: &'p str,
    /// Its number in the table.
    pub entry: EntryNumber,
    /// Its place.
    pub extent: Extent,
}

/// A slot, found in the table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slot<'p> {
    /// Its name.
    pub id: SlotId,
    /// The entry that carries its bits.
    pub control: EntryNumber,
    /// That entry's attribute word.
    pub attributes: Attributes,
    /// Its partitions, in the profile's order.
    pub partitions: Vec<Partition<'p>, PAYLOADS>,
}

impl Slot<'_> {
    /// The slot's bits.
    #[must_use]
    pub fn bits(&self) -> SlotBits {
        self.attributes.slot_bits()
    }

    /// Where its partitions are now.
    #[must_use]
    pub fn places(&self) -> Places {
        let mut sum = Crc::new();
        for partition in &self.partitions {
            let numbers = [partition.extent.first().get(), partition.extent.last().get(), partition.entry.get().into()];
            numbers.iter().for_each(|number| sum.update(&number.to_le_bytes()));
        }
        Places(sum.finalize())
    }

    /// The partition that holds `role`.
    #[must_use]
    pub fn partition(&self, role: &str) -> Option<&Partition<'_>> {
        self.partitions.iter().find(|partition| partition.role == role)
    }
}

/// Entry numbers and extents of a slot's partitions, as a checksum: tells whether somebody moved them between two looks.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Places(u32);

/// Every slot of the profile, found in the table, in the profile's order.
///
/// # Invariants
/// Each slot has its control partition and every other partition that the profile names, each exactly once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlotTable<'p> {
    slots: Vec<Slot<'p>, SLOTS>,
}

impl<'p> SlotTable<'p> {
    /// No slots yet: memory for `inspect::find_into`.
    #[must_use]
    pub const fn empty() -> Self {
        Self { slots: Vec::new() }
    }

    /// The slots.
    #[must_use]
    pub fn slots(&self) -> &[Slot<'p>] {
        &self.slots
    }

    /// The slot of that name.
    ///
    /// # Errors
    /// [`Rejected::NoSuchSlot`].
    pub fn get(&self, id: SlotId) -> Result<&Slot<'p>, Rejected> {
        self.slots.iter().find(|slot| slot.id == id).ok_or(Rejected::NoSuchSlot { slot: id })
    }
}

/// Finds the partitions of the profile among the entries of a table, one entry at a time.
///
/// Known by type and label, never by unique GUID: the same image in both slots may carry equal ones.
#[derive(Clone, Debug)]
pub struct SlotFinder<'p> {
    specs: &'p [PartitionSpec<'p>],
    found: Vec<(Found, Extent), FOUND>,
    twice: Option<SlotId>,
}

/// Partitions of all slots together.
const FOUND: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Found {
    spec: usize,
    entry: EntryNumber,
    attributes: Attributes,
}

impl<'p> SlotFinder<'p> {
    /// Looks for `specs`.
    #[must_use]
    pub const fn new(specs: &'p [PartitionSpec<'p>]) -> Self {
        Self { specs, found: Vec::new(), twice: None }
    }

    /// Looks at one entry of the table.
    pub fn see(&mut self, entry: &Entry) {
        let is_it = |spec: &&PartitionSpec<'_>| spec.type_guid == entry.type_guid && entry.name.eq_str(spec.label);
        let Some((index, spec)) = self.specs.iter().enumerate().find(|(_, spec)| is_it(spec)) else { return };
        if self.found.iter().any(|(found, _)| found.spec == index) {
            self.twice = Some(spec.slot);
            return;
        }
        let found = Found { spec: index, entry: entry.number, attributes: entry.attributes };
        if self.found.push((found, entry.extent)).is_err() {
            self.twice = Some(spec.slot);
        }
    }

    /// The slots, or the first thing that is missing or doubled.
    ///
    /// # Errors
    /// [`TableFault::PartitionMissing`], [`TableFault::PartitionAmbiguous`].
    pub fn finish(self) -> Result<SlotTable<'p>, TableFault> {
        let mut table = SlotTable::empty();
        self.fill(&mut table)?;
        Ok(table)
    }

    /// [`SlotFinder::finish`] into the caller's memory: the table is too large to be moved about on a small stack.
    ///
    /// # Errors
    /// As [`SlotFinder::finish`]; if a partition is missing or there twice, `table` is as it was.
    pub fn fill(&self, table: &mut SlotTable<'p>) -> Result<(), TableFault> {
        if let Some(slot) = self.twice {
            return Err(TableFault::PartitionAmbiguous { slot });
        }
        // Before anything is forgotten: a boot goes on with the slots that it knows.
        let is_found = |index: usize| self.found.iter().any(|(found, _)| found.spec == index);
        if let Some((_, spec)) = self.specs.iter().enumerate().find(|(index, _)| !is_found(*index)) {
            return Err(TableFault::PartitionMissing { slot: spec.slot });
        }
        table.slots.clear();
        for (index, spec) in self.specs.iter().enumerate() {
            let missing = TableFault::PartitionMissing { slot: spec.slot };
            let (found, extent) = self.found.iter().find(|(found, _)| found.spec == index).ok_or(missing)?;
            let partition = Partition { role: spec.role, label: spec.label, entry: found.entry, extent: *extent };
            add(table, spec, partition, found.attributes).ok_or(missing)?;
        }
        let without_control =
            |slot: &&Slot<'_>| !self.specs.iter().any(|s| s.slot == slot.id && s.duty == Duty::Control);
        match table.slots.iter().find(without_control) {
            Some(slot) => Err(TableFault::PartitionMissing { slot: slot.id }),
            None => Ok(()),
        }
    }
}

fn add<'p>(
    table: &mut SlotTable<'p>,
    spec: &PartitionSpec<'p>,
    partition: Partition<'p>,
    attributes: Attributes,
) -> Option<()> {
    let at = match table.slots.iter().position(|slot| slot.id == spec.slot) {
        Some(at) => at,
        None => {
            let slot = Slot { id: spec.slot, control: partition.entry, attributes, partitions: Vec::new() };
            table.slots.push(slot).ok()?;
            table.slots.len().checked_sub(1)?
        }
    };
    let slot = table.slots.get_mut(at)?;
    if spec.duty == Duty::Control {
        slot.control = partition.entry;
        slot.attributes = attributes;
    }
    slot.partitions.push(partition).ok()
}

/// What the trailer regions of a slot's partitions say, taken together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TrailerSeen {
    /// Nothing.
    None,
    /// An installation is, or was, under way.
    Mark,
    /// The same authentic manifest on every partition, with the profile's roles.
    Valid,
    /// Something that is not authentic, or not the same everywhere.
    NotAuthentic,
}

/// Whether the running system came from a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It did.
    Booted,
    /// It did not.
    NotBooted,
}

/// The state of a slot: see the table above.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum SlotState {
    /// Nothing was ever installed.
    Empty,
    /// An installation began, or a foreign tool took it out.
    Disarmed,
    /// What it holds is not authentic.
    Unverified,
    /// It was tried, or checked, and found bad.
    Failed,
    /// Its tries ran out.
    Exhausted,
    /// Complete, not armed.
    Staged,
    /// Armed, or booted and not yet marked good.
    Trial,
    /// It has completed a boot.
    Good,
}

impl SlotState {
    /// The state of a slot with these bits and this trailer. Total.
    #[must_use]
    pub const fn of(bits: SlotBits, trailer: TrailerSeen, standing: Standing) -> Self {
        let SlotBits { priority, tries_left, successful } = bits;
        let never = priority.get() == 0;
        match (trailer, successful) {
            (_, Successful::Yes) if never => Self::Disarmed,
            (TrailerSeen::NotAuthentic, _) => Self::Unverified,
            (TrailerSeen::None, _) if never && tries_left.get() == 0 => Self::Empty,
            (TrailerSeen::Mark | TrailerSeen::None, _) if never => Self::Disarmed,
            (TrailerSeen::None | TrailerSeen::Mark, _) => Self::Unverified,
            (TrailerSeen::Valid, Successful::Yes) => Self::Good,
            (TrailerSeen::Valid, Successful::No) => Self::of_unsuccessful(never, tries_left, standing),
        }
    }

    const fn of_unsuccessful(never: bool, tries_left: TriesLeft, standing: Standing) -> Self {
        match (never, tries_left.get(), standing) {
            (true, 0, _) => Self::Failed,
            (true, ..) => Self::Staged,
            (false, 0, Standing::NotBooted) => Self::Exhausted,
            (false, ..) => Self::Trial,
        }
    }

    /// The word that `status` prints.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Disarmed => "disarmed",
            Self::Unverified => "unverified",
            Self::Failed => "failed",
            Self::Exhausted => "exhausted",
            Self::Staged => "staged",
            Self::Trial => "trial",
            Self::Good => "good",
        }
    }
}

impl fmt::Display for SlotState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Whether the chooser may boot a slot with these bits: priority, and success or a try left.
#[must_use]
pub fn bootable(bits: SlotBits) -> bool {
    bits.priority > Priority::ZERO && (bits.successful == Successful::Yes || bits.tries_left > TriesLeft::ZERO)
}

#[cfg(test)]
mod tests;
