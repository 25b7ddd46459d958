//! The first blocks of an image, checked before the kernel reads them: every superblock is among them, so that a damaged one is found
//! here and does not restart the machine.

use crate::error::{Corrupt, Error, Misuse, Rule};
use crate::io::{BlockIo, Window};
use crate::region::Block;
use crate::units::block::ByteOffset;
use crate::units::digest::{BLOCK_BYTES, BlockHasher, DIGEST_BYTES};
use crate::verity::{Tree, digest_at};

/// Blocks that are checked.
const BLOCKS: usize = 16;

/// Reads the start of an image, and the hash blocks above it. `data` has room for at least one block.
///
/// # Errors
/// [`Error::Slot`] names the chunk or hash block; [`Error::Medium`]; [`Misuse::Buffer`].
pub(crate) fn check<D: BlockIo, H: BlockHasher>(
    window: &mut Window<'_, D>,
    tree: &Tree<'_>,
    (data, leaf): (&mut [u8], &mut Block),
    hasher: &mut H,
) -> Result<(), Error<D::Error>> {
    leaf.fill(0);
    if tree.geometry.levels() == 0 {
        let root = leaf.first_chunk_mut::<DIGEST_BYTES>();
        root.map(|root| root.copy_from_slice(tree.root.digest().as_bytes())).unwrap_or_default();
    } else {
        tree.load_block(window, 0, 0, leaf, hasher)?;
    }
    let got = data.len();
    let one = data.get_mut(..BLOCK_BYTES).ok_or(Misuse::Buffer { needed: BLOCK_BYTES, got })?;
    for block in 0..tree.geometry.chunk_blocks(0).min(BLOCKS) {
        let offset = u64::try_from(block.saturating_mul(BLOCK_BYTES)).unwrap_or(u64::MAX);
        window.read(ByteOffset::new(offset), one)?;
        let mut digest = [0; DIGEST_BYTES];
        hasher.hash_blocks(tree.salt, one, &mut digest);
        if digest_at(leaf, block).is_none_or(|wanted| *wanted.as_bytes() != digest) {
            return Err(Error::Slot(Corrupt(Rule::Chunk { chunk: 0 })));
        }
    }
    Ok(())
}
