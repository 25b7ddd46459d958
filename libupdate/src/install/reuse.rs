//! Chunks of a new image made from blocks that other slots hold, found by the hints of the bundle.
//!
//! ```text
//!  other slots ─ level 0 of their hash trees ─► index, in the caller's memory
//!                                                 ▲
//!  stream ─ hints of a chunk ─────────────────────┘─► where its blocks are ─► read ─► the new tree's digest? ─► the chunk
//! ```
//! 1. What is read is believed no more than what is fetched: the chunk is checked against the new tree. What is not right is fetched.
//! 2. An entry takes 8 bytes, and a block has an entry and a half: 3 MiB for each GiB of old image. With less memory only every second, fourth, ..
//!    block has one, the one whose hint ends in as many zero bits; those between are looked for where they follow the one before, then where they
//!    precede the next one.
//! 3. Other slots are only read, the index is memory: nothing here needs an argument about a cut.

use crate::bundle::hints::{CHUNK_HINTS_BYTES, GROUP_BYTES, HINT_BYTES, Hint};
use crate::error::{Error, Medium};
use crate::install::Buffers;
use crate::io::{BlockIo, Window};
use crate::policy::Spare;
use crate::units::block::{ByteOffset, Extent};
use crate::units::digest::{BLOCK_BYTES, BlockHasher, DIGEST_BYTES, Salt};
use crate::verity::{CHUNK_BYTES, DIGESTS_PER_BLOCK, Geometry};

/// Memory for finding blocks in other slots: the caller's. Without it nothing is reused.
#[derive(Debug, Default)]
pub struct Memory<'b> {
    /// The index: an entry and a half for each block of the images in other slots; with fewer it is coarser.
    pub index: &'b mut [u64],
    /// Hints of the chunks after one index page: [`GROUP_BYTES`].
    pub hints: &'b mut [u8],
}

impl Memory<'_> {
    /// The same, borrowed for less long.
    pub(crate) fn again(&mut self) -> Memory<'_> {
        Memory { index: &mut *self.index, hints: &mut *self.hints }
    }
}

/// Places that are looked at for one hint, at most.
const PROBES: usize = 32;
/// Blocks that an index can number.
const MOST: u64 = 0xffff_fff0;

/// What judges the blocks that were read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Judge {
    /// The hash tree, once they are a chunk.
    Tree,
    /// Their hints, at once: they are only a part of a chunk.
    Hints,
}

/// Where a block is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Unknown,
    /// A block of zeros.
    Zeros,
    /// Its number, counted through all spare images.
    At(u32),
}

/// What the index knows.
#[derive(Debug)]
pub(super) struct Known<'s> {
    spares: &'s [Spare],
    bit: u8,
    /// Entries of the memory that are in use.
    entries: u64,
    /// Blocks without an entry have one of these bits in their hint.
    coarse: u64,
    zeros: Option<Hint>,
}

impl<'s> Known<'s> {
    /// Nothing: no chunk is found.
    pub(super) const NOTHING: Self = Self { spares: &[], bit: 0, entries: 0, coarse: 0, zeros: None };

    /// Reads the lowest levels of the hash trees in `spares`. What cannot be read is not known.
    // Not inlined: its frame is gone before the first chunk.
    #[inline(never)]
    pub(super) fn read<D: BlockIo, H: BlockHasher>(
        window: &mut Window<'_, D>,
        (spares, bit): (&'s [Spare], u8),
        salt: Salt<'_>,
        buffers: &mut Buffers<'_>,
        hasher: &mut H,
    ) -> Self {
        let mut known = Self { spares, bit, ..Self::NOTHING };
        let blocks = known.images().fold(0, |sum: u64, (_, blocks)| sum.saturating_add(blocks)).min(MOST);
        let memory = u64::try_from(buffers.reuse.index.len()).unwrap_or(u64::MAX).min(MOST);
        if blocks == 0 || memory == 0 || buffers.reuse.hints.len() < GROUP_BYTES || buffers.data.len() < CHUNK_BYTES {
            return Self::NOTHING;
        }
        let half_more = |blocks: u64| blocks.saturating_add(blocks >> 1).saturating_add(1);
        let step = (0..32).find(|step| half_more(blocks >> step) <= memory).unwrap_or(32);
        known.coarse = (1_u64 << step).wrapping_sub(1);
        known.entries = half_more(blocks >> step).min(memory);
        known.used(buffers.reuse.index).fill(0);
        buffers.block.fill(0);
        let mut digest = [0; DIGEST_BYTES];
        hasher.hash_blocks(salt, &buffers.block[..], &mut digest);
        known.zeros = Hint::of(&digest);
        let mut first = 0;
        for (extent, blocks) in spares_of(spares, bit) {
            known.learn(&mut window.elsewhere(extent), (first, blocks), buffers);
            first = first.saturating_add(blocks);
        }
        known
    }

    /// Whether nothing can be found.
    pub(super) const fn is_empty(&self) -> bool {
        self.entries == 0
    }

    fn images(&self) -> impl Iterator<Item = (Extent, u64)> + use<'s> {
        spares_of(self.spares, self.bit)
    }

    fn used<'m>(&self, memory: &'m mut [u64]) -> &'m mut [u64] {
        memory.get_mut(..usize::try_from(self.entries).unwrap_or(0)).unwrap_or_default()
    }

    /// Puts the blocks of one image into the index, except of pieces that cannot be read.
    fn learn<D: BlockIo>(&self, old: &mut Window<'_, D>, (first, blocks): (u64, u64), buffers: &mut Buffers<'_>) {
        let Some(geometry) = Geometry::from_data_blocks(blocks) else { return };
        let mut number = first.saturating_add(1);
        let end = number.saturating_add(blocks).min(MOST);
        let mut level = geometry.block_offset(0, 0);
        let mut left = geometry.level_blocks(0);
        while let Some(at) = level.filter(|_| left > 0) {
            let piece = left.min(PIECE_BLOCKS);
            let len = usize::try_from(piece).unwrap_or(0).saturating_mul(BLOCK_BYTES);
            let Some(data) = buffers.data.get_mut(..len) else { return };
            let index = self.used(buffers.reuse.index);
            // What cannot be read is not known, and what comes after it is.
            let digests = old.lend(at, data).unwrap_or_default();
            for (digest, number) in digests.chunks(DIGEST_BYTES).zip(number..end) {
                if let (Some(hint), Ok(entry)) = (Hint::of(digest), u32::try_from(number)) {
                    self.put(index, hint, entry);
                }
            }
            number = number.saturating_add(piece.saturating_mul(DIGESTS_IN_BLOCK));
            left = left.saturating_sub(piece);
            level = at.plus(piece.saturating_mul(4096));
        }
    }

    /// Where a hint is in the index, if it is there, and the places after it.
    fn probes(&self, hint: Hint) -> impl Iterator<Item = usize> + use<> {
        let entries = self.entries;
        // The hint's upper 32 bits choose the place, its lower 32 are kept.
        let first = (hint.get() >> 16).saturating_mul(entries) >> 32;
        (0..u64::try_from(PROBES).unwrap_or(0)).filter_map(move |step| {
            let place = first.saturating_add(step).checked_rem(entries)?;
            usize::try_from(place).ok()
        })
    }

    /// `number` is above 0. The first block with a hint is the one that is found.
    fn put(&self, index: &mut [u64], hint: Hint, number: u32) {
        if hint.get() & self.coarse != 0 {
            return;
        }
        let entry = (low(hint) << 32) | u64::from(number);
        for place in self.probes(hint) {
            match index.get_mut(place) {
                Some(free) if *free == 0 => {
                    *free = entry;
                    return;
                }
                Some(taken) if *taken >> 32 == low(hint) => return,
                _ => {}
            }
        }
    }

    fn place(&self, index: &[u64], hint: Hint) -> Place {
        if self.zeros == Some(hint) {
            return Place::Zeros;
        }
        for place in self.probes(hint) {
            match index.get(place) {
                Some(entry) if *entry >> 32 == low(hint) && *entry != 0 => {
                    return number(*entry).map_or(Place::Unknown, |number| Place::At(number.saturating_sub(1)));
                }
                Some(entry) if *entry != 0 => {}
                _ => return Place::Unknown,
            }
        }
        Place::Unknown
    }

    /// Where the blocks with these hints are, if all of them may be in other slots.
    fn find(&self, index: &[u64], hints: &[u8], places: &mut Places) -> Option<()> {
        places.len = hints.len() / HINT_BYTES;
        let mut last = Place::Unknown;
        for (hint, place) in hints.chunks(HINT_BYTES).zip(&mut places.of) {
            let hint = Hint::of(hint)?;
            last = match self.place(index, hint) {
                // One without an entry is taken to follow the one before.
                Place::Unknown if hint.get() & self.coarse != 0 => last.moved(1),
                Place::Unknown => return None,
                known => known,
            };
            *place = last.packed();
        }
        let mut next = Place::Unknown;
        for place in places.of.get_mut(..places.len)?.iter_mut().rev() {
            if Place::of(*place) == Place::Unknown {
                *place = next.moved(-1).packed();
            }
            next = Place::of(*place);
        }
        places.all().all(|place| place != Place::Unknown).then_some(())
    }

    /// Whether all blocks with these hints may be in other slots.
    // Not inlined: where they are is gone at once.
    #[inline(never)]
    pub(super) fn has(&self, index: &[u64], hints: &[u8]) -> bool {
        !self.is_empty() && self.find(index, hints, &mut Places::new()).is_some()
    }

    /// Reads the blocks with these hints into the front of the data buffer. `false` if one of them cannot be read. Uses `leaf`.
    ///
    /// # Errors
    /// Those of the disk that are no failed read.
    pub(super) fn gather<D: BlockIo, H: BlockHasher>(
        &self,
        window: &mut Window<'_, D>,
        (hints, judge): (core::ops::Range<usize>, Judge),
        salt: Salt<'_>,
        buffers: &mut Buffers<'_>,
        hasher: &mut H,
    ) -> Result<bool, Error<D::Error>> {
        let hints = buffers.reuse.hints.get(hints).unwrap_or_default();
        let mut places = Places::new();
        if self.find(buffers.reuse.index, hints, &mut places).is_none() {
            return Ok(false);
        }
        let mut rest = &mut *buffers.data;
        let mut from = 0;
        while let Some((place, blocks)) = places.run(from) {
            let len = blocks.saturating_mul(BLOCK_BYTES);
            let Some((piece, after)) = core::mem::take(&mut rest).split_at_mut_checked(len) else { return Ok(false) };
            rest = after;
            from = from.saturating_add(blocks);
            match place {
                Place::Zeros => piece.fill(0),
                Place::Unknown => return Ok(false),
                Place::At(number) => {
                    if !self.read_run(window, number.into(), piece)? {
                        return Ok(false);
                    }
                }
            }
        }
        if self.coarse == 0 && judge == Judge::Tree {
            return Ok(true);
        }
        let data = buffers.data.get_mut(..places.len.saturating_mul(BLOCK_BYTES)).unwrap_or_default();
        let digests = buffers.leaf.get_mut(..places.len.saturating_mul(DIGEST_BYTES)).unwrap_or_default();
        hasher.hash_blocks(salt, data, digests);
        let blocks = hints.chunks(HINT_BYTES).zip(digests.chunks(DIGEST_BYTES)).zip(data.chunks_mut(BLOCK_BYTES));
        let mut next = Place::Unknown;
        for (((hint, digest), block), place) in blocks.zip(&places.of).rev() {
            if digest.starts_with(hint) {
                next = Place::of(*place);
                continue;
            }
            next = next.moved(-1);
            let Place::At(number) = next else { return Ok(false) };
            if !self.read_run(window, number.into(), block)? {
                return Ok(false);
            }
            if judge == Judge::Hints {
                let mut digest = [0; DIGEST_BYTES];
                hasher.hash_blocks(salt, block, &mut digest);
                if !digest.starts_with(hint) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Reads blocks that follow each other, through the images that they are in.
    fn read_run<D: BlockIo>(
        &self,
        window: &mut Window<'_, D>,
        mut number: u64,
        piece: &mut [u8],
    ) -> Result<bool, Error<D::Error>> {
        for (extent, blocks) in self.images() {
            if number >= blocks {
                number = number.saturating_sub(blocks);
                continue;
            }
            return match window.elsewhere(extent).read(ByteOffset::new(number.saturating_mul(4096)), piece) {
                Ok(()) => Ok(true),
                // Blocks that are taken to follow one another may leave their image.
                Err(Error::Medium(Medium::Failed(_)) | Error::Misuse(_)) => Ok(false),
                Err(other) => Err(other),
            };
        }
        Ok(false)
    }
}

/// Blocks of hashes that are read at once: a chunk's length.
const PIECE_BLOCKS: u64 = 128;
/// Digests in a block of hashes.
const DIGESTS_IN_BLOCK: u64 = 128;

fn spares_of(spares: &[Spare], bit: u8) -> impl Iterator<Item = (Extent, u64)> {
    spares.iter().filter(move |spare| spare.payloads & bit != 0).map(|spare| (spare.image.extent, spare.image.blocks))
}

const fn low(hint: Hint) -> u64 {
    hint.get() & 0xffff_ffff
}

fn number(entry: u64) -> Option<u32> {
    u32::try_from(entry & 0xffff_ffff).ok()
}

/// Where the hints of a chunk are among those of its page.
pub(super) fn hints_of(chunk_of_page: usize, chunk_blocks: usize) -> core::ops::Range<usize> {
    let start = chunk_of_page.saturating_mul(CHUNK_HINTS_BYTES);
    start..start.saturating_add(chunk_blocks.saturating_mul(HINT_BYTES))
}

/// Where the blocks of a chunk are.
struct Places {
    /// Each as a number: [`Place::packed`].
    of: [u32; DIGESTS_PER_BLOCK],
    len: usize,
}

impl Places {
    const fn new() -> Self {
        Self { of: [UNKNOWN; DIGESTS_PER_BLOCK], len: 0 }
    }

    fn all(&self) -> impl Iterator<Item = Place> {
        self.of.iter().map(|place| Place::of(*place)).take(self.len)
    }

    /// The place of block `from`, and how many blocks from there on are read together.
    fn run(&self, from: usize) -> Option<(Place, usize)> {
        let mut rest = self.all().skip(from);
        let first = rest.next()?;
        let mut expected = first;
        let more = rest.take_while(|place| {
            if first != Place::Zeros {
                expected = expected.moved(1);
            }
            *place == expected
        });
        Some((first, more.count().saturating_add(1)))
    }
}

/// No block has this number ..
const UNKNOWN: u32 = u32::MAX;
/// .. nor this one.
const ZEROS: u32 = u32::MAX - 1;

impl Place {
    const fn packed(self) -> u32 {
        match self {
            Self::Unknown => UNKNOWN,
            Self::Zeros => ZEROS,
            Self::At(number) => number,
        }
    }

    const fn of(packed: u32) -> Self {
        match packed {
            UNKNOWN => Self::Unknown,
            ZEROS => Self::Zeros,
            number => Self::At(number),
        }
    }

    fn moved(self, by: i32) -> Self {
        match self {
            Self::At(number) => number.checked_add_signed(by).map_or(Self::Unknown, Self::At),
            Self::Zeros | Self::Unknown => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests;
