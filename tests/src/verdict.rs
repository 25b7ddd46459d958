//! The verdicts: what a crash image must be, whoever made it. Every test of power cuts asks these functions.
//!
//! 1. **Always bootable**: going through [`boot::order`] and passing over slots whose trailer does not verify, the chooser finds a slot
//!    whose trailer verifies and whose every block matches. A disk that is being provisioned may have nothing armed instead.
//! 2. **Old or new**: bits of all slots, foreign bits, every other entry and the header are those before or those after the commit that
//!    was cut, and what boots is what those bits meant.
//! 3. **Never armed and unfit**: a slot that the chooser may boot verifies, every block of it.
//!
//! What a disk means is a function of its content, so each partition table and each slot is read once, through the code under
//! test, and remembered by its identity.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash as _, Hasher as _};
use std::sync::Arc;

use libupdate::boot::{self, Guard};
use libupdate::bundle::Anchors;
use libupdate::gpt::{CopyState, Successful, Table, TriesLeft};
use libupdate::inspect::{self, SlotTrailer, View};
use libupdate::install::Buffers;
use libupdate::install::progress::Silent;
use libupdate::install::{self, NoDecompressor, Tools};
use libupdate::policy::Compression;
use libupdate::region::trailer::TRAILER_BYTES;
use libupdate::slot::{PartitionSpec, SlotTable, bootable};
use libupdate::{Digest, Error, SoftHasher};

use crate::board::{Board, COMPATIBLE};
use crate::medium::{Identity, Medium, Spread, Zone};
use crate::rules::Bits;
use crate::sim_disk::{SimDisk, SimError};

/// What the partition table of a disk means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableView {
    /// Bits of every slot.
    pub bits: Vec<Bits>,
    /// Everything else in header and entries, as one number: GUIDs, places, names, foreign attribute bits, unused entries.
    pub foreign: u64,
    /// End of the usable range, which only a relocation changes.
    pub last_usable: u64,
    order: Vec<usize>,
}

/// What a disk means to the chooser.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sight {
    /// The table, if there is one.
    pub table: Option<Arc<TableView>>,
    /// Slot that boots next, and the manifest it holds.
    pub boots: Option<(usize, Digest)>,
    /// A slot that may boot and does not verify.
    pub unfit: Option<usize>,
}

impl std::fmt::Display for Sight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(table) = &self.table else { return f.write_str("no table") };
        for Bits(priority, tries, successful) in &table.bits {
            write!(f, "{priority}.{tries}.{successful} ")?;
        }
        match self.boots {
            Some((slot, digest)) => write!(f, "slot {slot} boots {:.8}", digest.to_string())?,
            None => f.write_str("nothing boots")?,
        }
        self.unfit.map_or(Ok(()), |slot| write!(f, ", slot {slot} is unfit"))
    }
}

/// The verdict on one crash image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is what it was before the commit that was cut.
    Old,
    /// It is what it is after it.
    New,
    /// Nothing boots.
    Unbootable,
    /// Neither the one nor the other.
    Mixed(Mixed),
}

/// Why a crash image is neither old nor new.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mixed {
    /// This slot may boot and does not verify.
    Unfit(usize),
    /// Slot bits, foreign bits, entries or header are neither the old ones nor the new ones.
    Table,
    /// The bits are right and something else boots.
    Boots,
    /// A trial that a person confirms boots, and asks nobody.
    Unasked,
}

/// What a board's profile says, as far as a verdict depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'b> {
    /// Its compatible.
    pub compatible: &'b str,
    /// Its partitions.
    pub specs: &'b [PartitionSpec<'b>],
    /// The keys it trusts.
    pub anchors: &'b Anchors,
    /// Tries of a good slot.
    pub guard: u8,
}

/// Looks at disks of one board.
#[derive(Debug)]
pub struct Judge<'b> {
    terms: Terms<'b>,
    tables: HashMap<u128, Option<Arc<TableView>>, BuildHasherDefault<Spread>>,
    slots: HashMap<(usize, u128), Option<Digest>, BuildHasherDefault<Spread>>,
    places: Option<SlotTable<'b>>,
    data: Vec<u8>,
}

impl<'b> Judge<'b> {
    /// A judge that has seen nothing.
    #[must_use]
    pub fn new(board: &'b Board) -> Self {
        let Board { specs, anchors, tries, .. } = board;
        Self::of(Terms { compatible: COMPATIBLE, specs, anchors, guard: tries.guard })
    }

    /// A judge of a board that is none of the laboratory's.
    #[must_use]
    pub fn of(terms: Terms<'b>) -> Self {
        Self { terms, tables: HashMap::default(), slots: HashMap::default(), places: None, data: vec![0; 512 << 10] }
    }

    /// What the disk means. `medium` is asked for only where something on it was never seen before.
    pub fn sight(&mut self, identity: Identity, medium: &dyn Fn() -> Medium) -> Sight {
        let key = identity.zone(Zone::TABLE);
        let table = match self.tables.get(&key) {
            Some(table) => table.clone(),
            None => {
                let table = self.read_table(&medium()).map(Arc::new);
                self.tables.insert(key, table.clone());
                table
            }
        };
        let Some(table) = table else { return Sight { table: None, boots: None, unfit: None } };
        let (mut boots, mut unfit) = (None, None);
        for slot in &table.order {
            match self.holds(*slot, identity, medium) {
                Some(digest) => boots = boots.or(Some((*slot, digest))),
                None => unfit = Some(*slot),
            }
        }
        Sight { table: Some(table), boots, unfit }
    }

    /// Manifest of a slot of which trailer and every block verify.
    pub fn holds(&mut self, slot: usize, identity: Identity, medium: &dyn Fn() -> Medium) -> Option<Digest> {
        let key = (slot, identity.zone(Zone::of_slot(slot)));
        if let Some(known) = self.slots.get(&key) {
            return *known;
        }
        let found = self.read_slot(slot, &medium());
        self.slots.insert(key, found);
        found
    }

    fn read_table(&mut self, medium: &Medium) -> Option<TableView> {
        let mut disk = SimDisk::new(medium.clone());
        let mut scratch = vec![0; 32 << 10];
        let (table, slots) = inspect::find(&mut disk, self.terms.specs, &mut scratch).ok()?;
        let guard = Guard::new(TriesLeft::new(self.terms.guard).unwrap_or(TriesLeft::MAX));
        let candidates = boot::candidates(&slots);
        let order = boot::order(&candidates, guard).iter().map(|boot| boot.candidate.slot.index()).collect();
        let bits = slots.slots().iter().map(|slot| {
            let bits = slot.bits();
            Bits(bits.priority.get(), bits.tries_left.get(), u8::from(bits.successful == Successful::Yes))
        });
        let view = TableView {
            bits: bits.collect(),
            foreign: foreign(&mut disk, &table, &slots).ok()?,
            last_usable: table.header().last_usable().get(),
            order,
        };
        debug_assert!(slots.slots().iter().filter(|slot| bootable(slot.bits())).count() == view.order.len());
        // Places of partitions are part of `foreign`: where they changed, the verdict is mixed whatever the slots hold.
        self.places.get_or_insert(slots);
        Some(view)
    }

    fn read_slot(&mut self, slot: usize, medium: &Medium) -> Option<Digest> {
        let places = self.places.clone()?;
        let place = places.slots().get(slot)?;
        let mut disk = SimDisk::new(medium.clone());
        let view = View {
            compatible: self.terms.compatible,
            specs: self.terms.specs,
            anchors: self.terms.anchors,
            booted: None,
            compression: Compression::None,
        };
        let mut trailer = Box::new([0; TRAILER_BYTES]);
        let [mut leaf, mut block, mut page] = [[0; 4096]; 3];
        let found = inspect::trailer(&mut disk, place, &view, &mut trailer, [&mut leaf, &mut block]).ok()?;
        let SlotTrailer::Valid(verified, extents) = found else { return None };
        let digest = verified.digest();
        let mut buffers = Buffers::new(&mut self.data, [&mut leaf, &mut block, &mut page]);
        let mut tools = Tools { hasher: &mut SoftHasher, decompressor: &mut NoDecompressor, observer: &mut Silent };
        let whole =
            install::restage(&mut disk, verified, (place.id, place.control, &extents), &mut buffers, &mut tools);
        whole.ok().map(|_| digest)
    }
}

/// One number over header and entries without the slots' bits, read without the code under test.
fn foreign(disk: &mut SimDisk, table: &Table, slots: &SlotTable<'_>) -> Result<u64, Error<SimError>> {
    let header = table.header();
    let blocks = table.block_size().blocks_for(u64::from(header.entry_count()) * 128);
    let mut array = vec![0; usize::try_from(blocks).unwrap_or_default() * table.block_size().bytes()];
    libupdate::io::read(disk, header.entries_lba(), &mut array)?;
    for slot in slots.slots() {
        let at = (usize::try_from(slot.control.get()).unwrap_or_default() - 1) * 128 + 54;
        array[at] = 0;
        array[at + 1] &= 0xfe;
    }
    let mut hasher = std::hash::DefaultHasher::new();
    array.hash(&mut hasher);
    let mut block = vec![0; table.block_size().bytes()];
    libupdate::io::read(disk, header.my_lba(), &mut block)?;
    // Revision and size; first usable; disk GUID; count and size of entries; what is behind the header's fields.
    for field in [8..16, 40..48, 56..72, 80..88, 92..block.len()] {
        hasher.write(&block[field]);
    }
    Ok(hasher.finish())
}

/// Whether both copies of the table are valid and equal.
#[must_use]
pub fn both_copies_valid(medium: &Medium) -> bool {
    let table = Table::read(&mut SimDisk::new(medium.clone()), &mut vec![0; 32 << 10]);
    table.is_ok_and(|table| [table.primary(), table.backup()].iter().all(|copy| copy.state() == CopyState::Valid))
}

/// The verdict on a crash image that was cut out of a commit from `before` to `after`.
#[must_use]
pub fn verdict(found: &Sight, before: &Sight, after: &Sight) -> Verdict {
    // A slot that was damaged before the act is the act's to find, not its doing.
    if let Some(slot) = found.unfit.filter(|slot| before.unfit != Some(*slot)) {
        return if found.boots.is_none() { Verdict::Unbootable } else { Verdict::Mixed(Mixed::Unfit(slot)) };
    }
    for (side, name) in [(before, Verdict::Old), (after, Verdict::New)] {
        if found.table == side.table {
            return if found.boots == side.boots { name } else { Verdict::Mixed(Mixed::Boots) };
        }
    }
    if found.boots.is_none() { Verdict::Unbootable } else { Verdict::Mixed(Mixed::Table) }
}

/// The verdict on a crash image of a disk that is being provisioned: nothing armed, or something complete that is one of `wanted`.
#[must_use]
pub fn provision_verdict(found: &Sight, wanted: &[Sight]) -> Verdict {
    match (found.unfit, found.boots) {
        (Some(slot), _) => Verdict::Mixed(Mixed::Unfit(slot)),
        (None, None) => Verdict::Old,
        (None, Some(_)) if wanted.contains(found) => Verdict::New,
        (None, Some(_)) => Verdict::Mixed(Mixed::Boots),
    }
}
