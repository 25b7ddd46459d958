//! The target slot out of the boot order: the first act of an installation.

use crate::apply::Outcome;
use crate::bundle::Verified;
use crate::error::Error;
#[cfg(doc)]
use crate::error::TableFault;
use crate::flip;
use crate::io::BlockIo;
use crate::policy::Admitted;
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
/// disarmed.
/// # Errors
/// [`TableFault::ChangedUnderUs`] where the slot's bits are not the admitted ones; [`Error::Io`].
pub fn disarm<'a, D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    admitted: Admitted<'a>,
    scratch: &mut [u8],
) -> Result<(Disarmed<'a>, Outcome), Error<D::Error>> {
    let mut slots = SlotTable::empty();
    let table = survey::find_into(disk, specs, &mut slots, scratch)?;
    flip::expect_bits(&slots, admitted.slot(), admitted.bits())?;
    let outcome = flip::commit(disk, &table, &slots, &flip::one(admitted.slot(), slot::disarm())?, scratch)?;
    Ok((Disarmed { admitted }, outcome))
}
