//! What is on the disk: the table, the slots, and what each slot's trailers say. Reads only.

use heapless::Vec;

use crate::boot::Unfit;
use crate::bundle::{Anchors, Unverified, Verified};
use crate::error::{Corrupt, Error, Rejected, Rule};
use crate::gpt::Table;
use crate::io::{BlockIo, Window};
use crate::policy::{self, Compression, Facts, Installed, OldImage, SPARES, SlotFacts, Spare};
use crate::region::trailer::{Record, TRAILER_BYTES};
use crate::region::{self, Block};
use crate::slot::{PartitionSpec, Slot, SlotFinder, SlotState, SlotTable, Standing, TrailerSeen};
use crate::units::block::Extent;
use crate::units::digest::{Digest, RootHash};
use crate::units::limits::PAYLOADS;
use crate::units::slot_id::SlotId;

/// What a device knows of its disk, and which bundles it takes.
#[derive(Clone, Copy, Debug)]
pub struct View<'p> {
    /// The profile's compatible.
    pub compatible: &'p str,
    /// The profile's partitions.
    pub specs: &'p [PartitionSpec<'p>],
    /// The keys it trusts.
    pub anchors: &'p Anchors,
    /// The booted slot, if the running system came from one.
    pub booted: Option<SlotId>,
    /// Whether compressed bundles can be installed.
    pub compression: Compression,
}

/// Memory of an inspection, the caller's: one trailer and two blocks.
#[derive(Debug)]
pub struct Memory<'b> {
    /// A trailer.
    pub trailer: &'b mut [u8; TRAILER_BYTES],
    /// One block.
    pub block: &'b mut Block,
    /// Another block.
    pub other: &'b mut Block,
}

/// What is on the disk.
#[derive(Clone, Debug)]
pub struct Inspection<'p> {
    /// The partition table.
    pub table: Table,
    /// The slots in it.
    pub slots: SlotTable<'p>,
    /// What policy needs to know.
    pub facts: Facts<'p>,
}

/// What the trailers of one slot say together.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is no allocator to box the large one with")]
pub enum SlotTrailer<'b> {
    /// Nothing.
    Nothing,
    /// An installation of this manifest is, or was, under way.
    Mark(Digest),
    /// Not authentic, or not the same everywhere; which rule was broken.
    NotAuthentic(Corrupt),
    /// The same authentic bundle head on every partition, with the slot's roles and images that fit.
    Valid(Verified<'b>, Vec<Extent, PAYLOADS>),
}

impl<'b> SlotTrailer<'b> {
    /// The bundle whose images the slot may boot from, and their places.
    ///
    /// # Errors
    /// Why the slot does not boot.
    pub fn fit(self) -> Result<(Verified<'b>, Vec<Extent, PAYLOADS>), Unfit> {
        match self {
            Self::Valid(verified, extents) => Ok((verified, extents)),
            Self::NotAuthentic(Corrupt(Rule::TrailerUnreadable)) => Err(Unfit::Unreadable),
            Self::NotAuthentic(kind) => Err(Unfit::Trailer(kind)),
            Self::Nothing => Err(Unfit::Trailer(Corrupt(Rule::TrailerMissing))),
            Self::Mark(_) => Err(Unfit::Unfinished),
        }
    }
}

/// Reads the table and finds the slots of the profile in it.
///
/// # Errors
/// [`Error::Table`], [`Error::Medium`].
pub fn find<'p, D: BlockIo>(
    disk: &mut D,
    specs: &'p [PartitionSpec<'p>],
    scratch: &mut [u8],
) -> Result<(Table, SlotTable<'p>), Error<D::Error>> {
    let mut slots = SlotTable::empty();
    let table = find_into(disk, specs, &mut slots, scratch)?;
    Ok((table, slots))
}

/// [`find`] into the caller's memory, for small stacks.
///
/// # Errors
/// As [`find`]; what is in `slots` then is not to be used.
pub(crate) fn find_into<'p, D: BlockIo>(
    disk: &mut D,
    specs: &'p [PartitionSpec<'p>],
    slots: &mut SlotTable<'p>,
    scratch: &mut [u8],
) -> Result<Table, Error<D::Error>> {
    let table = Table::read(disk, scratch)?;
    find_in(&table, disk, specs, slots, scratch)?;
    Ok(table)
}

// Not inlined: the finder lives only as long as the search.
#[inline(never)]
fn find_in<'p, D: BlockIo>(
    table: &Table,
    disk: &mut D,
    specs: &'p [PartitionSpec<'p>],
    slots: &mut SlotTable<'p>,
    scratch: &mut [u8],
) -> Result<(), Error<D::Error>> {
    let mut finder = SlotFinder::new(specs);
    table.entries(disk, scratch, |entry| finder.see(entry))?;
    Ok(finder.fill(slots)?)
}

/// Reads table, slots and trailers.
///
/// # Errors
/// [`Error::Table`], [`Error::Medium`] for the table. A slot whose region cannot be read is unverified, not an error.
pub fn inspect<'p, D: BlockIo>(
    disk: &mut D,
    view: &View<'p>,
    memory: &mut Memory<'_>,
) -> Result<Inspection<'p>, Error<D::Error>> {
    let mut slots = SlotTable::empty();
    let table = find_into(disk, view.specs, &mut slots, &mut memory.block[..])?;
    let facts = facts(disk, view, &slots, memory)?;
    Ok(Inspection { table, slots, facts })
}

/// What policy needs to know of slots that were found: reads and judges their trailers.
///
/// # Errors
/// None of the slots' own: a slot whose region cannot be read is unverified.
pub fn facts<'p, D: BlockIo>(
    disk: &mut D,
    view: &View<'p>,
    slots: &SlotTable<'p>,
    memory: &mut Memory<'_>,
) -> Result<Facts<'p>, Error<D::Error>> {
    let mut facts = Facts::nothing();
    facts_into(disk, view, slots, &mut facts, memory)?;
    Ok(facts)
}

/// [`facts`] into the caller's memory, for small stacks.
///
/// # Errors
/// As [`facts`]; what is in `facts` then is not to be used.
pub(crate) fn facts_into<'p, D: BlockIo>(
    disk: &mut D,
    view: &View<'p>,
    slots: &SlotTable<'p>,
    facts: &mut Facts<'p>,
    memory: &mut Memory<'_>,
) -> Result<(), Error<D::Error>> {
    let View { compatible, compression, booted, .. } = *view;
    (facts.compatible, facts.compression, facts.booted) = (compatible, compression, booted);
    facts.slots.clear();
    for slot in slots.slots() {
        let row = slot_facts(disk, slot, view, memory)?;
        facts.slots.push(row).map_err(|_| Rejected::NoSuchSlot { slot: slot.id })?;
    }
    Ok(())
}

// Not inlined: what one slot needs is given back before the next.
#[inline(never)]
fn slot_facts<D: BlockIo>(
    disk: &mut D,
    slot: &Slot<'_>,
    view: &View<'_>,
    memory: &mut Memory<'_>,
) -> Result<SlotFacts, Error<D::Error>> {
    let (seen, installed) = match trailer(disk, slot, view, memory.trailer, [&mut *memory.block, &mut *memory.other])? {
        SlotTrailer::Nothing => (TrailerSeen::None, None),
        SlotTrailer::Mark(_) => (TrailerSeen::Mark, None),
        SlotTrailer::NotAuthentic(_) => (TrailerSeen::NotAuthentic, None),
        SlotTrailer::Valid(verified, _) => (TrailerSeen::Valid, Installed::of(&verified)),
    };
    let standing = if view.booted == Some(slot.id) { Standing::Booted } else { Standing::NotBooted };
    let state = SlotState::of(slot.bits(), seen, standing);
    Ok(SlotFacts { slot: slot.id, entry: slot.control, places: slot.places(), bits: slot.bits(), state, installed })
}

/// Reads the trailers of one slot and checks signatures, compatible, roles and sizes. `trailer` holds what is found.
///
/// # Errors
/// None of the slot's own: what cannot be read or checked is [`SlotTrailer::NotAuthentic`].
pub fn trailer<'b, D: BlockIo>(
    disk: &mut D,
    slot: &Slot<'_>,
    view: &View<'_>,
    trailer: &'b mut [u8; TRAILER_BYTES],
    [block, other]: [&mut Block; 2],
) -> Result<SlotTrailer<'b>, Error<D::Error>> {
    let mut extents = slot.partitions.iter().map(|partition| partition.extent);
    let Some(first) = extents.next() else { return Ok(SlotTrailer::Nothing) };
    let unverified = match Record::read(&mut Window::new(disk, first), trailer) {
        Ok(Record::Trailer(unverified)) => unverified,
        Ok(Record::Mark(mark)) => return Ok(SlotTrailer::Mark(mark.manifest())),
        Err(Error::Slot(Corrupt(Rule::TrailerMissing))) => return Ok(SlotTrailer::Nothing),
        Err(Error::Slot(kind)) => return Ok(SlotTrailer::NotAuthentic(kind)),
        Err(_) => return Ok(SlotTrailer::NotAuthentic(Corrupt(Rule::TrailerUnreadable))),
    };
    for extent in extents {
        let mut window = Window::new(disk, extent);
        match region::holds(&mut window, unverified.envelope(), [&mut *block, &mut *other]) {
            Ok(true) => {}
            Ok(false) => return Ok(differing(&mut window, block)),
            Err(_) => return Ok(SlotTrailer::NotAuthentic(Corrupt(Rule::TrailerUnreadable))),
        }
    }
    Ok(judge(unverified, slot, view))
}

fn judge<'b>(unverified: Unverified<'b>, slot: &Slot<'_>, view: &View<'_>) -> SlotTrailer<'b> {
    let verified = match unverified.verify_trailer(view.anchors) {
        Ok(verified) => verified,
        Err(kind) => return SlotTrailer::NotAuthentic(kind),
    };
    if !verified.manifest().compatibles().iter().any(|name| name.as_str() == view.compatible) {
        return SlotTrailer::NotAuthentic(Corrupt(Rule::OtherCompatible));
    }
    match policy::extents(verified.manifest(), slot) {
        Ok(extents) => SlotTrailer::Valid(verified, extents),
        Err(_) => SlotTrailer::NotAuthentic(Corrupt(Rule::Roles)),
    }
}

/// Where an image with the root hash `root` is, by the trailers of the slots that are not `target`.
///
/// # Errors
/// [`Rejected::NoOldImage`].
// Not inlined: what one slot needs is given back.
#[inline(never)]
pub(crate) fn old_image<D: BlockIo>(
    disk: &mut D,
    (slots, target): (&SlotTable<'_>, SlotId),
    view: &View<'_>,
    root: RootHash,
    memory: &mut Memory<'_>,
) -> Result<OldImage, Error<D::Error>> {
    for slot in slots.slots().iter().filter(|slot| slot.id != target) {
        let found = trailer(disk, slot, view, memory.trailer, [&mut *memory.block, &mut *memory.other])?;
        let SlotTrailer::Valid(verified, extents) = found else { continue };
        for (payload, extent) in verified.manifest().payloads().iter().zip(extents) {
            if payload.root_hash() == root {
                return Ok(OldImage { extent, blocks: payload.data_blocks() });
            }
        }
    }
    Err(policy::no_old_image(root).into())
}

/// Images in the slots that are not `target` whose blocks have digests of the same kind as a payload of `new`, the same salt.
///
/// # Errors
/// None of a slot's own: one whose trailer is not authentic has no images.
// Not inlined: what one slot needs is given back.
#[inline(never)]
pub(crate) fn spares<D: BlockIo>(
    disk: &mut D,
    (slots, target): (&SlotTable<'_>, SlotId),
    view: &View<'_>,
    new: &Verified<'_>,
    memory: &mut Memory<'_>,
) -> Result<Vec<Spare, SPARES>, Error<D::Error>> {
    let mut spares = Vec::new();
    for slot in slots.slots().iter().filter(|slot| slot.id != target) {
        let found = trailer(disk, slot, view, memory.trailer, [&mut *memory.block, &mut *memory.other])?;
        let SlotTrailer::Valid(verified, extents) = found else { continue };
        for (old, extent) in verified.manifest().payloads().iter().zip(extents) {
            let bits = new.manifest().payloads().iter().zip(0_u32..).filter(|(new, _)| new.salt() == old.salt());
            let payloads = bits.fold(0, |all, (_, bit)| all | 1_u8.checked_shl(bit).unwrap_or(0));
            let image = OldImage { extent, blocks: old.data_blocks() };
            if payloads != 0 && spares.push(Spare { image, payloads }).is_err() {
                return Ok(spares);
            }
        }
    }
    Ok(spares)
}

/// A partition whose trailer is not the first one's: where an installation is under way it has a mark.
fn differing<'b, D: BlockIo>(window: &mut Window<'_, D>, block: &mut Block) -> SlotTrailer<'b> {
    match region::mark(window, block) {
        Ok(Some(digest)) => SlotTrailer::Mark(digest),
        _ => SlotTrailer::NotAuthentic(Corrupt(Rule::TrailersDiffer)),
    }
}
