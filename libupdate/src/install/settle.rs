//! One chunk into its place, once it is known to be right.

use crate::bundle::page::Row;
use crate::error::{Corrupt, Error, Medium, Rule};
use crate::install::group::Group;
use crate::install::reuse::{Judge, Known};
use crate::install::seam::{Decompressor, Source};
use crate::install::skip::{Found, Looks, look};
use crate::install::stream::lost;
use crate::install::{Buffers, Place, Tools, read_back, rebuild};
use crate::io::{BlockIo, Window};
use crate::units::block::ByteOffset;
use crate::units::bytes::len_u64;
use crate::units::digest::{BLOCK_BYTES, BlockHasher, DIGEST_BYTES, Digest};

/// Whether the target holds the chunk and its level-0 block already. A target that cannot be read does not.
pub(super) fn holds<D: BlockIo, H: BlockHasher>(
    window: &mut Window<'_, D>,
    place: &Place<'_>,
    chunk: u64,
    expected: Digest,
    buffers: &mut Buffers<'_>,
    hasher: &mut H,
) -> Result<bool, Error<D::Error>> {
    let stored = match read_back::hash_stored(window, &place.tree, chunk, buffers, hasher) {
        Err(Error::Medium(Medium::Failed(_))) => return Ok(false),
        other => other?,
    };
    if stored != expected {
        return Ok(false);
    }
    let same = match read_back::stored_leaf(window, &place.tree, chunk, buffers) {
        Err(Error::Medium(Medium::Failed(_))) => read_back::Stored::Differs,
        other => other?,
    };
    if same == read_back::Stored::Differs {
        leaf(window, place, chunk, buffers)?;
    }
    Ok(true)
}

/// Makes a chunk of blocks that other slots hold, and writes it with its level-0 block. Whether that was possible.
// Not inlined: where the blocks are is gone before the chunk is taken from the stream.
#[inline(never)]
pub(super) fn from_elsewhere<D: BlockIo, H: BlockHasher>(
    window: &mut Window<'_, D>,
    ((place, known, group), chunk, expected): ((&Place<'_>, &Known<'_>, &Group), u64, Digest),
    buffers: &mut Buffers<'_>,
    hasher: &mut H,
) -> Result<bool, Error<D::Error>> {
    let geometry = &place.tree.geometry;
    let Some(hints) = group.hints(geometry, chunk).filter(|_| group.may_be_elsewhere(chunk)) else { return Ok(false) };
    if !known.gather(window, (hints, Judge::Tree), place.tree.salt, buffers, hasher)? {
        return Ok(false);
    }
    let data = buffers.data.get(..geometry.chunk_len(chunk)).unwrap_or_default();
    if check_whole(place, (chunk, expected), data, buffers.leaf, hasher).is_err() {
        return Ok(false);
    }
    window.write(geometry.chunk_offset(chunk).ok_or(Error::Bundle(Corrupt(Rule::Chunk { chunk })))?, data)?;
    leaf(window, place, chunk, buffers)?;
    Ok(true)
}

/// Takes one chunk from the stream, or from the data buffer where it was decompressed into that, and writes it with its level-0 block.
/// Returns how many bytes of data were in the target already.
pub(super) fn settle<D, R, H, Z, O>(
    window: &mut Window<'_, D>,
    place: &Place<'_>,
    (chunk, carried, expected): (u64, Row, Digest),
    source: &mut R,
    (buffers, looks): (&mut Buffers<'_>, &mut Looks),
    tools: &mut Tools<'_, H, Z, O>,
) -> Result<u64, Error<D::Error>>
where
    D: BlockIo,
    R: Source,
    H: BlockHasher,
    Z: Decompressor,
{
    let mut kept = 0;
    let start = place.tree.geometry.chunk_offset(chunk).ok_or(Error::Bundle(Corrupt(Rule::Chunk { chunk })))?;
    let whole = place.tree.geometry.chunk_len(chunk);
    match buffers.data.get_mut(..whole) {
        Some(data) => {
            let data = match carried {
                Row::Raw { .. } => source.lend(data).map_err(lost)?,
                Row::Zero => zeros(data),
                Row::Zstd { .. } | Row::Prefix { .. } | Row::Patch { .. } => data,
            };
            check_whole(place, (chunk, expected), data, buffers.leaf, tools.hasher)
                .map_err(|kind| Error::Bundle(rebuild::differs(carried, kind)))?;
            kept = put(window, (start, data), looks, [&mut *buffers.block, &mut *buffers.carried])?;
        }
        None => settle_in_pieces(window, place, (chunk, carried, expected), source, buffers, tools.hasher)?,
    }
    leaf(window, place, chunk, buffers)?;
    Ok(kept)
}

/// Writes a chunk that is right, unless a look finds it in its place. Gives the bytes that were there.
pub(super) fn put<D: BlockIo>(
    window: &mut Window<'_, D>,
    (start, data): (ByteOffset, &[u8]),
    looks: &mut Looks,
    memory: [&mut [u8]; 2],
) -> Result<u64, Error<D::Error>> {
    match look(window, (start, data), looks, memory)? {
        Found::Same => Ok(len_u64(data)),
        Found::Other => window.write(start, data).map(|()| 0),
    }
}

/// Whether `data` is the chunk that the tree expects. Leaves its level-0 block in `leaf`.
pub(super) fn check_whole<H: BlockHasher>(
    place: &Place<'_>,
    (chunk, expected): (u64, Digest),
    data: &[u8],
    leaf: &mut [u8; BLOCK_BYTES],
    hasher: &mut H,
) -> Result<(), Corrupt> {
    let wrong = Corrupt(Rule::Chunk { chunk });
    leaf.fill(0);
    let digests = (data.len() / BLOCK_BYTES).saturating_mul(DIGEST_BYTES);
    hasher.hash_blocks(place.tree.salt, data, leaf.get_mut(..digests).ok_or(wrong)?);
    if place.tree.digest_of_chunk(leaf, hasher) == expected { Ok(()) } else { Err(wrong) }
}

/// The same where memory holds less than a chunk: each piece is written before all of it is checked, in a slot that cannot boot.
fn settle_in_pieces<D: BlockIo, R: Source, H: BlockHasher>(
    window: &mut Window<'_, D>,
    place: &Place<'_>,
    (chunk, carried, expected): (u64, Row, Digest),
    source: &mut R,
    buffers: &mut Buffers<'_>,
    hasher: &mut H,
) -> Result<(), Error<D::Error>> {
    let wrong = Corrupt(Rule::Chunk { chunk });
    let start = place.tree.geometry.chunk_offset(chunk).ok_or(Error::Bundle(wrong))?;
    read_back::pieces(&place.tree, chunk, buffers, |offset, piece, digests| {
        let piece = match carried {
            Row::Raw { .. } => source.lend(piece).map_err(lost)?,
            Row::Zero => zeros(piece),
            Row::Zstd { .. } | Row::Prefix { .. } | Row::Patch { .. } => piece,
        };
        hasher.hash_blocks(place.tree.salt, piece, digests);
        window.write(start.plus(offset).ok_or(Error::Bundle(wrong))?, piece)
    })?;
    if place.tree.digest_of_chunk(buffers.leaf, hasher) == expected { Ok(()) } else { Err(Error::Bundle(wrong)) }
}

fn zeros(bytes: &mut [u8]) -> &[u8] {
    bytes.fill(0);
    bytes
}

/// Writes the level-0 block in `buffers.leaf`. An image of one block has none.
pub(super) fn leaf<D: BlockIo>(
    window: &mut Window<'_, D>,
    place: &Place<'_>,
    chunk: u64,
    buffers: &Buffers<'_>,
) -> Result<(), Error<D::Error>> {
    let at: Option<ByteOffset> = place.tree.geometry.block_offset(0, chunk);
    at.map_or(Ok(()), |at| window.write(at, buffers.leaf))
}
