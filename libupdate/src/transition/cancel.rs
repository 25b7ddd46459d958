//! The way back from an armed or staged slot without a verdict: it is disarmed, and its trailers become the mark of what it holds.
//!
//! ```text
//!  trial ──┐
//!          ├─ disarm: one commit ─► staged ─ trailers to marks, flush ─► disarmed, as a cut installation leaves it
//!  staged ─┘
//! ```
//! So nothing arms it but an installation, which is not refused as of something that failed, and which finds by the mark that every
//! chunk is there already. A slot that is armed without an authentic trailer holds nothing that could be marked: it is only disarmed.

use crate::error::{Error, Misuse};
use crate::gpt::write::Outcome;
use crate::io::BlockIo;
use crate::policy::Facts;
use crate::region;
use crate::slot::{self, PartitionSpec, Slot};
use crate::transition::change;
use crate::units::block::Extent;
use crate::units::digest::BLOCK_BYTES;
use crate::units::limits::PAYLOADS;

/// Takes back what armed or staged `slot`, which does not run.
///
/// # Durability
/// One commit, then the marks and a flush. A cut leaves the slot as it was, staged, or disarmed; another slot is good in each.
/// # Errors
/// Those of [`Facts::cancellable`]; [`TableFault::ChangedUnderUs`](crate::error::TableFault::ChangedUnderUs); [`Error::Medium`]; [`Misuse::Buffer`] for less than
/// a block of `scratch`.
pub fn cancel<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    facts: &Facts<'_>,
    slot: &Slot<'_>,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    let holds = facts.cancellable(slot.id)?.installed.as_ref().map(|installed| installed.digest);
    let outcome = change::commit(disk, specs, scratch, &|slots| {
        change::unchanged(slots, facts)?;
        Ok(change::one(slot.id, slot::disarm())?)
    })?;
    if let Some(manifest) = holds {
        let got = scratch.len();
        let block = scratch.first_chunk_mut().ok_or(Misuse::Buffer { needed: BLOCK_BYTES, got })?;
        let extents: heapless::Vec<Extent, PAYLOADS> =
            slot.partitions.iter().map(|partition| partition.extent).collect();
        region::unseal(disk, &extents, manifest, block)?;
    }
    Ok(outcome)
}
