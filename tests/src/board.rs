//! The boards of the laboratory: a disk, its slots, its keys, and releases for it. Small, and odd wherever a real one may be.
//!
//! ```text
//!  | MBR H1 E1 .. | esp | slot a: root boot | slot b: root boot | .. | data | .. E2 H2 |
//! ```
//! Entries have gaps between their numbers, so that slots lie in different sectors of the array; every entry has foreign attribute
//! bits; partitions have a length that is no multiple of 4096; the last block of an image is not full.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;

use libupdate::bundle::frame::Frames;
use libupdate::bundle::writer::{
    self, Body, BundleSpec, Carriage, Codec, Compressor, DeltaCompressor, Image, LocalKey, Signer as _,
};
use libupdate::bundle::{Anchors, Unverified, UpdaterVersion, Verified};
use libupdate::gpt::Guid;
use libupdate::manifest::Name;
use libupdate::slot::{Duty, PartitionSpec};
use libupdate::verity::{CHUNK_BYTES, Geometry};
use libupdate::{BlockCount, BlockSize, ByteLen, RootHash, SlotId, SoftHasher, UnixSeconds};

use crate::chance::Chance;
use crate::gpt_maker::{GptMaker, Partition};
use crate::medium::{Medium, Sector, Zone};
use crate::rules::{Bits, Tries};

/// What the boards' bundles are for.
pub const COMPATIBLE: &str = "lab-board";
/// Releases of a board that are whole, oldest first.
pub const RELEASES: usize = 4;
/// The release before the last of them, which comes as a delta from release 1.
pub const DELTA: usize = RELEASES;
/// The one after that, with hints: most of its chunks are in release 1.
pub const HINTED: usize = RELEASES + 1;
/// Foreign attribute bits of every entry: all that are not the slot's.
const FOREIGN: u64 = 0xfe00_a5a5_5a5a_0005;
const TRAILER_REGION: u64 = 65536;

/// What tells boards apart.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// A short name.
    pub name: &'static str,
    /// Logical sectors.
    pub block_size: BlockSize,
    /// What the drive writes at once.
    pub physical: BlockSize,
    /// Slots, 2 or 3.
    pub slots: usize,
    /// Role of each partition of a slot, and the 4096-byte blocks of its image.
    pub roles: &'static [(&'static str, u64)],
    /// Whether the table stands where most tools put it.
    pub entries: Entries,
    /// Bytes of the buffer for image data.
    pub buffer: usize,
    /// Bytes of the buffer for the table.
    pub scratch: usize,
}

/// Where the entries of the table stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entries {
    /// Behind LBA 1 and right before the backup's header.
    Usual,
    /// Some blocks further on.
    Apart,
}

/// A release in its bundle.
#[derive(Debug)]
pub struct Release {
    /// The whole bundle.
    pub bundle: &'static [u8],
    /// The bundle behind its envelope.
    pub payloads: &'static [u8],
    /// Its head, verified once.
    pub verified: Verified<'static>,
}

/// A board.
#[derive(Debug)]
pub struct Board {
    /// What tells it apart.
    pub model: Model,
    /// Its partitions.
    pub specs: &'static [PartitionSpec<'static>],
    /// The key it trusts.
    pub anchors: Anchors,
    /// Tries of its profile.
    pub tries: Tries,
    /// Its releases, oldest first.
    pub releases: Vec<Release>,
    /// Its table.
    pub table: GptMaker,
}

impl Board {
    /// Makes the board with its releases. They live as long as the program: a verified head borrows from its bundle.
    #[must_use]
    pub fn new(model: Model) -> Self {
        let key = LocalKey::from_scalar(&[7; 32]).expect("seven is a secret number");
        let anchors = Anchors::new(&[*key.public_key()], NonZeroUsize::MIN).expect("one key, one signature");
        let mut releases: Vec<_> = (0..RELEASES).map(|number| release(&model, number, &key, &anchors)).collect();
        let roots = releases[1].verified.manifest().payloads().iter().map(|payload| payload.root_hash()).collect();
        releases.push(delta(&model, roots, &key, &anchors));
        releases.push(hinted(&model, &key, &anchors));
        let specs = specs(&model).leak();
        let table = table(&model, specs);
        Self { model, specs, anchors, tries: Tries { trial: 6, guard: 3 }, releases, table }
    }

    /// Whether an updater of this board has the memory for a delta bundle, and one of its images comes as one.
    #[must_use]
    pub fn takes_deltas(&self) -> bool {
        self.model.buffer >= CHUNK_BYTES && self.model.roles.iter().any(|(_, blocks)| *blocks > 1)
    }

    /// The disk with a table that has these bits, and nothing in its slots. Foreign partitions are not empty.
    #[must_use]
    pub fn disk(&self, bits: &[Bits]) -> Medium {
        let mut table = self.table.clone();
        for (slot, bits) in bits.iter().enumerate() {
            let word = u64::from(bits.0) | u64::from(bits.1) << 4 | u64::from(bits.2) << 8;
            table.partitions[1 + slot * self.model.roles.len()].attributes |= word << 48;
        }
        let size = self.model.block_size.bytes();
        let mut sectors = table.sectors();
        for (byte, foreign) in [(0xe5, table.partitions.first()), (0xda, table.partitions.last())] {
            let places = foreign.map_or(0..0, |partition| partition.first..partition.last + 1);
            sectors.extend(places.map(|lba| (lba, Sector::new(&vec![byte; size]))));
        }
        self.blank().with(sectors).flattened()
    }

    /// The disk as the factory delivers it.
    #[must_use]
    pub fn blank(&self) -> Medium {
        let zones = self
            .specs
            .iter()
            .zip(&self.table.partitions[1..])
            .map(|(spec, partition)| (partition.first..partition.last + 1, Zone::of_slot(spec.slot.index())));
        let sizes = [self.model.block_size, self.model.physical];
        Medium::blank(sizes, BlockCount::new(self.table.blocks), zones.collect())
    }

    /// The zone of a sector.
    #[must_use]
    pub fn zone_of(&self, lba: u64) -> Zone {
        let mut places = self.specs.iter().zip(&self.table.partitions[1..]);
        let place = places.find(|(_, partition)| (partition.first..=partition.last).contains(&lba));
        place.map_or(Zone::TABLE, |(spec, _)| Zone::of_slot(spec.slot.index()))
    }

    /// Sectors of a slot, one range for each partition.
    pub fn slot_sectors(&self, slot: usize) -> impl Iterator<Item = u64> {
        let mine =
            self.specs.iter().zip(&self.table.partitions[1..]).filter(move |(spec, _)| spec.slot.index() == slot);
        mine.flat_map(|(_, partition)| partition.first..partition.last + 1)
    }
}

/// The slot of that number.
///
/// # Panics
/// Where no board has so many.
#[must_use]
pub fn slot_id(index: usize) -> SlotId {
    SlotId::from_index(index).expect("boards have two or three slots")
}

fn specs(model: &Model) -> Vec<PartitionSpec<'static>> {
    let spec = |slot: usize, number: usize, role: &'static str| PartitionSpec {
        slot: slot_id(slot),
        role,
        label: format!("{role}-{}", slot_id(slot)).leak(),
        type_guid: Guid::new([0x11; 16]),
        duty: if number == 0 { Duty::Control } else { Duty::Member },
    };
    let of_slot = |slot| model.roles.iter().enumerate().map(move |(number, (role, _))| spec(slot, number, role));
    (0..model.slots).flat_map(of_slot).collect()
}

fn table(model: &Model, specs: &[PartitionSpec<'_>]) -> GptMaker {
    let size = model.block_size;
    let array = size.blocks_for(128 * 128);
    let shift = if model.entries == Entries::Apart { 6 } else { 0 };
    let first_usable = 2 + shift + array + 1;
    let mut partitions = vec![Partition::new(1, "esp", [0xc1; 16], first_usable, 3)];
    for (number, spec) in (0_u32..).zip(specs) {
        let (_, blocks) = model.roles[usize::try_from(number).unwrap_or_default() % model.roles.len()];
        let geometry = Geometry::from_image_len(ByteLen::new(blocks * 4096)).expect("a small image");
        // A block that nobody uses, and on 512-byte sectors three more.
        let bytes = geometry.end().get() + TRAILER_REGION + 4096 + if size == BlockSize::B512 { 3 * 512 } else { 0 };
        let first = partitions.last().map_or(0, |last: &Partition| last.last + 2);
        partitions.push(Partition::new(3 + number * 3, spec.label, [0x11; 16], first, size.blocks_for(bytes)));
    }
    let first = partitions.last().map_or(0, |last| last.last + 2);
    partitions.push(Partition::new(27, "data", [0xda; 16], first, 3));
    for partition in &mut partitions {
        partition.attributes = FOREIGN;
    }
    let last_usable = first + 3;
    GptMaker {
        block_size: size,
        disk_guid: Chance::new(0).named(model.name).next().to_le_bytes().repeat(2),
        primary_entries: 2 + shift,
        first_usable,
        last_usable,
        backup_entries: last_usable + 1 + shift / 2,
        blocks: last_usable + 1 + shift + array + 1,
        partitions,
    }
}

/// Block `number` of an image. A third of the blocks is the same in every release, one is all zero.
fn block(release: usize, role: usize, number: u64) -> Vec<u8> {
    if number == 5 {
        return vec![0; 4096];
    }
    let release = if number % 3 == 1 { 0 } else { release };
    let mut words = Chance::new(number).named(&format!("{release} {role}"));
    (0..512).flat_map(|_| words.next().to_le_bytes()).collect()
}

/// An image of a release. Its tail is no whole block.
fn image(model: &Model, release: usize, role: usize) -> Vec<u8> {
    let blocks = (0..model.roles[role].1).flat_map(|at| block(release, role, at));
    let mut image: Vec<u8> = blocks.collect();
    image.truncate(image.len() - 100);
    image
}

fn release(model: &Model, number: usize, key: &LocalKey, anchors: &Anchors) -> Release {
    let images = (0..model.roles.len()).map(|role| (image(model, number, role), Carriage::Raw)).collect();
    bundled(&format!("{}.0", number + 1), model, images, (key, anchors))
}

/// Release [`DELTA`]: blocks of release 1, without some, and so each at another place; all of it is carried as runs of that release. An
/// image of one block is whole.
fn delta(model: &Model, roots: Vec<RootHash>, key: &LocalKey, anchors: &Anchors) -> Release {
    let mut makers: Vec<_> = model.roles.iter().map(|(_, blocks)| Runs { left: kept(*blocks) }).collect();
    let images = makers.iter_mut().zip(roots).enumerate().map(|(role, (maker, old))| {
        let new: Vec<u8> = maker.left.iter().flat_map(|at| block(1, role, *at)).collect();
        match maker.left.len() {
            0 => (image(model, DELTA, role), Carriage::Raw),
            _ => (new, Carriage::Delta { old, compressor: maker }),
        }
    });
    bundled("3.5", model, images.collect(), (key, anchors))
}

/// Release [`HINTED`]: blocks of release 1 like [`DELTA`]'s in all chunks but the last of more than one.
fn hinted(model: &Model, key: &LocalKey, anchors: &Anchors) -> Release {
    let mut makers: Vec<_> = model.roles.iter().map(|_| AsTheyAre).collect();
    let images = makers.iter_mut().zip(model.roles).enumerate().map(|(role, (maker, (_, blocks)))| {
        let left = kept(*blocks);
        if left.is_empty() {
            return (image(model, HINTED, role), Carriage::Raw);
        }
        let mut new: Vec<u8> = left.iter().flat_map(|at| block(1, role, *at)).collect();
        if new.len() > CHUNK_BYTES {
            *new.last_mut().expect("a chunk") ^= 1;
        }
        // Smaller frames on some boards, chunks on the others.
        let frames = if model.block_size == BlockSize::B4096 { Frames::of_blocks(16) } else { None };
        (new, Carriage::Hinted(maker, frames.unwrap_or_default()))
    });
    bundled("3.7", model, images.collect(), (key, anchors))
}

/// Carries each chunk as it is: nobody decompresses here.
#[derive(Debug)]
struct AsTheyAre;

impl Compressor for AsTheyAre {
    fn compress(&mut self, chunks: &[&[u8]], frames: &mut [Vec<u8>]) -> io::Result<()> {
        chunks.iter().zip(frames).for_each(|(chunk, frame)| *frame = chunk.to_vec());
        Ok(())
    }
}

/// The blocks of an old image that are in the new one: every seventh is left out, and the last, which is not full.
fn kept(blocks: u64) -> VecDeque<u64> {
    (0..blocks - 1).filter(|at| at % 7 != 3).collect()
}

/// Carries each chunk as the runs of old blocks that it is made of.
#[derive(Debug)]
struct Runs {
    left: VecDeque<u64>,
}

impl DeltaCompressor for Runs {
    fn compress(&mut self, chunks: &[&[u8]], bodies: &mut [Body]) -> io::Result<()> {
        for (chunk, body) in chunks.iter().zip(bodies) {
            let blocks: Vec<u64> = self.left.drain(..chunk.len() / 4096).collect();
            let runs: Vec<&[u64]> = blocks.chunk_by(|one, next| one + 1 == *next).collect();
            let mut bytes = vec![u8::try_from(runs.len()).expect("runs of six blocks")];
            let mut end = 0;
            for run in runs {
                let len = u64::try_from(run.len()).expect("a chunk");
                bytes.extend([run[0] - end, len].map(|number| u8::try_from(number).expect("a short way")));
                end = run[0] + len;
            }
            *body = Body { codec: Codec::Patch, bytes };
        }
        Ok(())
    }
}

fn bundled(
    version: &str,
    model: &Model,
    images: Vec<(Vec<u8>, Carriage<'_>)>,
    (key, anchors): (&LocalKey, &Anchors),
) -> Release {
    let spec = BundleSpec {
        compatibles: vec![Name::new(COMPATIBLE).expect("a name")],
        version: Name::new(version).expect("a version"),
        rollback_index: 1,
        build_time: UnixSeconds::UNKNOWN,
        extensions: vec![],
        minimum_updater: UpdaterVersion::OLDEST,
    };
    let named = images.into_iter().zip(model.roles).map(|((bytes, carriage), (role, _))| {
        let len = ByteLen::new(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let role = Name::new(role).expect("a role");
        Image { role, len, source: std::io::Cursor::new(bytes), salt: None, carriage }
    });
    let mut images: Vec<_> = named.collect();
    let mut out = std::io::Cursor::new(Vec::new());
    let mut tools = writer::Tools { hasher: SoftHasher, progress: &mut |_| {} };
    let written = writer::write(&spec, &mut images, &[key], &mut out, &mut tools).expect("a bundle in memory");
    let bytes: &'static [u8] = out.into_inner().leak();
    let (envelope, payloads) = bytes.split_at(written.envelope.len());
    let unverified = Unverified::parse(envelope).expect("its own envelope");
    Release { bundle: bytes, payloads, verified: unverified.verify(anchors).expect("its own key") }
}
