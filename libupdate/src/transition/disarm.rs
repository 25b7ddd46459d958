//! The target slot out of the boot order: the first act of an installation.

use crate::bundle::Verified;
#[cfg(doc)]
use crate::error::TableFault;
use crate::error::{Error, Misuse};
use crate::gpt::SlotBits;
use crate::gpt::write::Outcome;
use crate::io::BlockIo;
use crate::policy::Admitted;
use crate::region;
use crate::slot::{self, PartitionSpec};
use crate::transition::change;
use crate::units::digest::BLOCK_BYTES;

/// An admitted bundle whose target slot cannot boot any more. Made only where `take_out` took it out.
#[derive(Debug)]
#[must_use = "a disarmed slot has not been written yet"]
pub struct Disarmed<'a> {
    admitted: Admitted<'a>,
}

impl<'a> Disarmed<'a> {
    /// For whoever called `take_out`.
    pub(crate) const fn of(admitted: Admitted<'a>) -> Self {
        Self { admitted }
    }

    /// The admitted bundle.
    pub const fn admitted(&self) -> &Admitted<'a> {
        &self.admitted
    }

    pub(crate) fn into_verified(self) -> Verified<'a> {
        self.admitted.into_verified()
    }
}

/// Takes the target slot out of the boot order: the first act of an installation.
///
/// # Durability
/// One commit; where an earlier run disarmed the slot, its flush alone: the first write to the slot needs a disk that has nothing of an earlier
/// act in its cache. A cut leaves the slot as it was, with its old content untouched, or
/// disarmed. A slot whose tries ran out, or that failed, keeps no try until its trailers are gone: it becomes failed, its trailers are
/// erased, and then it gets its try. A cut leaves it failed, empty, or disarmed, never staged with what failed in it.
/// # Errors
/// [`TableFault::ChangedUnderUs`] where the slot's bits or places are not the admitted ones; [`Error::Medium`]; [`Misuse::Buffer`] for less than a block of
/// `scratch`.
pub(crate) fn take_out<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    admitted: &Admitted<'_>,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    let bits = admitted.bits();
    if slot::spent(bits) {
        forget(disk, specs, admitted, scratch)
    } else {
        change(disk, specs, admitted, [bits, slot::disarm()], scratch)
    }
}

/// Takes out a slot whose content failed, and the content with it.
fn forget<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    admitted: &Admitted<'_>,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    let failed = change(disk, specs, admitted, [admitted.bits(), slot::mark_bad()], scratch)?;
    let (verified, got) = (admitted.verified(), scratch.len());
    let block = scratch.first_chunk_mut().ok_or(Misuse::Buffer { needed: BLOCK_BYTES, got })?;
    region::forget(disk, admitted.extents(), (verified.digest(), verified.envelope()), block)?;
    let disarmed = change(disk, specs, admitted, [slot::mark_bad(), slot::disarm()], scratch)?;
    Ok(Outcome { repaired: failed.repaired.or(disarmed.repaired), ..disarmed })
}

fn change<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    admitted: &Admitted<'_>,
    [from, to]: [SlotBits; 2],
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    let id = admitted.slot();
    change::commit(disk, specs, scratch, &|slots| {
        change::expect_bits(slots, id, from)?;
        change::in_place(slots.get(id)?, admitted.verified(), admitted.entry(), admitted.extents())?;
        Ok(change::one(id, to)?)
    })
}
