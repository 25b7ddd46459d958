//! The hash block that was needed last, kept because the next one needed is nearly always the same.

use crate::digest::{BLOCK_BYTES, BlockHasher, Digest};
use crate::error::{Corrupt, Error};
use crate::io::{BlockIo, Window};
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
        Ok(self.tree.digest_from(&self.block, level, index)?)
    }

    /// What [`Tree::check_chunk`] must find for a chunk: the digest of its level-0 hash block, or the root hash where the one
    /// data block is the whole tree.
    ///
    /// # Errors
    /// As [`Tree::load_block`]; [`Corrupt::Chunk`] where the image has no such chunk.
    pub fn expected_chunk<D: BlockIo, H: BlockHasher>(
        &mut self,
        window: &mut Window<'_, D>,
        chunk: u64,
        hasher: &mut H,
    ) -> Result<Digest, Error<D::Error>> {
        if chunk >= self.tree.geometry.chunks() {
            return Err(Corrupt::Chunk { chunk }.into());
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
