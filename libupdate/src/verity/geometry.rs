//! Where every block of an image and of its hash tree stands.

use crate::block::{ByteLen, ByteOffset};
use crate::digest::BLOCK_BYTES;
use crate::limits::DATA_BLOCKS;
use crate::verity::DIGESTS_PER_BLOCK;

/// [`BLOCK_BYTES`], as a length on disk.
const BLOCK: u64 = 4096;
/// A hash block holds 2 to this power digests.
const FANOUT_BITS: u32 = 7;
const FANOUT: u64 = 1 << FANOUT_BITS;

/// The shape of one image and its hash tree: a function of the number of data blocks alone.
///
/// Levels are `u8`, 0 being the digests of data blocks; blocks of a level, and chunks, are numbered with `u64` from 0. Offsets
/// count from the start of the partition.
///
/// # Invariants
/// 1 to [`DATA_BLOCKS`] data blocks. So there are at most [`LEVELS`](crate::limits::LEVELS) levels, every offset lies below
/// 2^48, and no sum or product in here can reach its saturated value.
///
/// ```
/// use libupdate::verity::Geometry;
/// use libupdate::{ByteLen, ByteOffset};
///
/// // 129 data blocks, the last of them one byte long: two level-0 hash blocks, below one level-1 block.
/// let image = Geometry::from_image_len(ByteLen::new(128 * 4096 + 1)).unwrap();
/// assert_eq!((image.data_blocks(), image.levels()), (129, 2));
/// assert_eq!(image.hash_offset(), ByteOffset::new(129 * 4096));
/// assert_eq!(image.block_offset(1, 0), Some(ByteOffset::new(130 * 4096)));
/// assert_eq!(image.block_offset(0, 1), Some(ByteOffset::new(132 * 4096)));
/// assert_eq!(image.end(), ByteOffset::new(133 * 4096));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geometry {
    data_blocks: u64,
}

/// Who holds the digest of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parent {
    /// The block is the top of the tree: its digest is the root hash.
    Root,
    /// A hash block one level up.
    Block {
        /// Its level.
        level: u8,
        /// Its number in that level.
        index: u64,
        /// Which of its 128 digests, from 0.
        place: usize,
    },
}

impl Geometry {
    /// The geometry of an image of this many bytes; the tail of its last data block is zero. `None` for an empty image, or
    /// one over the bound.
    #[must_use]
    pub const fn from_image_len(image_len: ByteLen) -> Option<Self> {
        Self::from_data_blocks(image_len.get().div_ceil(BLOCK))
    }

    /// The geometry of an image of this many data blocks. `None` for none, or more than [`DATA_BLOCKS`].
    #[must_use]
    pub const fn from_data_blocks(data_blocks: u64) -> Option<Self> {
        if data_blocks == 0 || data_blocks > DATA_BLOCKS { None } else { Some(Self { data_blocks }) }
    }

    /// Data blocks of 4096 bytes.
    #[must_use]
    pub const fn data_blocks(&self) -> u64 {
        self.data_blocks
    }

    /// Bytes of all data blocks: the image, padded to a whole block.
    #[must_use]
    pub const fn image_blocks_bytes(&self) -> ByteLen {
        ByteLen::new(self.data_blocks.saturating_mul(BLOCK))
    }

    /// Levels of hash blocks: 0 for one data block, whose digest is the root hash itself.
    #[must_use]
    pub fn levels(&self) -> u8 {
        // The first level whose single block spans every data block is the top one.
        let mut levels = 0_u8;
        while spanned_by(levels) < self.data_blocks {
            levels = levels.saturating_add(1);
        }
        levels
    }

    /// Hash blocks in a level; 0 in one the tree does not have.
    #[must_use]
    pub fn level_blocks(&self, level: u8) -> u64 {
        if level < self.levels() { self.data_blocks.div_ceil(spanned_by(level.saturating_add(1))) } else { 0 }
    }

    /// Hash blocks of all levels from `level` up.
    fn blocks_from(&self, level: u8) -> u64 {
        (level..self.levels()).fold(0, |sum: u64, level| sum.saturating_add(self.level_blocks(level)))
    }

    /// Where the hash area begins, with its superblock: right after the data blocks.
    #[must_use]
    pub const fn hash_offset(&self) -> ByteOffset {
        ByteOffset::new(self.data_blocks.saturating_mul(BLOCK))
    }

    /// Where a level begins. One that the tree does not have is empty, right after the superblock.
    #[must_use]
    pub fn level_offset(&self, level: u8) -> ByteOffset {
        self.after_superblock(self.blocks_from(level.saturating_add(1)))
    }

    /// Where a hash block stands. `None` where the tree has no such block.
    #[must_use]
    pub fn block_offset(&self, level: u8, index: u64) -> Option<ByteOffset> {
        if index < self.level_blocks(level) { self.level_offset(level).plus(index.saturating_mul(BLOCK)) } else { None }
    }

    /// The first byte after data and hash area.
    #[must_use]
    pub fn end(&self) -> ByteOffset {
        self.after_superblock(self.blocks_from(0))
    }

    fn after_superblock(&self, blocks: u64) -> ByteOffset {
        let before = self.data_blocks.saturating_add(1).saturating_add(blocks);
        ByteOffset::new(before.saturating_mul(BLOCK))
    }

    /// Chunks of 128 data blocks, the last one of 1 to 128. Chunk i is what level-0 block i covers, if there is a level.
    #[must_use]
    pub const fn chunks(&self) -> u64 {
        self.data_blocks.div_ceil(FANOUT)
    }

    /// Data blocks of a chunk, 1 to 128; 0 past the last one.
    #[must_use]
    pub fn chunk_blocks(&self, chunk: u64) -> usize {
        let left = self.data_blocks.saturating_sub(chunk.saturating_mul(FANOUT));
        usize::try_from(left).map_or(DIGESTS_PER_BLOCK, |left| left.min(DIGESTS_PER_BLOCK))
    }

    /// Bytes of a chunk, at most 512 KiB; 0 past the last one.
    #[must_use]
    pub fn chunk_len(&self, chunk: u64) -> usize {
        self.chunk_blocks(chunk).saturating_mul(BLOCK_BYTES)
    }

    /// Where a chunk begins. `None` past the last one.
    #[must_use]
    pub fn chunk_offset(&self, chunk: u64) -> Option<ByteOffset> {
        if chunk < self.chunks() {
            Some(ByteOffset::new(chunk.saturating_mul(FANOUT).saturating_mul(BLOCK)))
        } else {
            None
        }
    }

    /// The levels a bundle carries, as (level, its blocks), top first: all but level 0, which the chunks give.
    pub fn shipped_levels(self) -> impl DoubleEndedIterator<Item = (u8, u64)> {
        (1..self.levels()).rev().map(move |level| (level, self.level_blocks(level)))
    }

    /// The hash blocks a bundle carries, as (level, index), in the order of the bundle and of the disk.
    pub fn shipped(self) -> impl Iterator<Item = (u8, u64)> {
        self.shipped_levels().flat_map(|(level, blocks)| (0..blocks).map(move |index| (level, index)))
    }

    /// How many hash blocks a bundle carries: about 17 for each GiB.
    #[must_use]
    pub fn shipped_blocks(&self) -> u64 {
        self.blocks_from(1)
    }

    /// Who holds the digest of a hash block. `None` where the tree has no such block.
    #[must_use]
    pub fn parent(&self, level: u8, index: u64) -> Option<Parent> {
        let above = level.saturating_add(1);
        if index >= self.level_blocks(level) {
            None
        } else if above == self.levels() {
            Some(Parent::Root)
        } else {
            Some(Parent::Block { level: above, index: index >> FANOUT_BITS, place: place_of(index) })
        }
    }
}

/// The place that block or chunk `index` has among the 128 digests of its parent.
#[expect(clippy::as_conversions, reason = "the mask leaves seven bits")]
pub(super) const fn place_of(index: u64) -> usize {
    (index & (FANOUT - 1)) as usize
}

/// The ancestor of block `index` that stands `levels` above it.
pub(super) fn ancestor(index: u64, levels: u8) -> u64 {
    index.checked_shr(FANOUT_BITS.saturating_mul(u32::from(levels))).unwrap_or(0)
}

/// Data blocks below one block of the level under `levels`: 128 to this power.
pub(super) fn spanned_by(levels: u8) -> u64 {
    1_u64.checked_shl(FANOUT_BITS.saturating_mul(u32::from(levels))).unwrap_or(u64::MAX)
}
