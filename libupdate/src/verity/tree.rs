//! One image's tree, and the checks of its blocks against the root hash.

use crate::bytes::{array, put};
use crate::digest::{BLOCK_BYTES, BlockHasher, DIGEST_BYTES, Digest, RootHash, Salt, hash_block};
use crate::error::{Corrupt, Error};
use crate::io::{BlockIo, Window};
use crate::verity::geometry::{Geometry, Parent, ancestor};

/// What a signed manifest says of one image: all that is needed to check every block of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tree<'s> {
    /// The shape.
    pub geometry: Geometry,
    /// What is hashed before every block.
    pub salt: Salt<'s>,
    /// The one digest that is trusted.
    pub root: RootHash,
}

impl Tree<'_> {
    /// Reads a hash block from the partition, checked through every block above it. One block is in memory at a time: `buf`
    /// holds the wanted one in the end, and is undefined after an error.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::NoSpace`] where the partition ends before the tree; [`Corrupt::HashBlock`] names the topmost
    /// block that does not match, or the wanted one where the tree has no such block.
    pub fn load_block<D: BlockIo, H: BlockHasher>(
        &self,
        window: &mut Window<'_, D>,
        level: u8,
        index: u64,
        buf: &mut [u8; BLOCK_BYTES],
        hasher: &mut H,
    ) -> Result<(), Error<D::Error>> {
        if index >= self.geometry.level_blocks(level) {
            return Err(Corrupt::HashBlock { level, index }.into());
        }
        for above in (0..self.geometry.levels().saturating_sub(level)).rev() {
            let (level, index) = (level.saturating_add(above), ancestor(index, above));
            // `buf` still holds the parent, checked by the step before.
            let expected = self.digest_from(buf, level, index)?;
            let at = self.geometry.block_offset(level, index).ok_or(Corrupt::HashBlock { level, index })?;
            window.read(at, buf)?;
            self.check_block(expected, level, index, buf, hasher)?;
        }
        Ok(())
    }

    /// Compares a hash block with its digest.
    ///
    /// # Errors
    /// [`Corrupt::HashBlock`].
    pub fn check_block<H: BlockHasher>(
        &self,
        expected: Digest,
        level: u8,
        index: u64,
        block: &[u8; BLOCK_BYTES],
        hasher: &mut H,
    ) -> Result<(), Corrupt> {
        if hash_block(hasher, self.salt, block) == expected { Ok(()) } else { Err(Corrupt::HashBlock { level, index }) }
    }

    /// Compares one chunk, given by its data blocks' digests, with the digest that [`ParentCache::expected_chunk`] gives.
    /// Touches memory only: in the end `block` holds the chunk's level-0 hash block, to be written to
    /// [`Geometry::block_offset`]`(0, chunk)` where the tree has levels.
    ///
    /// [`ParentCache::expected_chunk`]: crate::verity::ParentCache::expected_chunk
    ///
    /// # Errors
    /// [`Corrupt::Chunk`], also where `digests` is not 32 bytes for each data block of the chunk.
    pub fn check_chunk<H: BlockHasher>(
        &self,
        expected: Digest,
        chunk: u64,
        digests: &[u8],
        block: &mut [u8; BLOCK_BYTES],
        hasher: &mut H,
    ) -> Result<(), Corrupt> {
        let wrong = Corrupt::Chunk { chunk };
        let blocks = self.geometry.chunk_blocks(chunk);
        if blocks == 0 || digests.len() != blocks.saturating_mul(DIGEST_BYTES) {
            return Err(wrong);
        }
        block.fill(0);
        put(block, 0, digests).ok_or(wrong)?;
        let found = match self.geometry.levels() {
            0 => digest_at(block, 0).ok_or(wrong)?,
            _ => hash_block(hasher, self.salt, block),
        };
        if found == expected { Ok(()) } else { Err(wrong) }
    }

    /// The digest of hash block `index` of `level`: the root hash for the top, else what `parent`, the hash block above it,
    /// holds.
    pub(super) fn digest_from(&self, parent: &[u8; BLOCK_BYTES], level: u8, index: u64) -> Result<Digest, Corrupt> {
        match self.geometry.parent(level, index) {
            Some(Parent::Root) => Some(*self.root.digest()),
            Some(Parent::Block { place, .. }) => digest_at(parent, place),
            None => None,
        }
        .ok_or(Corrupt::HashBlock { level, index })
    }
}

/// One of the 128 digests in a hash block, from 0; the unused ones at the end of a level are zero.
#[must_use]
pub fn digest_at(block: &[u8; BLOCK_BYTES], place: usize) -> Option<Digest> {
    array(block, place.checked_mul(DIGEST_BYTES)?).map(Digest::new)
}
