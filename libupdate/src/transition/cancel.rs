//! The way back from an armed or staged slot without a verdict: it is disarmed, and its trailers become the mark of what it holds.
//!
//! ```text
//!  trial ──┐
//!          ├─ disarm: one commit ─► staged ─ trailers to marks, flush ─► disarmed, as a cut installation leaves it
//!  staged ─┘
//! ```
//! So nothing arms it but an installation, which is not refused as of something that failed, and which finds by the mark that every
//! chunk is there already. A slot that is armed without an authentic trailer holds nothing that could be marked: it is only disarmed.

use crate::error::Error;
use crate::gpt::write::Outcome;
use crate::io::BlockIo;
use crate::policy::Facts;
use crate::region::{self, Block};
use crate::slot::{self, PartitionSpec, Slot};
use crate::transition::change;
use crate::units::block::Extent;
use crate::units::digest::Digest;
use crate::units::limits::PAYLOADS;
use crate::units::slot_id::SlotId;

/// Takes armed or staged `slot`, which does not run, out of the boot order.
///
/// # Durability
/// One commit. A cut leaves the slot as it was, or staged; another slot is good in each.
/// # Errors
/// Those of [`Facts::cancellable`]; [`TableFault::ChangedUnderUs`](crate::error::TableFault::ChangedUnderUs); [`Error::Medium`].
pub(crate) fn cancel<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    facts: &Facts<'_>,
    slot: SlotId,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    facts.cancellable(slot)?;
    change::commit(disk, specs, scratch, &|slots| {
        change::unchanged(slots, facts)?;
        Ok(change::one(slot, slot::disarm())?)
    })
}

/// Makes the trailers of a slot that [`cancel`] took out marks of what they were about. Nothing starts it any more, whoever chooses.
///
/// # Durability
/// The marks, and a flush. A cut leaves the slot staged, or disarmed.
/// # Errors
/// [`Error::Medium`].
pub(crate) fn unseal<D: BlockIo>(
    disk: &mut D,
    slot: &Slot<'_>,
    holds: Digest,
    block: &mut Block,
) -> Result<(), Error<D::Error>> {
    let extents: heapless::Vec<Extent, PAYLOADS> = slot.partitions.iter().map(|partition| partition.extent).collect();
    region::unseal(disk, &extents, holds, block)
}
