//! The hash block that was needed last, kept because the next one needed is nearly always the same.

use crate::error::{Corrupt, Error, Rule};
use crate::io::{BlockIo, Window};
use crate::units::digest::{BLOCK_BYTES, BlockHasher, Digest};
use crate::verity::geometry::Parent;
use crate::verity::tree::Tree;

/// Gives the digest that a hash block or a chunk must have, with one checked parent block in memory. Taken in order, chunks
/// cost one walk from the root for every 128 of them.
///
/// # Invariants
/// The block it keeps was checked against the root when it was read. The disk may change after that; the digests that it
/// gives stay the authentic ones.
#[derive(Clone, Debug)]
pub struct ParentCache<'s> {
    tree: Tree<'s>,
    held: Option<(u8, u64)>,
    block: [u8; BLOCK_BYTES],
}

impl<'s> ParentCache<'s> {
    /// An empty cache.
    #[must_use]
    pub const fn new(tree: Tree<'s>) -> Self {
        Self { tree, held: None, block: [0; BLOCK_BYTES] }
    }

    /// The tree.
    #[must_use]
    pub const fn tree(&self) -> &Tree<'s> {
        &self.tree
    }

    /// The digest that hash block `index` of `level` must have. Reads the blocks above it from the partition, where the
    /// parent is not the one held.
    ///
    /// # Errors
    /// As [`Tree::load_block`]; nothing is held after an error.
    pub fn expected<D: BlockIo, H: BlockHasher>(
        &mut self,
        window: &mut Window<'_, D>,
        level: u8,
        index: u64,
        hasher: &mut H,
    ) -> Result<Digest, Error<D::Error>> {
        if let Some(Parent::Block { level, index, .. }) = self.tree.geometry.parent(level, index) {
            self.hold(window, level, index, hasher)?;
        }
        self.tree.digest_from(&self.block, level, index).map_err(Error::Slot)
    }

    /// What [`Tree::check_chunk`] must find for a chunk: the digest of its level-0 hash block, or the root hash where the one
    /// data block is the whole tree.
    ///
    /// # Errors
    /// As [`Tree::load_block`]; `Chunk` where the image has no such chunk.
    pub fn expected_chunk<D: BlockIo, H: BlockHasher>(
        &mut self,
        window: &mut Window<'_, D>,
        chunk: u64,
        hasher: &mut H,
    ) -> Result<Digest, Error<D::Error>> {
        if chunk >= self.tree.geometry.chunks() {
            return Err(Error::Slot(Corrupt(Rule::Chunk { chunk })));
        }
        match self.tree.geometry.levels() {
            0 => Ok(*self.tree.root.digest()),
            _ => self.expected(window, 0, chunk, hasher),
        }
    }

    fn hold<D: BlockIo, H: BlockHasher>(
        &mut self,
        window: &mut Window<'_, D>,
        level: u8,
        index: u64,
        hasher: &mut H,
    ) -> Result<(), Error<D::Error>> {
        if self.held != Some((level, index)) {
            self.held = None;
            self.tree.load_block(window, level, index, &mut self.block, hasher)?;
            self.held = Some((level, index));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Medium;
    use crate::io::ram_disk::Failed;
    use crate::units::digest::{Salt, SoftHasher, hash_block};
    use crate::verity::sample::Sample;

    fn ask(
        cache: &mut ParentCache<'_>,
        sample: &mut Sample<'_>,
        level: u8,
        index: u64,
    ) -> Result<Digest, Error<Failed>> {
        cache.expected(&mut sample.window(), level, index, &mut SoftHasher)
    }

    fn ask_chunk(cache: &mut ParentCache<'_>, sample: &mut Sample<'_>, chunk: u64) -> Result<Digest, Error<Failed>> {
        cache.expected_chunk(&mut sample.window(), chunk, &mut SoftHasher)
    }

    fn hash(block: &[u8; BLOCK_BYTES]) -> Digest {
        hash_block(&mut SoftHasher, Salt::new(b"salt").unwrap(), block)
    }

    #[test]
    fn it_gives_the_digest_of_every_hash_block() {
        for blocks in [2, 128, 129, 16385] {
            let mut sample = Sample::new(blocks, b"salt");
            let geometry = sample.tree.geometry;
            let mut cache = ParentCache::new(sample.tree);
            for level in (0..geometry.levels()).rev() {
                for index in 0..geometry.level_blocks(level) {
                    let digest = hash(sample.block(level, index));
                    assert_eq!(ask(&mut cache, &mut sample, level, index), Ok(digest), "{blocks}");
                    if level == 0 {
                        assert_eq!(ask_chunk(&mut cache, &mut sample, index), Ok(digest), "{blocks}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_only_data_block_and_the_only_chunk_have_the_root() {
        for blocks in [1, 2, 128] {
            let mut sample = Sample::new(blocks, b"salt");
            let root = *sample.tree.root.digest();
            // Nothing is read for it.
            sample.disk.bad_reads = (0..sample.disk.bytes.len() as u64 / 512).collect();
            assert_eq!(ask_chunk(&mut ParentCache::new(sample.tree), &mut sample, 0), Ok(root));
        }
    }

    #[test]
    fn chunks_in_order_load_their_parent_once() {
        let mut sample = Sample::new(16385, b"salt");
        let mut cache = ParentCache::new(sample.tree);
        ask_chunk(&mut cache, &mut sample, 0).unwrap();
        sample.disk.bad_reads = sample.sectors(2, 0);
        for chunk in 1..128 {
            assert!(ask_chunk(&mut cache, &mut sample, chunk).is_ok());
        }
        assert!(matches!(ask_chunk(&mut cache, &mut sample, 128), Err(Error::Medium(Medium::Failed(_)))));
        // Not the block that was half loaded, and no longer the one before.
        assert!(matches!(ask_chunk(&mut cache, &mut sample, 1), Err(Error::Medium(Medium::Failed(_)))));
        sample.disk.bad_reads.clear();
        assert!(ask_chunk(&mut cache, &mut sample, 1).is_ok());
    }

    #[test]
    fn a_parent_that_does_not_match_gives_no_digest() {
        let mut sample = Sample::new(16385, b"salt");
        sample.block(1, 1)[0] ^= 1;
        let mut cache = ParentCache::new(sample.tree);
        for _ in 0..2 {
            assert!(ask_chunk(&mut cache, &mut sample, 127).is_ok());
            let found = ask_chunk(&mut cache, &mut sample, 128);
            assert_eq!(found, Err(Error::Slot(Corrupt(Rule::HashBlock { level: 1, index: 1 }))));
        }
    }

    #[test]
    fn what_the_image_does_not_have_is_refused() {
        let mut sample = Sample::new(129, b"salt");
        let mut cache = ParentCache::new(sample.tree);
        assert_eq!(ask_chunk(&mut cache, &mut sample, 2), Err(Error::Slot(Corrupt(Rule::Chunk { chunk: 2 }))));
        let absent = Corrupt(Rule::HashBlock { level: 2, index: 0 });
        assert_eq!(ask(&mut cache, &mut sample, 2, 0), Err(Error::Slot(absent)));
        let mut sample = Sample::new(1, b"salt");
        let mut cache = ParentCache::new(sample.tree);
        assert_eq!(ask_chunk(&mut cache, &mut sample, 1), Err(Error::Slot(Corrupt(Rule::Chunk { chunk: 1 }))));
    }
}
