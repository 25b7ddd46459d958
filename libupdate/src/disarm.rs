//! The target slot out of the boot order: the first act of an installation.

use crate::apply::Outcome;
use crate::bundle::Verified;
use crate::digest::BLOCK_BYTES;
#[cfg(doc)]
use crate::error::TableFault;
use crate::error::{Error, NoSpace};
use crate::flip;
use crate::io::BlockIo;
use crate::policy::Admitted;
use crate::region;
use crate::slot::{self, PartitionSpec, SlotTable};
use crate::survey;

/// An admitted bundle whose target slot cannot boot any more. Made only by [`disarm`].
#[derive(Debug)]
#[must_use = "a disarmed slot has not been written yet"]
pub struct Disarmed<'a> {
    admitted: Admitted<'a>,
}

impl<'a> Disarmed<'a> {
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
/// One commit, or none where an earlier run disarmed the slot. A cut leaves the slot as it was, with its old content untouched, or
/// disarmed. A slot whose tries ran out, or that failed, keeps no try until its trailers are gone: it becomes failed, its trailers are
/// erased, and then it gets its try. A cut leaves it failed, empty, or disarmed, never staged with what failed in it.
/// # Errors
/// [`TableFault::ChangedUnderUs`] where the slot's bits are not the admitted ones; [`Error::Io`]; [`NoSpace::Buffer`] for less than a block of
/// `scratch`.
pub fn disarm<'a, D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    admitted: Admitted<'a>,
    scratch: &mut [u8],
) -> Result<(Disarmed<'a>, Outcome), Error<D::Error>> {
    let mut slots = SlotTable::empty();
    let table = survey::find_into(disk, specs, &mut slots, scratch)?;
    flip::expect_bits(&slots, admitted.slot(), admitted.bits())?;
    if !slot::spent(admitted.bits()) {
        let outcome = flip::commit(disk, &table, &slots, &flip::one(admitted.slot(), slot::disarm())?, scratch)?;
        return Ok((Disarmed { admitted }, outcome));
    }
    let failed = flip::commit(disk, &table, &slots, &flip::one(admitted.slot(), slot::mark_bad())?, scratch)?;
    let (verified, got) = (admitted.verified(), scratch.len());
    let block = scratch.first_chunk_mut().ok_or(NoSpace::Buffer { needed: BLOCK_BYTES, got })?;
    region::forget(disk, admitted.extents(), (verified.digest(), verified.envelope()), block)?;
    let table = survey::find_into(disk, specs, &mut slots, scratch)?;
    flip::expect_bits(&slots, admitted.slot(), slot::mark_bad())?;
    let disarmed = flip::commit(disk, &table, &slots, &flip::one(admitted.slot(), slot::disarm())?, scratch)?;
    let outcome = Outcome { repaired: failed.repaired.or(disarmed.repaired), ..disarmed };
    Ok((Disarmed { admitted }, outcome))
}
