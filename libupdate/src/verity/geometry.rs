//! Where every block of an image and of its hash tree is.

use crate::units::block::{ByteLen, ByteOffset};
use crate::units::digest::BLOCK_BYTES;
use crate::units::limits::DATA_BLOCKS;
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
/// 1 to [`DATA_BLOCKS`] data blocks. So there are at most [`LEVELS`](crate::units::limits::LEVELS) levels, every offset lies below
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

    /// Where a hash block is. `None` if the tree has no such block.
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
    pub(crate) fn shipped_levels(self) -> impl DoubleEndedIterator<Item = (u8, u64)> {
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

    /// Bytes of these blocks.
    #[must_use]
    pub fn shipped_bytes(&self) -> ByteLen {
        ByteLen::new(self.shipped_blocks().saturating_mul(BLOCK))
    }

    /// Who holds the digest of a hash block. `None` if the tree has no such block.
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

/// The ancestor of block `index` that is `levels` above it.
pub(super) fn ancestor(index: u64, levels: u8) -> u64 {
    index.checked_shr(FANOUT_BITS.saturating_mul(u32::from(levels))).unwrap_or(0)
}

/// Data blocks below one block of the level under `levels`: 128 to this power.
pub(super) fn spanned_by(levels: u8) -> u64 {
    1_u64.checked_shl(FANOUT_BITS.saturating_mul(u32::from(levels))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::digest::DIGEST_BYTES;
    use crate::units::limits::LEVELS;
    use std::vec::Vec;

    fn of(data_blocks: u64) -> Geometry {
        Geometry::from_data_blocks(data_blocks).unwrap()
    }

    #[test]
    fn a_hash_block_is_full_of_digests() {
        assert_eq!(BLOCK, BLOCK_BYTES as u64);
        assert_eq!(FANOUT, DIGESTS_PER_BLOCK as u64);
        assert_eq!(DIGESTS_PER_BLOCK * DIGEST_BYTES, BLOCK_BYTES);
    }

    #[test]
    fn an_image_length_is_rounded_up_to_blocks() {
        let blocks = |len| Geometry::from_image_len(ByteLen::new(len)).map(|geometry| geometry.data_blocks());
        assert_eq!(blocks(1), Some(1));
        assert_eq!(blocks(4096), Some(1));
        assert_eq!(blocks(4097), Some(2));
        assert_eq!(of(2).image_blocks_bytes(), ByteLen::new(8192));
    }

    #[test]
    fn an_image_has_1_to_128_pow_5_data_blocks() {
        assert_eq!(Geometry::from_data_blocks(0), None);
        assert_eq!(Geometry::from_image_len(ByteLen::new(0)), None);
        assert!(Geometry::from_data_blocks(DATA_BLOCKS).is_some());
        assert_eq!(Geometry::from_data_blocks(DATA_BLOCKS + 1), None);
        assert!(Geometry::from_image_len(ByteLen::new(DATA_BLOCKS * 4096)).is_some());
        assert_eq!(Geometry::from_image_len(ByteLen::new(DATA_BLOCKS * 4096 + 1)), None);
        assert_eq!(Geometry::from_image_len(ByteLen::new(u64::MAX)), None);
    }

    /// Blocks of each level from 0 up; the empty list is the tree of one data block.
    #[test]
    fn a_level_holds_the_digests_of_the_one_below_up_to_one_block() {
        for (data_blocks, levels) in [
            (1, &[][..]),
            (2, &[1]),
            (127, &[1]),
            (128, &[1]),
            (129, &[2, 1]),
            (16384, &[128, 1]),
            (16385, &[129, 2, 1]),
            (1 << 21, &[16384, 128, 1]),
            ((1 << 21) + 1, &[16385, 129, 2, 1]),
            (1 << 28, &[1 << 21, 16384, 128, 1]),
            ((1 << 28) + 1, &[(1 << 21) + 1, 16385, 129, 2, 1]),
            (DATA_BLOCKS, &[1 << 28, 1 << 21, 16384, 128, 1]),
        ] {
            let geometry = of(data_blocks);
            assert_eq!(usize::from(geometry.levels()), levels.len(), "{data_blocks}");
            for (level, blocks) in (0..).zip(levels) {
                assert_eq!(geometry.level_blocks(level), *blocks, "{data_blocks}, level {level}");
            }
            assert_eq!(geometry.level_blocks(geometry.levels()), 0);
            assert_eq!(geometry.level_blocks(u8::MAX), 0);
        }
        assert_eq!(usize::from(of(DATA_BLOCKS).levels()), LEVELS);
    }

    #[test]
    fn superblock_and_levels_follow_the_data_top_first_without_gaps() {
        for data_blocks in [1, 2, 127, 128, 129, 16384, 16385, (1 << 20) + 1, (1 << 28) + 1, DATA_BLOCKS] {
            let geometry = of(data_blocks);
            let mut at = data_blocks * BLOCK;
            assert_eq!(geometry.hash_offset(), ByteOffset::new(at));
            at += BLOCK;
            for level in (0..geometry.levels()).rev() {
                assert_eq!(geometry.level_offset(level), ByteOffset::new(at), "{data_blocks}, level {level}");
                let last = geometry.level_blocks(level) - 1;
                assert_eq!(geometry.block_offset(level, 0), Some(ByteOffset::new(at)));
                assert_eq!(geometry.block_offset(level, last), Some(ByteOffset::new(at + last * BLOCK)));
                assert_eq!(geometry.block_offset(level, last + 1), None);
                at += (last + 1) * BLOCK;
            }
            assert_eq!(geometry.end(), ByteOffset::new(at), "{data_blocks}");
            assert_eq!(geometry.block_offset(geometry.levels(), 0), None);
            assert_eq!(geometry.block_offset(u8::MAX, u64::MAX), None);
            assert_eq!(geometry.level_offset(u8::MAX), ByteOffset::new((data_blocks + 1) * BLOCK));
        }
    }

    #[test]
    fn offsets_over_4_gib_are_whole() {
        let geometry = of((1 << 20) + 1);
        assert_eq!(geometry.hash_offset(), ByteOffset::new(0x1_0000_1000));
        assert_eq!(geometry.level_offset(2), ByteOffset::new(0x1_0000_2000));
        assert_eq!(geometry.level_offset(1), ByteOffset::new(0x1_0000_3000));
        assert_eq!(geometry.level_offset(0), ByteOffset::new(0x1_0004_4000));
        assert_eq!(geometry.block_offset(0, 8192), Some(ByteOffset::new(0x1_0204_4000)));
        assert_eq!(geometry.end(), ByteOffset::new(0x1_0204_5000));
        assert_eq!(geometry.chunk_offset(8192), Some(ByteOffset::new(0x1_0000_0000)));
        assert!(of(DATA_BLOCKS).end().get() < 1 << 48);
    }

    #[test]
    fn a_chunk_is_what_a_level_0_block_covers() {
        for data_blocks in [1, 2, 127, 128, 129, 16384, 16385, (1 << 28) + 1, DATA_BLOCKS] {
            let geometry = of(data_blocks);
            let last = geometry.chunks() - 1;
            assert_eq!(geometry.chunks(), geometry.level_blocks(0).max(1), "{data_blocks}");
            assert_eq!(last * 128 + geometry.chunk_blocks(last) as u64, data_blocks);
            assert_eq!(geometry.chunk_len(last), geometry.chunk_blocks(last) * BLOCK_BYTES);
            assert_eq!(geometry.chunk_offset(last), Some(ByteOffset::new(last * 128 * BLOCK)));
            assert_eq!(geometry.chunk_blocks(last + 1), 0);
            assert_eq!(geometry.chunk_len(last + 1), 0);
            assert_eq!(geometry.chunk_offset(last + 1), None);
            assert_eq!(geometry.chunk_blocks(u64::MAX), 0);
            assert_eq!(geometry.chunk_offset(u64::MAX), None);
        }
        assert_eq!(of(129).chunk_blocks(0), 128);
        assert_eq!(of(129).chunk_blocks(1), 1);
    }

    #[test]
    fn all_levels_but_0_are_shipped_in_the_order_of_the_disk() {
        for data_blocks in [1, 2, 128, 129, 16384, 16385, (1 << 21) + 1] {
            let geometry = of(data_blocks);
            let shipped: Vec<_> = geometry.shipped().collect();
            assert_eq!(shipped.len() as u64, geometry.shipped_blocks());
            assert_eq!(geometry.shipped_bytes(), ByteLen::new(shipped.len() as u64 * BLOCK));
            let mut at = geometry.hash_offset().get();
            for (level, index) in shipped {
                at += BLOCK;
                assert_eq!(geometry.block_offset(level, index), Some(ByteOffset::new(at)));
                assert!(level >= 1);
            }
            assert_eq!(geometry.level_offset(0), ByteOffset::new(at + BLOCK));
        }
        assert!(of(16385).shipped_levels().eq([(2, 1), (1, 2)]));
        assert!(of(128).shipped_levels().eq([]));
    }

    #[test]
    fn a_block_has_one_parent_and_the_top_has_the_root() {
        let geometry = of(16385);
        assert_eq!(geometry.parent(0, 0), Some(Parent::Block { level: 1, index: 0, place: 0 }));
        assert_eq!(geometry.parent(0, 127), Some(Parent::Block { level: 1, index: 0, place: 127 }));
        assert_eq!(geometry.parent(0, 128), Some(Parent::Block { level: 1, index: 1, place: 0 }));
        assert_eq!(geometry.parent(0, 129), None);
        assert_eq!(geometry.parent(1, 1), Some(Parent::Block { level: 2, index: 0, place: 1 }));
        assert_eq!(geometry.parent(1, 2), None);
        assert_eq!(geometry.parent(2, 0), Some(Parent::Root));
        assert_eq!(geometry.parent(3, 0), None);
        assert_eq!(geometry.parent(u8::MAX, 0), None);
        assert_eq!(of(2).parent(0, 0), Some(Parent::Root));
        assert_eq!(of(1).parent(0, 0), None);
        let last = (1 << 28) - 1;
        let parent = Parent::Block { level: 1, index: (1 << 21) - 1, place: 127 };
        assert_eq!(of(DATA_BLOCKS).parent(0, last), Some(parent));
        assert_eq!(ancestor(last, 4), 0);
        assert_eq!(ancestor(u64::MAX, u8::MAX), 0);
    }
}
