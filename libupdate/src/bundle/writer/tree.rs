//! The hash tree of an image that passes by.

use std::vec::Vec;

use crate::bundle::writer::source::Source;
use crate::bundle::writer::{Tools, WriteError};
use crate::error::{Corrupt, Rule};
use crate::units::bytes;
use crate::units::digest::{BLOCK_BYTES, BlockHasher, DIGEST_BYTES, RootHash, Salt};
use crate::units::limits::LEVELS;
use crate::verity::{BuildError, Geometry, TreeBuilder};

/// Root and levels of an image that was read to its end.
pub(super) struct HashedImage {
    pub(super) root_hash: RootHash,
    /// Levels >= 1, the top one first, as the bundle carries them.
    pub(super) levels: Vec<u8>,
}

impl HashedImage {
    /// Reads and hashes the image; `carry` gets every batch of it as well, and the digests of its blocks.
    pub(super) fn of<H: BlockHasher>(
        source: Source<'_, '_>,
        salt: Salt<'_>,
        tools: &mut Tools<'_, H>,
        mut carry: impl FnMut(&[u8], &[u8]) -> Result<(), WriteError>,
    ) -> Result<Self, WriteError> {
        let geometry = source.geometry();
        let hasher = &mut tools.hasher;
        let mut levels = std::vec![0; levels_len(&geometry)];
        let mut open = [[0; BLOCK_BYTES]; LEVELS];
        let mut builder = TreeBuilder::new(geometry, salt, &mut open).map_err(WriteError::Misuse)?;
        let mut digests = Vec::new();
        source.for_each_batch(tools.progress, |batch| {
            digests.resize(batch.len().div_ceil(BLOCK_BYTES).saturating_mul(DIGEST_BYTES), 0);
            hasher.hash_blocks(salt, batch, &mut digests);
            builder
                .push_digests(&digests, hasher, |level, index, block| keep(&geometry, &mut levels, level, index, block))
                .map_err(WriteError::Tree)?;
            carry(batch, &digests)
        })?;
        let root_hash = builder.finish().map_err(|unfinished| WriteError::Tree(BuildError::Unfinished(unfinished)))?;
        Ok(Self { root_hash, levels })
    }
}

/// Bytes of levels >= 1.
pub(super) fn levels_len(geometry: &Geometry) -> usize {
    // 70 KiB per GiB: an image whose levels did not fit memory would not fit a disk.
    usize::try_from(geometry.shipped_bytes().get()).unwrap_or(usize::MAX)
}

/// Keeps a block of levels >= 1 where the bundle has it: as far from the top level as on the partition.
fn keep(
    geometry: &Geometry,
    levels: &mut [u8],
    level: u8,
    index: u64,
    block: &[u8; BLOCK_BYTES],
) -> Result<(), Corrupt> {
    if level == 0 {
        return Ok(());
    }
    let top = geometry.level_offset(geometry.levels().saturating_sub(1)).get();
    let at = geometry.block_offset(level, index).and_then(|offset| offset.get().checked_sub(top));
    let at = at.and_then(|at| usize::try_from(at).ok()).unwrap_or(usize::MAX);
    bytes::put(levels, at, block).ok_or(Corrupt(Rule::HashBlock { level, index }))
}
