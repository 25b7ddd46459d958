//! A chunk that is carried in several frames: some of them made of blocks that other slots hold, the others fetched.
//!
//! ```text
//!  chunk   | frame: elsewhere | frame: zeros | frame: fetched | frame: elsewhere |
//!            blocks of other                   carried bytes,
//!            slots, hashed and                 their digest,
//!            held against hints                decompressed
//!          └──────────────────── the new tree's digest? ─► written ─────────────┘
//! ```
//! 1. Blocks with the right hints may still be others, once in about 20,000 pairs of images: a hint has 6 bytes. If all of a chunk came from elsewhere, it is fetched then. If
//!    some frames were fetched, their bytes are behind the source, and the act ends with `ReusedFrames`; the next one, without memory for other slots, is right.
//! 2. The chunk is written as any other: nothing of it before all of it was checked.

use crate::bundle::page::Row;
use crate::error::{Corrupt, Error, Misuse, Rule};
use crate::install::group::{self, Bits, Group};
use crate::install::progress::Saved;
use crate::install::reuse::{Judge, Known};
use crate::install::seam::{Decompressor, Packed, Source};
use crate::install::skip::Looks;
use crate::install::stream::{AT_ONCE, carried_bytes, lost};
use crate::install::{Buffers, Place, Tools, settle};
use crate::io::{BlockIo, Window};
use crate::units::digest::{BlockHasher, Digest};
use crate::verity::CHUNK_BYTES;

/// Brings the chunk into the data buffer, checks it, and writes it with its level-0 block.
///
/// # Errors
/// `CarriedDigest`, `Decompress`, `Chunk`, `ReusedFrames`; those of the source and the disk.
// Not inlined: a chunk that is one frame needs nothing of this.
#[inline(never)]
pub(super) fn chunk<D, R, H, Z, O>(
    window: &mut Window<'_, D>,
    ((place, known, group), number, expected): ((&Place<'_>, &Known<'_>, &Group), u64, Digest),
    source: &mut R,
    (buffers, looks): (&mut Buffers<'_>, &mut Looks),
    tools: &mut Tools<'_, H, Z, O>,
) -> Result<Saved, Error<D::Error>>
where
    D: BlockIo,
    R: Source,
    H: BlockHasher,
    Z: Decompressor,
{
    let geometry = &place.tree.geometry;
    let (count, len) = (place.frames.of_chunk(geometry, number), geometry.chunk_len(number));
    let small = Misuse::Buffer { needed: CHUNK_BYTES, got: buffers.data.len().min(buffers.carried.len()) };
    if buffers.data.len() < len || buffers.carried.len() < len {
        return Err(small.into());
    }
    let mut made = gather(window, (place, known, group), number, buffers, tools.hasher)?;
    let whole = (0..count).all(|frame| made.has(frame));
    let right = |buffers: &mut Buffers<'_>, hasher: &mut H| {
        let data = buffers.data.get(..len).unwrap_or_default();
        settle::check_whole(place, (number, expected), data, buffers.leaf, hasher)
    };
    let is_right = whole && right(buffers, tools.hasher).is_ok();
    if whole && !is_right {
        made = Bits::default();
    }
    fetch(place, number, made, source, buffers, tools.decompressor)?;
    if !is_right {
        let reused = made != Bits::default();
        let wrong =
            if reused { Corrupt(Rule::ReusedFrames { chunk: number }) } else { Corrupt(Rule::Chunk { chunk: number }) };
        right(buffers, tools.hasher).map_err(|_| Error::Bundle(wrong))?;
    }
    let start = geometry.chunk_offset(number).ok_or(Error::Bundle(Corrupt(Rule::Chunk { chunk: number })))?;
    let data = buffers.data.get(..len).unwrap_or_default();
    let kept = settle::put(window, (start, data), looks, [&mut *buffers.block, &mut *buffers.carried])?;
    settle::leaf(window, place, number, buffers)?;
    let reused =
        (0..count).filter(|frame| made.has(*frame)).map(|frame| place.frames.in_chunk(geometry, number, frame).len());
    let reused = reused.fold(0, usize::saturating_add);
    Ok(Saved { kept, reused: if kept == 0 { u64::try_from(reused).unwrap_or(0) } else { 0 } })
}

/// Makes the frames of a chunk that other slots have. Those that turn out otherwise are left out.
#[inline(never)]
fn gather<D: BlockIo, H: BlockHasher>(
    window: &mut Window<'_, D>,
    (place, known, group): (&Place<'_>, &Known<'_>, &Group),
    chunk: u64,
    buffers: &mut Buffers<'_>,
    hasher: &mut H,
) -> Result<Bits, Error<D::Error>> {
    let mut made = Bits::default();
    let Some(hints) = group.hints(&place.tree.geometry, chunk) else { return Ok(made) };
    for (frame, (_, number)) in (0..).zip(group::frames(place, chunk..chunk.saturating_add(1))) {
        if !group.may_be_elsewhere(number) {
            continue;
        }
        let hints = group::hints_of_frame(place, hints.clone(), number);
        let range = place.frames.in_chunk(&place.tree.geometry, chunk, frame);
        if known.gather(window, (hints, Judge::Hints), place.tree.salt, &mut buffers.part_of_data(range), hasher)? {
            made.set(frame);
        }
    }
    Ok(made)
}

/// Takes the frames of a chunk that are not `made` from the source, and leaves out the others.
fn fetch<R: Source, Z: Decompressor, E>(
    place: &Place<'_>,
    chunk: u64,
    made: Bits,
    source: &mut R,
    buffers: &mut Buffers<'_>,
    decompressor: &mut Z,
) -> Result<(), Error<E>> {
    let wrong = Corrupt(Rule::Decompress { chunk });
    let frame_len = place.frames.in_chunk(&place.tree.geometry, chunk, 0).len();
    let data = buffers.data.get_mut(..place.tree.geometry.chunk_len(chunk)).unwrap_or_default();
    let memory = buffers.carried.chunks_mut(frame_len).zip(data.chunks_mut(frame_len));
    let mut packed = heapless::Vec::<Packed<'_>, AT_ONCE>::new();
    let numbers = group::frames(place, chunk..chunk.saturating_add(1)).map(|(_, number)| number);
    for ((frame, number), (carried, data)) in (0..).zip(numbers).zip(memory) {
        let row = group::row(place, buffers.page, number).ok_or(Error::Bundle(Corrupt(Rule::Chunk { chunk })))?;
        match row {
            _ if made.has(frame) => {
                source.skip(u64::try_from(row.carried_len()).unwrap_or(u64::MAX), carried).map_err(lost)?;
            }
            Row::Zero => data.fill(0),
            Row::Raw { .. } => source.read_exact(data).map_err(lost)?,
            Row::Zstd { .. } => {
                let carried = carried_bytes((chunk, row), source, carried)?;
                packed.push(Packed { carried, chunk: data }).map_err(|_| Error::Bundle(wrong))?;
            }
            // Frames of a delta are chunks.
            Row::Prefix { .. } | Row::Patch { .. } => return Err(Error::Bundle(Corrupt(Rule::DeltaBody { chunk }))),
        }
        if packed.is_full() {
            decompressor.decompress_each(&mut packed).map_err(|_| Error::Bundle(wrong))?;
            packed.clear();
        }
    }
    decompressor.decompress_each(&mut packed).map_err(|_| Error::Bundle(wrong))
}
