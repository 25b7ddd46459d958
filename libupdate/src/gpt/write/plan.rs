//! The steps of a change to the partition table, decided before the first of them is taken. Pure: no IO.
//!
//! E are the entries, H the header, 1 the primary, 2 the backup, `|` a flush and a read-back, `=` a comparison: what is about to be
//! replaced, or copied, is still what the plan was made on.
//!
//! | act | steps | a cut leaves |
//! |---|---|---|
//! | [`commit`], 512-byte blocks | = E2 H2 `\|` = H1 with E1 in one write `\|` | the old primary; then a new backup |
//! | [`commit`], otherwise | = E2 H2 `\|` = H1 `\|` E1 `\|` | the same |
//! | [`rewrite`] | = H `\|` E `\|` of the bad copy | the good copy, which is not touched |
//! | [`relocate`] | = E2 H2 at the new place `\|` = H1 `\|` | the primary, then the new backup in the last block |
//! | [`fresh`] | E2 H2 `\|` MBR E1 `\|` H1 `\|` | an old primary, then the new backup in the last block |
//!
//! Each table starts from a disk whose cache is empty: the acts of [`write`](crate::gpt::write) flush before their first step. Without that flush
//! the first writes would share a window with those of an earlier act that was killed or whose flush failed, and a cut could tear
//! both copies.
//!
//! This crate's reader does not need H1 and E1 in one write: it takes the backup. Others do not: Linux without `gpt` on
//! the command line, and GRUB, which refuses a backup that differs from a valid primary header.

use crate::error::Misuse;
use crate::gpt::CopyId;
use crate::units::block::{BlockSize, Lba};
use crate::units::limits::SLOTS;

/// Steps of the longest plan: a commit that touches a block of its own for each slot, in both copies.
const STEPS: usize = 32;
const MBR_LBA: Lba = Lba::new(0);
const PRIMARY_LBA: Lba = Lba::new(1);

/// One step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Write these blocks. Not durable yet.
    Write(Region),
    /// Make every earlier write durable.
    Flush,
    /// Read a copy again, header and entries: it must still be what the plan was made on.
    Compare(CopyId),
    /// Read a header again, and compare it.
    ReadBackHeader(CopyId),
    /// Read a copy again, header and entries, and compare them.
    ReadBack(CopyId),
}

/// Consecutive blocks of the whole disk that belong to one copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region {
    /// The copy.
    pub copy: CopyId,
    /// The first block.
    pub first: Lba,
    /// How many.
    pub blocks: u64,
}

/// Where a copy is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CopyPlace {
    /// Block of the header.
    pub header: Lba,
    /// First block of the entries.
    pub entries: Lba,
}

/// Blocks of the array that a change touches, counted from its start, in ascending order.
pub type Touched = heapless::Vec<u64, SLOTS>;

/// What a commit's order depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommitFacts<'a> {
    /// Logical blocks.
    pub block_size: BlockSize,
    /// What the disk writes at once.
    pub physical_block_size: BlockSize,
    /// Whole blocks that the scratch holds: no write is longer.
    pub scratch_blocks: u64,
    /// The primary, if it is to be written.
    pub primary: Option<CopyPlace>,
    /// The backup, if it is to be written.
    pub backup: Option<CopyPlace>,
    /// The first block that a partition may use: no write gets that far.
    pub first_usable: Lba,
    /// Blocks of the array that change.
    pub touched: &'a [u64],
}

/// The steps, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub struct Plan(heapless::Vec<Step, STEPS>);

/// The order of a change of slot bits.
///
/// # Errors
/// [`Misuse::TooManyEdits`] where more blocks are touched than there can be slots.
pub fn commit(facts: &CommitFacts<'_>) -> Result<Plan, Misuse> {
    let mut plan = Plan::new();
    if let Some(backup) = facts.backup {
        plan.push(Step::Compare(CopyId::Backup))?;
        for region in facts.entry_runs(CopyId::Backup, backup) {
            plan.write_joined(region, facts.scratch_blocks)?;
        }
        plan.write_joined(header_of(CopyId::Backup, backup.header), facts.scratch_blocks)?;
        plan.push(Step::Flush)?;
        plan.push(Step::ReadBack(CopyId::Backup))?;
    }
    if let Some(primary) = facts.primary {
        plan.push(Step::Compare(CopyId::Primary))?;
        if let Some(region) = facts.single_write(primary) {
            plan.push(Step::Write(region))?;
        } else {
            plan.push(Step::Write(header_of(CopyId::Primary, primary.header)))?;
            plan.push(Step::Flush)?;
            plan.push(Step::ReadBackHeader(CopyId::Primary))?;
            for region in facts.entry_runs(CopyId::Primary, primary) {
                plan.write_joined(region, facts.scratch_blocks)?;
            }
        }
        plan.push(Step::Flush)?;
        plan.push(Step::ReadBack(CopyId::Primary))?;
    }
    Ok(plan)
}

/// The order of writing `target` anew from the other copy. `entries` is `None` if its entries are right already.
///
/// The header goes first. A header that still holds, over entries of which a cut took a block, would come to life again when that
/// block is the first one to be written: the old table would be back, after the new one had been read.
///
/// # Errors
/// None in practice: the plan is short.
pub fn rewrite(target: CopyId, header: Lba, entries: Option<Region>) -> Result<Plan, Misuse> {
    let mut plan = Plan::new();
    plan.push(Step::Compare(target.other()))?;
    plan.push(Step::Write(header_of(target, header)))?;
    plan.push(Step::Flush)?;
    if let Some(entries) = entries {
        plan.push(Step::ReadBackHeader(target))?;
        plan.push(Step::Write(entries))?;
        plan.push(Step::Flush)?;
    }
    plan.push(Step::ReadBack(target))?;
    Ok(plan)
}

/// The order of moving the backup to `to`, with `entry_blocks` blocks of entries.
///
/// # Errors
/// None in practice: the plan is short.
pub fn relocate(to: CopyPlace, entry_blocks: u64) -> Result<Plan, Misuse> {
    let mut plan = Plan::new();
    plan.push(Step::Compare(CopyId::Primary))?;
    plan.push(Step::Write(Region { copy: CopyId::Backup, first: to.entries, blocks: entry_blocks }))?;
    plan.push(Step::Write(header_of(CopyId::Backup, to.header)))?;
    plan.push(Step::Flush)?;
    plan.push(Step::ReadBack(CopyId::Backup))?;
    plan.push(Step::Compare(CopyId::Primary))?;
    plan.push(Step::Write(header_of(CopyId::Primary, PRIMARY_LBA)))?;
    plan.push(Step::Flush)?;
    plan.push(Step::ReadBack(CopyId::Primary))?;
    Ok(plan)
}

/// The order of writing a table where none is wanted any more.
///
/// The protective MBR comes after the backup, so that a disk with an older table has a valid one at every moment, and
/// before the primary header, so that a valid primary is never without it (Linux reads no GPT without).
///
/// # Errors
/// None in practice: the plan is short.
pub fn fresh(primary: CopyPlace, backup: CopyPlace, entry_blocks: u64) -> Result<Plan, Misuse> {
    let mut plan = Plan::new();
    plan.push(Step::Write(Region { copy: CopyId::Backup, first: backup.entries, blocks: entry_blocks }))?;
    plan.push(Step::Write(header_of(CopyId::Backup, backup.header)))?;
    plan.push(Step::Flush)?;
    plan.push(Step::ReadBack(CopyId::Backup))?;
    plan.push(Step::Write(Region { copy: CopyId::Primary, first: MBR_LBA, blocks: 1 }))?;
    plan.push(Step::Write(Region { copy: CopyId::Primary, first: primary.entries, blocks: entry_blocks }))?;
    plan.push(Step::Flush)?;
    plan.push(Step::Write(header_of(CopyId::Primary, primary.header)))?;
    plan.push(Step::Flush)?;
    plan.push(Step::ReadBack(CopyId::Primary))?;
    Ok(plan)
}

const fn header_of(copy: CopyId, first: Lba) -> Region {
    Region { copy, first, blocks: 1 }
}

impl CommitFacts<'_> {
    /// H1 with every touched block of E1, as one write: 512-byte blocks, the entries right after the header, and room
    /// for all of it in the scratch.
    fn single_write(&self, primary: CopyPlace) -> Option<Region> {
        if self.block_size != BlockSize::B512 || primary.header.plus(1) != Some(primary.entries) {
            return None;
        }
        let end = primary.entries.plus(*self.touched.last()?)?.plus(1)?;
        let region = match self.physical_block_size {
            BlockSize::B512 => region_between(PRIMARY_LBA, end)?,
            BlockSize::B4096 => {
                // A disk that writes 4096 bytes at once tears nothing inside them: whole ones, but no block of a
                // partition.
                let aligned = Lba::new(end.get().checked_next_multiple_of(8)?);
                region_between(MBR_LBA, aligned.min(self.first_usable).max(end))?
            }
        };
        (region.blocks <= self.scratch_blocks).then_some(region)
    }

    /// The touched blocks of one copy in as few regions as the scratch allows: the whole span where it fits, else the
    /// touched blocks alone.
    fn entry_runs(&self, copy: CopyId, place: CopyPlace) -> impl Iterator<Item = Region> {
        let span = self.touched.first().zip(self.touched.last());
        let whole = span
            .and_then(|(first, last)| region_between(place.entries.plus(*first)?, place.entries.plus(*last)?.plus(1)?))
            .map(|region| Region { copy, ..region })
            .filter(|region| region.blocks <= self.scratch_blocks);
        let alone = if whole.is_some() { &[] } else { self.touched };
        let alone = alone.iter().filter_map(move |block| Some(header_of(copy, place.entries.plus(*block)?)));
        whole.into_iter().chain(alone)
    }
}

/// The primary's blocks from `first` to before `end`.
fn region_between(first: Lba, end: Lba) -> Option<Region> {
    Some(Region { copy: CopyId::Primary, first, blocks: end.get().checked_sub(first.get())? })
}

impl Plan {
    const fn new() -> Self {
        Self(heapless::Vec::new())
    }

    /// The steps, in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    fn push(&mut self, step: Step) -> Result<(), Misuse> {
        self.0.push(step).map_err(|_| Misuse::TooManyEdits)
    }

    /// Writes `region`, in one with the write before it where the two touch and fit the scratch together.
    fn write_joined(&mut self, region: Region, scratch_blocks: u64) -> Result<(), Misuse> {
        if let Some(Step::Write(before)) = self.0.last_mut() {
            let joined = before.blocks.saturating_add(region.blocks);
            let touches = before.copy == region.copy && before.first.plus(before.blocks) == Some(region.first);
            if touches && joined <= scratch_blocks {
                before.blocks = joined;
                return Ok(());
            }
        }
        self.push(Step::Write(region))
    }
}
