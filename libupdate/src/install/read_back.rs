//! Every byte of a partition against the root hash: the read-back of an installation, `activate`, `verify --slot`, and the
//! boot of a slot whose last boots were never confirmed.
//!
//! ```text
//!  data blocks of chunk i ─► digests ─► level-0 block i ─► its digest == place i of level 1 ─► .. ─► root hash
//!                                            ║
//!                                  the stored level-0 block
//! ```
//! One pass over the data; each hash block above level 0 is checked against its parent when it is loaded, once for 128 chunks.

use crate::error::{Corrupt, Error, Misuse, Rule};
use crate::install::progress::{Meter, Observer, Phase, Saved};
use crate::install::reuse;
use crate::io::{BlockIo, Window};
use crate::units::bytes::len_u64;
use crate::units::digest::{BLOCK_BYTES, BlockHasher, DIGEST_BYTES, Digest};
use crate::verity::{CHUNK_BYTES, ParentCache, Superblock, Tree};

/// Memory of a long act, all of it the caller's.
#[derive(Debug)]
pub struct Buffers<'b> {
    /// Image data: a whole number of 4096-byte blocks. With a whole chunk (512 KiB) each chunk is checked before it is written;
    /// with several, as many compressed ones are decompressed side by side; with less than one, block by block, it is checked right after, in a slot that cannot boot.
    pub data: &'b mut [u8],
    /// Carried bytes of compressed chunks: 512 KiB for each that is decompressed at once, or nothing where there is no decompressor.
    pub carried: &'b mut [u8],
    /// Bytes of an old image, and of what is built with them: [`MEMORY_BYTES`](crate::bundle::delta::MEMORY_BYTES), or nothing if no
    /// chunk is made from an old image.
    pub reference: &'b mut [u8],
    /// For finding blocks of the new images in other slots.
    pub reuse: reuse::Memory<'b>,
    /// A level-0 hash block that is being built.
    pub leaf: &'b mut [u8; BLOCK_BYTES],
    /// Any other block.
    pub block: &'b mut [u8; BLOCK_BYTES],
    /// An index page of a compressed payload.
    pub page: &'b mut [u8; BLOCK_BYTES],
}

impl<'b> Buffers<'b> {
    /// With memory for image data and three blocks: for whole, uncompressed images.
    pub fn new(data: &'b mut [u8], [leaf, block, page]: [&'b mut [u8; BLOCK_BYTES]; 3]) -> Self {
        Self { data, carried: &mut [], reference: &mut [], reuse: reuse::Memory::default(), leaf, block, page }
    }
}

impl Buffers<'_> {
    /// The same buffers with only a part of the data.
    pub(crate) fn part_of_data(&mut self, range: core::ops::Range<usize>) -> Buffers<'_> {
        Buffers {
            data: self.data.get_mut(range).unwrap_or_default(),
            carried: &mut *self.carried,
            reference: &mut *self.reference,
            reuse: self.reuse.again(),
            leaf: self.leaf,
            block: self.block,
            page: self.page,
        }
    }

    /// The same buffers with the `place`th chunk of the data, and its carried bytes, only.
    pub(crate) fn nth_chunk(&mut self, place: usize) -> Buffers<'_> {
        let data = self.data.chunks_mut(CHUNK_BYTES).nth(place).unwrap_or_default();
        let carried = self.carried.chunks_mut(CHUNK_BYTES).nth(place).unwrap_or_default();
        let reuse = reuse::Memory::default();
        Buffers {
            data,
            carried,
            reference: &mut *self.reference,
            reuse,
            leaf: self.leaf,
            block: self.block,
            page: self.page,
        }
    }
}

/// Whether what a partition holds is what the tree says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stored {
    Equal,
    Differs,
}

/// Reads a partition and checks every byte of image, superblock and hash tree.
///
/// # Errors
/// [`Error::Medium`]; [`Error::Slot`] names the chunk or hash block; [`Error::Interrupted`].
// Not inlined: an installation and a boot share it.
#[inline(never)]
pub(crate) fn partition<D: BlockIo, H: BlockHasher, O: Observer>(
    window: &mut Window<'_, D>,
    tree: &Tree<'_>,
    buffers: &mut Buffers<'_>,
    hasher: &mut H,
    (meter, observer): (&mut Meter, &mut O),
) -> Result<(), Error<D::Error>> {
    window.read(tree.geometry.hash_offset(), buffers.leaf)?;
    Superblock::check(buffers.leaf, tree).map_err(|fault| Error::Slot(Corrupt(Rule::Superblock(fault))))?;
    let mut parents = ParentCache::new(*tree);
    for chunk in 0..tree.geometry.chunks() {
        let expected = parents.expected_chunk(window, chunk, hasher)?;
        let wrong = Corrupt(Rule::Chunk { chunk });
        if hash_stored(window, tree, chunk, buffers, hasher)? != expected {
            return Err(Error::Slot(wrong));
        }
        if stored_leaf(window, tree, chunk, buffers)? == Stored::Differs {
            return Err(Error::Slot(Corrupt(Rule::HashBlock { level: 0, index: chunk })));
        }
        meter.done(observer, chunk_len(tree, chunk), Saved::NOTHING)?;
    }
    Ok(())
}

/// Reads one partition and checks every byte of image, superblock and hash tree.
///
/// # Errors
/// [`Error::Medium`]; [`Error::Slot`] names the chunk or hash block; [`Error::Interrupted`].
pub fn image<D: BlockIo, H: BlockHasher, O: Observer>(
    window: &mut Window<'_, D>,
    tree: &Tree<'_>,
    buffers: &mut Buffers<'_>,
    hasher: &mut H,
    observer: &mut O,
) -> Result<(), Error<D::Error>> {
    let mut meter = Meter::new(Phase::Check, tree.geometry.image_blocks_bytes());
    partition(window, tree, buffers, hasher, (&mut meter, observer))
}

/// Bytes of a chunk, as progress counts them.
pub(crate) fn chunk_len(tree: &Tree<'_>, chunk: u64) -> u64 {
    tree.geometry.chunk_len(chunk).try_into().unwrap_or(u64::MAX)
}

/// Reads chunk `chunk` from the partition, leaves its level-0 block in `buffers.leaf` and gives that block's digest.
pub(crate) fn hash_stored<D: BlockIo, H: BlockHasher>(
    window: &mut Window<'_, D>,
    tree: &Tree<'_>,
    chunk: u64,
    buffers: &mut Buffers<'_>,
    hasher: &mut H,
) -> Result<Digest, Error<D::Error>> {
    let start = tree.geometry.chunk_offset(chunk).ok_or(Error::Slot(Corrupt(Rule::Chunk { chunk })))?;
    pieces(tree, chunk, buffers, |offset, piece, digests| {
        let at = start.plus(offset).ok_or(Error::Slot(Corrupt(Rule::Chunk { chunk })))?;
        hasher.hash_blocks(tree.salt, window.lend(at, piece)?, digests);
        Ok(())
    })?;
    Ok(tree.digest_of_chunk(buffers.leaf, hasher))
}

/// Whether the stored level-0 block equals the one in `buffers.leaf`. An image of one block has none.
pub(crate) fn stored_leaf<D: BlockIo>(
    window: &mut Window<'_, D>,
    tree: &Tree<'_>,
    chunk: u64,
    buffers: &mut Buffers<'_>,
) -> Result<Stored, Error<D::Error>> {
    let Some(at) = tree.geometry.block_offset(0, chunk) else { return Ok(Stored::Equal) };
    let got = buffers.data.len();
    let stored = buffers.data.get_mut(..BLOCK_BYTES).ok_or(Misuse::Buffer { needed: BLOCK_BYTES, got })?;
    window.read(at, stored)?;
    Ok(if stored == buffers.leaf { Stored::Equal } else { Stored::Differs })
}

/// Goes through a chunk in pieces as large as the data buffer allows: for each, its distance in bytes from the chunk's start, the
/// buffer to fill, and the place of its blocks' digests in `buffers.leaf`, whose rest stays zero.
pub(crate) fn pieces<E>(
    tree: &Tree<'_>,
    chunk: u64,
    buffers: &mut Buffers<'_>,
    mut each: impl FnMut(u64, &mut [u8], &mut [u8]) -> Result<(), Error<E>>,
) -> Result<(), Error<E>> {
    let leaf = &mut *buffers.leaf;
    leaf.fill(0);
    let (mut left, mut offset, mut digests) = (tree.geometry.chunk_len(chunk), 0_u64, &mut leaf[..]);
    let got = buffers.data.len();
    let whole = got.saturating_sub(got % BLOCK_BYTES);
    while left > 0 {
        let len = left.min(whole).min(CHUNK_BYTES);
        let needed = Misuse::Buffer { needed: BLOCK_BYTES, got };
        let piece = buffers.data.get_mut(..len).filter(|piece| !piece.is_empty()).ok_or(needed)?;
        let places = (len / BLOCK_BYTES).saturating_mul(DIGEST_BYTES);
        let (mine, rest) = core::mem::take(&mut digests).split_at_mut_checked(places).ok_or(needed)?;
        each(offset, piece, mine)?;
        digests = rest;
        offset = offset.saturating_add(len_u64(piece));
        left = left.saturating_sub(len);
    }
    Ok(())
}
