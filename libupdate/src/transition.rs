//! The acts that change slot bits: each is one GPT commit, except the disarming of a slot that failed, which is two.
//!
//! | act | bits of the slot | condition |
//! |---|---|---|
//! | disarm | P = S = 0, T = 1 | admitted |
//! | [`arm`] | P above all others, T = tries, S = 0 | staged in this run |
//! | `keep_staged` | T = tries | staged in this run |
//! | `first_good` | P = 1, T = guard, S = 1 | staged in this run, no other slot has bits |
//! | [`spend_try`] | T - 1 | chosen |
//! | `lower_tries` | T = what a boot loader left of it | on trial |
//! | [`mark_good`] | T = guard, S = 1 | P > 0 |
//! | `cancel` | P = S = 0, T = 1 | armed or staged, not booted; another slot is good |
//! | [`mark_bad`] | P = T = S = 0 | another slot is good |
//! | [`withdraw`] | S = 0 | another slot is good |
//! | [`rollback`] | P above all others | the slot is good |
//! | [`settle`] | unchanged | what an act finds done |
//!
//! # Durability
//! Each act reads the table anew, decides, and hands all changed entries to one [`write::commit`]: a cut leaves
//! the old bits or the new ones. Where several slots change at once, their entries are in one write on 512-byte sectors.

mod arm;
mod cancel;
mod change;
mod disarm;
mod mark;
mod spend;
mod staged;

pub use arm::arm;
pub(crate) use arm::{first_good, keep_staged};
pub(crate) use cancel::{cancel, unseal};
pub use disarm::Disarmed;
pub(crate) use disarm::{condemn, forget, has_failed, take_out};
pub use mark::{mark_bad, mark_bad_by_bits, mark_good, rollback, withdraw};
pub(crate) use spend::lower_tries;
pub use spend::{Attempt, BootToken, Spent, spend_try};
pub use staged::{Sizes, Staged};

use crate::error::Error;
use crate::gpt::Table;
use crate::gpt::write::{self, Backup, Outcome};
use crate::io::BlockIo;
use crate::slot::Slot;

/// Whether a slot that was staged is still where its images were read back.
///
/// # Errors
/// [`TableFault::ChangedUnderUs`](crate::error::TableFault::ChangedUnderUs).
pub(crate) fn in_place<E>(slot: &Slot<'_>, staged: &Staged<'_>) -> Result<(), Error<E>> {
    Ok(change::in_place(slot, staged.verified(), staged.entry(), staged.extents())?)
}

/// Makes durable what is there already, and both copies of the table equal: for an act that finds nothing to do. An earlier act may have been
/// killed, or its flush may have failed, so that what reads as done is in the disk's cache alone.
///
/// # Durability
/// A flush; after it at most one copy of the table is written anew from the other.
/// # Errors
/// [`Error::Medium`]: nothing is known to be durable. [`Error::Table`].
pub fn settle<D: BlockIo>(disk: &mut D, scratch: &mut [u8]) -> Result<Outcome, Error<D::Error>> {
    let table = Table::read(disk, scratch)?;
    write::commit(disk, &table, &[], Backup::Required, scratch)
}
