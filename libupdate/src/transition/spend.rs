//! The try that a boot costs.

use crate::boot::{Boot, Candidate, Kind};
use crate::error::Error;
use crate::gpt::write::{Backup, Outcome};
use crate::gpt::{SlotBits, TriesLeft};
use crate::io::BlockIo;
use crate::slot::PartitionSpec;
use crate::transition::change;
use crate::units::slot_id::SlotId;

/// The proof that a boot may go on: its try is spent and read back, or the boot costs none. Made only by [`spend_try`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "the token is what a hand-over asks for"]
pub struct BootToken {
    slot: SlotId,
    kind: Kind,
}

impl BootToken {
    /// The slot that may be booted.
    #[must_use]
    pub const fn slot(&self) -> SlotId {
        self.slot
    }

    /// How it is booted.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }
}

/// A boot that may go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attempt<E> {
    /// What the hand-over asks for.
    pub token: BootToken,
    /// What became of the try.
    pub spent: Spent<E>,
}

/// What became of the try of a boot that may go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spent<E> {
    /// Spent, durable, and read back.
    Yes(Outcome),
    /// The boot costs no try.
    NotNeeded,
    /// It could not be spent. The slot is good, so it boots all the same, with this as a warning.
    Failed(Error<E>),
}

/// Spends the try of the chosen slot and makes it durable.
///
/// # Durability
/// One commit: a cut leaves the old or the new number of tries, of this slot only.
/// # Errors
/// A trial slot whose try cannot be spent and read back is not booted: the commit's error. [`TableFault::ChangedUnderUs`](crate::error::TableFault::ChangedUnderUs) where
/// its bits are not the chosen ones.
pub fn spend_try<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    boot: &Boot,
    scratch: &mut [u8],
) -> Result<Attempt<D::Error>, Error<D::Error>> {
    let token = BootToken { slot: boot.candidate.slot, kind: boot.kind };
    let left = match boot.kind {
        Kind::Trial { left } | Kind::Counted { left } => left,
        Kind::Good | Kind::Suspect => return Ok(Attempt { token, spent: Spent::NotNeeded }),
    };
    match (spend(disk, specs, boot, left, scratch), boot.kind) {
        (Ok(outcome), _) => Ok(Attempt { token, spent: Spent::Yes(outcome) }),
        (Err(error), Kind::Trial { .. }) => Err(error),
        (Err(error), _) => Ok(Attempt { token, spent: Spent::Failed(error) }),
    }
}

fn spend<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    boot: &Boot,
    left: TriesLeft,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    let (id, bits) = (boot.candidate.slot, boot.candidate.bits);
    change::commit_or(disk, specs, Backup::Optional, scratch, &|slots| {
        change::expect_bits(slots, id, bits)?;
        Ok(change::one(id, SlotBits { tries_left: left, ..bits })?)
    })
}

/// Tries that a boot loader has spent by itself, which its store says.
///
/// # Durability
/// One commit: a cut leaves the old or the new number of tries, of this slot only.
/// # Errors
/// Those of [`spend_try`]. [`TableFault::ChangedUnderUs`](crate::error::TableFault::ChangedUnderUs) if its bits are not those of `seen`.
pub(crate) fn lower_tries<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    seen: &Candidate,
    left: TriesLeft,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    let (id, bits) = (seen.slot, seen.bits);
    change::commit(disk, specs, scratch, &|slots| {
        change::expect_bits(slots, id, bits)?;
        Ok(change::one(id, SlotBits { tries_left: left, ..bits })?)
    })
}
