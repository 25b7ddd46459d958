//! New bits of slots, as one commit of the partition table.

use heapless::Vec;

use crate::apply::{self, Edit, Outcome};
use crate::error::{Error, Rejected, TableFault};
use crate::gpt::{SlotBits, Table};
use crate::id::SlotId;
use crate::io::BlockIo;
use crate::limits::SLOTS;
use crate::policy::Facts;
use crate::slot::{self, BitEdits, SlotTable};

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
    facts.slots.iter().try_for_each(|facts| expect_bits(slots, facts.slot, facts.bits))
}

/// A slot that is about to be armed has no bits, or a staged slot's.
pub(crate) fn unarmed(slots: &SlotTable<'_>, id: SlotId) -> Result<(), Refused> {
    let bits = slots.get(id)?.bits();
    if slot::out_of_order(bits) { Ok(()) } else { Err(TableFault::ChangedUnderUs.into()) }
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

pub(crate) fn commit<D: BlockIo>(
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
