//! The acts that change slot bits: each is one GPT commit.
//!
//! | act | bits of the slot | condition |
//! |---|---|---|
//! | [`disarm`] | P = T = S = 0 | admitted |
//! | [`arm`] | P above all others, T = tries, S = 0 | staged in this run |
//! | [`keep_staged`] | T = tries | staged in this run |
//! | [`first_good`] | P = 1, T = guard, S = 1 | staged in this run, no slot has bits |
//! | [`spend_try`] | T - 1 | chosen |
//! | [`mark_good`] | T = guard, S = 1 | P > 0 |
//! | [`mark_bad`] | P = T = S = 0 | another slot is good |
//! | [`rollback`] | P above all others | the slot is good |
//!
//! # Durability
//! Each act reads the table anew, decides, and hands all changed entries to one [`apply::commit`](crate::apply::commit): a cut leaves
//! the old bits or the new ones of every slot together.

use heapless::Vec;

use crate::apply::{self, Edit, Outcome};
use crate::boot::{Boot, Guard, Kind};
use crate::bundle::Verified;
use crate::error::{Error, Rejected, TableFault};
use crate::gpt::{SlotBits, Table, TriesLeft};
use crate::id::SlotId;
use crate::install::Staged;
use crate::io::BlockIo;
use crate::limits::SLOTS;
use crate::policy::{Admitted, Facts};
use crate::slot::{self, BitEdits, PartitionSpec, SlotState, SlotTable};
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
/// One commit, or none where the slot has no bits. A cut leaves the slot as it was, with its old content untouched, or disarmed.
/// # Errors
/// [`TableFault::ChangedUnderUs`] where the slot's bits are not the admitted ones; [`Error::Io`].
pub fn disarm<'a, D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    admitted: Admitted<'a>,
    scratch: &mut [u8],
) -> Result<(Disarmed<'a>, Outcome), Error<D::Error>> {
    let (table, slots) = survey::find(disk, specs, scratch)?;
    expect_bits(&slots, admitted.slot(), admitted.bits())?;
    let outcome = commit(disk, &table, &slots, &one(admitted.slot(), slot::mark_bad())?, scratch)?;
    Ok((Disarmed { admitted }, outcome))
}

/// Makes the staged slot the next one, on trial for `tries` boots.
///
/// # Durability
/// One commit, the last of an installation. A cut leaves the old order, or the new slot first.
/// # Errors
/// [`TableFault::ChangedUnderUs`] where the slot got bits meanwhile; [`Error::Io`]; [`TableFault::ReadBack`].
pub fn arm<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    staged: &Staged<'_>,
    tries: TriesLeft,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    let (table, slots) = survey::find(disk, specs, scratch)?;
    unarmed(&slots, staged.slot())?;
    let edits = slot::arm(&bits(&slots), staged.slot(), tries)?;
    commit(disk, &table, &slots, &edits, scratch)
}

/// Leaves the staged slot complete but out of the boot order, for a later `activate`.
///
/// # Durability
/// One commit: a cut leaves the slot disarmed, with a valid trailer, or staged. It boots in neither.
/// # Errors
/// As [`arm`].
pub fn keep_staged<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    staged: &Staged<'_>,
    tries: TriesLeft,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    let (table, slots) = survey::find(disk, specs, scratch)?;
    unarmed(&slots, staged.slot())?;
    commit(disk, &table, &slots, &one(staged.slot(), slot::stage(tries))?, scratch)
}

/// Makes the first slot of a provisioned disk good: there is nothing to fall back to yet.
///
/// # Durability
/// One commit: a cut leaves a disk on which nothing is armed, to be provisioned again, or a complete one.
/// # Errors
/// [`Rejected::SlotState`] where any slot has bits; as [`arm`].
pub fn first_good<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    staged: &Staged<'_>,
    guard: Guard,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    let (table, slots) = survey::find(disk, specs, scratch)?;
    if let Some(slot) = slots.slots().iter().find(|slot| slot.bits() != SlotBits::default()) {
        return Err(
            Rejected::SlotState { slot: slot.id, needed: "empty, as on a disk that is being provisioned" }.into()
        );
    }
    let armed = slot::arm(&bits(&slots), staged.slot(), guard.tries())?;
    let good = armed.iter().map(|(id, bits)| Ok((*id, slot::mark_good(*id, *bits, guard.tries())?)));
    let edits = good.collect::<Result<BitEdits, Rejected>>()?;
    commit(disk, &table, &slots, &edits, scratch)
}

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
/// A trial slot whose try cannot be spent and read back is not booted: the commit's error. [`TableFault::ChangedUnderUs`] where
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
    let (table, slots) = survey::find(disk, specs, scratch)?;
    let (id, bits) = (boot.candidate.slot, boot.candidate.bits);
    expect_bits(&slots, id, bits)?;
    commit(disk, &table, &slots, &one(id, SlotBits { tries_left: left, ..bits })?, scratch)
}

/// Says that the slot has completed a boot.
///
/// # Durability
/// One commit, or none where nothing changes. A cut leaves the slot on trial, or good.
/// # Errors
/// [`Rejected::SlotState`] at priority 0; [`Error::Io`].
pub fn mark_good<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    id: SlotId,
    guard: Guard,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    let (table, slots) = survey::find(disk, specs, scratch)?;
    let bits = slot::mark_good(id, slots.get(id)?.bits(), guard.tries())?;
    commit(disk, &table, &slots, &one(id, bits)?, scratch)
}

/// Says that the slot must not boot again.
///
/// # Durability
/// One commit. A cut leaves the slot as it was, or failed; another slot is good in both.
/// # Errors
/// [`Rejected::LastGoodSlot`]; [`Error::Io`].
pub fn mark_bad<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    facts: &Facts<'_>,
    id: SlotId,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    facts.another_is_good(id)?;
    let (table, slots) = survey::find(disk, specs, scratch)?;
    unchanged(&slots, facts)?;
    commit(disk, &table, &slots, &one(id, slot::mark_bad())?, scratch)
}

/// Puts a good slot first, on purpose.
///
/// # Durability
/// One commit. A cut leaves the old order, or the good slot first.
/// # Errors
/// [`Rejected::SlotState`] where it is not good; [`Error::Io`].
pub fn rollback<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    facts: &Facts<'_>,
    id: SlotId,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    if facts.slot(id)?.state != SlotState::Good {
        return Err(Rejected::SlotState { slot: id, needed: "good" }.into());
    }
    let (table, slots) = survey::find(disk, specs, scratch)?;
    unchanged(&slots, facts)?;
    let edits = slot::raise(&bits(&slots), id)?;
    commit(disk, &table, &slots, &edits, scratch)
}

fn one(id: SlotId, bits: SlotBits) -> Result<BitEdits, Rejected> {
    let mut edits = BitEdits::new();
    edits.push((id, bits)).map_err(|_| Rejected::NoSuchSlot { slot: id })?;
    Ok(edits)
}

fn bits(slots: &SlotTable<'_>) -> BitEdits {
    slots.slots().iter().map(|slot| (slot.id, slot.bits())).take(SLOTS).collect()
}

fn expect_bits(slots: &SlotTable<'_>, id: SlotId, bits: SlotBits) -> Result<(), Refused> {
    if slots.get(id)?.bits() == bits { Ok(()) } else { Err(TableFault::ChangedUnderUs.into()) }
}

fn unchanged(slots: &SlotTable<'_>, facts: &Facts<'_>) -> Result<(), Refused> {
    facts.slots.iter().try_for_each(|facts| expect_bits(slots, facts.slot, facts.bits))
}

/// A slot that is about to be armed has no bits, or a staged slot's.
fn unarmed(slots: &SlotTable<'_>, id: SlotId) -> Result<(), Refused> {
    let bits = slots.get(id)?.bits();
    if bits == slot::stage(bits.tries_left) { Ok(()) } else { Err(TableFault::ChangedUnderUs.into()) }
}

/// Two classes that the checks here can give.
enum Refused {
    Rejected(Rejected),
    Table(TableFault),
}

impl From<Rejected> for Refused {
    fn from(kind: Rejected) -> Self {
        Self::Rejected(kind)
    }
}

impl From<TableFault> for Refused {
    fn from(kind: TableFault) -> Self {
        Self::Table(kind)
    }
}

impl<E> From<Refused> for Error<E> {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Rejected(kind) => Self::Rejected(kind),
            Refused::Table(kind) => Self::Table(kind),
        }
    }
}

fn commit<D: BlockIo>(
    disk: &mut D,
    table: &Table,
    slots: &SlotTable<'_>,
    edits: &BitEdits,
    scratch: &mut [u8],
) -> Result<Outcome, Error<D::Error>> {
    let mut entries = Vec::<Edit, SLOTS>::new();
    for (id, bits) in edits {
        let edit = Edit { entry: slots.get(*id)?.control, bits: *bits };
        entries.push(edit).map_err(|_| Rejected::NoSuchSlot { slot: *id })?;
    }
    apply::commit(disk, table, &entries, scratch)
}
