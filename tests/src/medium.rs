//! What stands on a simulated disk: immutable, shared, and with an identity that costs nothing to keep.
//!
//! ```text
//!  layer 2   | . | S | . | . |      a crash image: what a cut left of one flush window
//!  layer 1   | . | . | S | . |      what the act made durable before
//!  plate     | S | S | S | S |      the disk as the scenario found it
//! ```
//! Every state of a laboratory run differs from the plate in a few sectors, so a state is the plate and thin layers over it, and
//! copying one copies no sector. The identity of a disk is the sum of one term per sector, address and content mixed; a changed
//! sector changes it by one subtraction and one addition, whatever the size of the disk. It is kept per [`Zone`], so that two
//! disks with the same partition table, or the same slot, are known to share it without reading either.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hasher};
use std::ops::Range;
use std::sync::Arc;

use libupdate::{BlockCount, BlockSize};

/// Zones of a disk at most: everything outside slots, and eight slots.
pub const ZONES: usize = 9;
/// Layers that are searched one by one before they are merged.
const DEPTH: usize = 3;

/// Bytes of one logical sector, shared by every state that holds it. Or a sector that the drive can no longer read.
#[derive(Clone, Debug)]
pub struct Sector {
    bytes: Option<Arc<[u8]>>,
    id: u128,
}

impl Sector {
    /// A sector of these bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let half = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u8(salt);
            hasher.write(bytes);
            u128::from(hasher.finish())
        };
        Self { bytes: Some(bytes.into()), id: half(1) << 64 | half(2) }
    }

    /// A sector that was being written when the power went: reading it fails until it is written again.
    #[must_use]
    pub const fn lost() -> Self {
        Self { bytes: None, id: 1 }
    }

    /// The bytes, unless the sector is lost.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        self.bytes.as_deref()
    }

    /// Whether both hold the same.
    #[must_use]
    pub const fn same(&self, other: &Self) -> bool {
        self.id == other.id
    }

    /// The sector's part in the identity of its disk.
    fn term(&self, lba: u64) -> u128 {
        const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
        let mixed = (self.id ^ u128::from(lba).wrapping_mul(ODD)).wrapping_mul(ODD);
        let mixed = (mixed ^ mixed >> 59).wrapping_mul(ODD);
        mixed ^ mixed >> 67
    }
}

/// Part of a disk whose content is told apart from the rest: 0 is everything outside slots, the table with it; slot i is i + 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Zone(usize);

impl Zone {
    /// Everything outside slots.
    pub const TABLE: Self = Self(0);

    /// The zone of slot number `index`.
    #[must_use]
    pub const fn of_slot(index: usize) -> Self {
        Self(index + 1)
    }
}

/// Identity of what each zone holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Identity([u128; ZONES]);

impl Identity {
    /// The identity of one zone's content.
    #[must_use]
    pub const fn zone(&self, zone: Zone) -> u128 {
        self.0[zone.0]
    }

    /// The identity of the whole disk, folded for counting.
    #[must_use]
    pub fn folded(&self) -> u64 {
        let sum = self.0.iter().fold(0_u128, |sum, zone| sum.wrapping_add(*zone));
        let [low, high] = [sum, sum >> 64].map(|half| half & u128::from(u64::MAX));
        // Both halves are below 2^64.
        u64::try_from(low).unwrap_or_default() ^ u64::try_from(high).unwrap_or_default().rotate_left(23)
    }

    /// Takes over a change that was computed with [`Change::of`].
    pub const fn apply(&mut self, change: &Change) {
        self.0[change.zone.0] = self.0[change.zone.0].wrapping_add(change.difference);
    }
}

/// What a changed sector does to the identity.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    zone: Zone,
    difference: u128,
}

impl Change {
    /// The change when the sector at `lba` goes from `old` to `new`.
    #[must_use]
    pub fn of(zone: Zone, lba: u64, old: &Sector, new: &Sector) -> Self {
        Self { zone, difference: new.term(lba).wrapping_sub(old.term(lba)) }
    }
}

/// Keys that are spread already, or small.
#[derive(Default)]
pub struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }
    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
}

/// Sectors by address.
pub type Sectors = HashMap<u64, Sector, BuildHasherDefault<Spread>>;

/// The disk below every layer.
#[derive(Debug)]
struct Plate {
    block_size: BlockSize,
    physical: BlockSize,
    zones: Vec<(Range<u64>, Zone)>,
    sectors: Vec<Sector>,
}

#[derive(Debug)]
struct Layer {
    below: Option<Arc<Self>>,
    depth: usize,
    sectors: Sectors,
}

/// The content of a disk. Cloning it copies nothing.
#[derive(Clone, Debug)]
pub struct Medium {
    plate: Arc<Plate>,
    top: Option<Arc<Layer>>,
    identity: Identity,
}

impl Medium {
    /// A disk of zeros; `zones` are the sectors of slots.
    #[must_use]
    pub fn blank(sizes: [BlockSize; 2], blocks: BlockCount, zones: Vec<(Range<u64>, Zone)>) -> Self {
        let [block_size, physical] = sizes;
        let zero = Sector::new(&vec![0; block_size.bytes()]);
        let sectors: Vec<Sector> = (0..blocks.get()).map(|_| zero.clone()).collect();
        let plate = Plate { block_size, physical, zones, sectors };
        let mut identity = Identity([0; ZONES]);
        for (lba, sector) in (0..).zip(&plate.sectors) {
            let zone = plate.zone_of(lba).0;
            identity.0[zone] = identity.0[zone].wrapping_add(sector.term(lba));
        }
        Self { plate: Arc::new(plate), top: None, identity }
    }

    /// Bytes in a logical sector.
    #[must_use]
    pub fn block_size(&self) -> BlockSize {
        self.plate.block_size
    }

    /// Bytes in a physical block.
    #[must_use]
    pub fn physical(&self) -> BlockSize {
        self.plate.physical
    }

    /// Logical sectors.
    #[must_use]
    pub fn blocks(&self) -> BlockCount {
        BlockCount::new(u64::try_from(self.plate.sectors.len()).unwrap_or(u64::MAX))
    }

    /// What it holds, as a number per zone.
    #[must_use]
    pub const fn identity(&self) -> Identity {
        self.identity
    }

    /// The zone of a sector.
    #[must_use]
    pub fn zone_of(&self, lba: u64) -> Zone {
        self.plate.zone_of(lba)
    }

    /// The sector at `lba`, if the disk is that large.
    #[must_use]
    pub fn sector(&self, lba: u64) -> Option<&Sector> {
        let mut layer = self.top.as_deref();
        while let Some(here) = layer {
            if let Some(sector) = here.sectors.get(&lba) {
                return Some(sector);
            }
            layer = here.below.as_deref();
        }
        self.plate.sectors.get(usize::try_from(lba).ok()?)
    }

    /// The disk with these sectors over it.
    #[must_use]
    pub fn with(&self, sectors: Sectors) -> Self {
        if sectors.is_empty() {
            return self.clone();
        }
        let mut identity = self.identity;
        for (lba, new) in &sectors {
            if let Some(old) = self.sector(*lba) {
                identity.apply(&Change::of(self.zone_of(*lba), *lba, old, new));
            }
        }
        let depth = self.top.as_ref().map_or(0, |top| top.depth) + 1;
        let layer = if depth > DEPTH {
            Layer { below: None, depth: 1, sectors: self.merged(sectors) }
        } else {
            Layer { below: self.top.clone(), depth, sectors }
        };
        Self { plate: self.plate.clone(), top: Some(Arc::new(layer)), identity }
    }

    /// All layers as one, `over` on top.
    fn merged(&self, mut over: Sectors) -> Sectors {
        let mut layer = self.top.as_deref();
        while let Some(here) = layer {
            for (lba, sector) in &here.sectors {
                over.entry(*lba).or_insert_with(|| sector.clone());
            }
            layer = here.below.as_deref();
        }
        over
    }

    /// The same disk with `more` sectors of zeros at its end: what a virtual disk does when it grows.
    #[must_use]
    pub fn grown(&self, more: u64) -> Self {
        let sizes = [self.block_size(), self.physical()];
        let blocks = BlockCount::new(self.blocks().get() + more);
        let blank = Self::blank(sizes, blocks, self.plate.zones.clone());
        let kept = (0..self.blocks().get()).filter_map(|lba| Some((lba, self.sector(lba)?.clone())));
        blank.with(kept.collect()).flattened()
    }

    /// The same content as a plate of its own: for a state that many others will stand on.
    #[must_use]
    pub fn flattened(&self) -> Self {
        let sectors = (0..self.blocks().get()).filter_map(|lba| self.sector(lba).cloned()).collect();
        let plate = Plate {
            sectors,
            zones: self.plate.zones.clone(),
            block_size: self.block_size(),
            physical: self.physical(),
        };
        Self { plate: Arc::new(plate), top: None, identity: self.identity }
    }
}

impl Plate {
    fn zone_of(&self, lba: u64) -> Zone {
        self.zones.iter().find(|(range, _)| range.contains(&lba)).map_or(Zone::TABLE, |(_, zone)| *zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blank() -> Medium {
        Medium::blank([BlockSize::B512; 2], BlockCount::new(64), vec![(8..16, Zone::of_slot(0))])
    }

    fn sectors(of: &[(u64, u8)]) -> Sectors {
        of.iter().map(|(lba, byte)| (*lba, Sector::new(&[*byte; 512]))).collect()
    }

    #[test]
    fn equal_content_has_an_equal_identity_whatever_the_way() {
        let straight = blank().with(sectors(&[(3, 1), (9, 2)]));
        let around = (0..9).fold(blank(), |disk, step| disk.with(sectors(&[(3, step), (9, 7), (40, step)])));
        assert_ne!(straight.identity(), around.identity());
        let around = around.with(sectors(&[(3, 1), (9, 2), (40, 0)]));
        assert_eq!(straight.identity(), around.identity());
        assert_eq!(straight.identity(), around.flattened().identity());
        assert_eq!(around.sector(9).and_then(Sector::bytes), Some(&[2; 512][..]));
    }

    #[test]
    fn a_zone_is_known_by_its_own_content() {
        let (one, other) = (blank().with(sectors(&[(9, 2)])), blank().with(sectors(&[(9, 2), (20, 5)])));
        let slot = Zone::of_slot(0);
        assert_eq!(one.identity().zone(slot), other.identity().zone(slot));
        assert_ne!(one.identity().zone(Zone::TABLE), other.identity().zone(Zone::TABLE));
        assert_ne!(one.identity().zone(slot), blank().identity().zone(slot));
    }

    #[test]
    fn the_same_bytes_in_another_place_are_another_disk() {
        let (one, other) = (blank().with(sectors(&[(20, 5)])), blank().with(sectors(&[(21, 5)])));
        assert_ne!(one.identity().folded(), other.identity().folded());
    }

    #[test]
    fn a_grown_disk_keeps_what_it_held() {
        let grown = blank().with(sectors(&[(63, 9)])).grown(10);
        assert_eq!(grown.blocks(), BlockCount::new(74));
        assert_eq!(grown.sector(63).and_then(Sector::bytes), Some(&[9; 512][..]));
        assert_eq!(grown.sector(73).and_then(Sector::bytes), Some(&[0; 512][..]));
    }
}
