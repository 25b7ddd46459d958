//! New bits of slots, as one commit of the partition table.

use heapless::Vec;

use crate::bundle::Verified;
use crate::error::{Error, Rejected, TableFault};
use crate::gpt::write::{self, Backup, Edit, Outcome};
use crate::gpt::{EntryNumber, SlotBits, Table};
use crate::inspect;
use crate::io::BlockIo;
use crate::policy::{self, Facts};
use crate::slot::{self, BitEdits, PartitionSpec, Slot, SlotTable};
use crate::units::block::Extent;
use crate::units::limits::SLOTS;
use crate::units::slot_id::SlotId;

pub(crate) fn one(id: SlotId, bits: SlotBits) -> Result<BitEdits, Rejected> {
    let mut edits = BitEdits::new();
    edits.push((id, bits)).map_err(|_| Rejected::NoSuchSlot { slot: id })?;
    Ok(edits)
}

pub(crate) fn bits(slots: &SlotTable<'_>) -> BitEdits {
    slots.slots().iter().map(|slot| (slot.id, slot.bits())).take(SLOTS).collect()
}

pub(crate) fn expect_bits(slots: &SlotTable<'_>, id: SlotId, bits: SlotBits) -> Result<(), Refused> {
    if slots.get(id)?.bits() == bits { Ok(()) } else { Err(TableFault::ChangedUnderUs.into()) }
}

pub(crate) fn unchanged(slots: &SlotTable<'_>, facts: &Facts<'_>) -> Result<(), Refused> {
    facts.slots.iter().try_for_each(|facts| {
        expect_bits(slots, facts.slot, facts.bits)?;
        let moved = slots.get(facts.slot)?.places() != facts.places;
        if moved { Err(TableFault::ChangedUnderUs.into()) } else { Ok(()) }
    })
}

/// A slot that is about to be armed has no bits, or a staged slot's, and is where its images were read back: somebody else may have moved
/// its partitions meanwhile.
pub(crate) fn unarmed(
    slot: &Slot<'_>,
    verified: &Verified<'_>,
    control: EntryNumber,
    extents: &[Extent],
) -> Result<(), Refused> {
    in_place(slot, verified, control, extents)?;
    if slot::out_of_order(slot.bits()) { Ok(()) } else { Err(TableFault::ChangedUnderUs.into()) }
}

/// Whether the images of `verified` still belong to these extents of the slot.
pub(crate) fn in_place(
    slot: &Slot<'_>,
    verified: &Verified<'_>,
    control: EntryNumber,
    extents: &[Extent],
) -> Result<(), TableFault> {
    let now = policy::extents(verified.manifest(), slot);
    let same = slot.control == control && now.is_ok_and(|now| now == extents);
    if same { Ok(()) } else { Err(TableFault::ChangedUnderUs) }
}

/// Two classes that the checks here can give.
pub(crate) enum Refused {
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

/// What [`commit`] writes, decided: no slot is in memory any more.
struct Change {
    table: Table,
    edits: Vec<Edit, SLOTS>,
}

/// Reads table and slots anew, lets `decide` say which bits they shall have, and makes that durable.
///
/// # Errors
/// Those of `decide`; of [`inspect::find_into`]; of [`write::commit`].
pub(crate) fn commit<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    scratch: &mut [u8],
    decide: &dyn Fn(&SlotTable<'_>) -> Result<BitEdits, Refused>,
) -> Result<Outcome, Error<D::Error>> {
    commit_or(disk, specs, Backup::Required, scratch, decide)
}

/// [`commit`] for a boot too, which goes on where the disk refuses the backup.
///
/// # Errors
/// As [`commit`].
pub(crate) fn commit_or<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    on_error: Backup,
    scratch: &mut [u8],
    decide: &dyn Fn(&SlotTable<'_>) -> Result<BitEdits, Refused>,
) -> Result<Outcome, Error<D::Error>> {
    let change = decided(disk, specs, scratch, decide)?;
    write::commit(disk, &change.table, &change.edits, on_error, scratch)
}

// Not inlined: on a small stack the slots must be gone before the commit begins.
#[inline(never)]
fn decided<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    scratch: &mut [u8],
    decide: &dyn Fn(&SlotTable<'_>) -> Result<BitEdits, Refused>,
) -> Result<Change, Error<D::Error>> {
    let mut slots = SlotTable::empty();
    let table = inspect::find_into(disk, specs, &mut slots, scratch)?;
    let mut edits = Vec::new();
    for (id, bits) in decide(&slots)? {
        let edit = Edit { entry: slots.get(id)?.control, bits };
        edits.push(edit).map_err(|_| Rejected::NoSuchSlot { slot: id })?;
    }
    Ok(Change { table, edits })
}
