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
/// act in its cache. A cut leaves the slot as it was, with its old content untouched, or disarmed. A slot [with a failure](has_failed) was
/// [condemned](condemn) and its failure [forgotten](forget) before.
/// # Errors
/// [`TableFault::ChangedUnderUs`] where the slot's bits or places are not the admitted ones; [`Error::Medium`].
pub(crate) fn take_out<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    admitted: &Admitted<'_>,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    let bits = if has_failed(admitted) { slot::mark_bad() } else { admitted.bits() };
    change(disk, specs, admitted, [bits, slot::disarm()], scratch)
}

/// Whether the tries of the target ran out, or what it holds failed. Such a slot keeps no try until its trailers are gone, so that no cut
/// leaves it staged with what failed in it: it is condemned, its trailers are forgotten, and only then it is taken out, with its try.
pub(crate) fn has_failed(admitted: &Admitted<'_>) -> bool {
    slot::spent(admitted.bits())
}

/// Takes a target that failed out of the boot order, without a try.
///
/// # Durability
/// One commit: a cut leaves the slot as it was, or failed.
/// # Errors
/// Those of [`take_out`].
pub(crate) fn condemn<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    admitted: &Admitted<'_>,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    change(disk, specs, admitted, [admitted.bits(), slot::mark_bad()], scratch)
}

/// Erases the trailers of a target that was [condemned](condemn).
///
/// # Durability
/// Blocks of the trailers, and a flush: a cut leaves the slot failed, or empty.
/// # Errors
/// [`Error::Medium`]; [`Misuse::Buffer`] for less than a block of `scratch`.
pub(crate) fn forget<D: BlockIo>(
    disk: &mut D,
    admitted: &Admitted<'_>,
    scratch: &mut [u8],
) -> Result<(), Error<D::Error>> {
    let (verified, got) = (admitted.verified(), scratch.len());
    let block = scratch.first_chunk_mut().ok_or(Misuse::Buffer { needed: BLOCK_BYTES, got })?;
    region::forget(disk, admitted.extents(), (verified.digest(), verified.envelope()), block)
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
