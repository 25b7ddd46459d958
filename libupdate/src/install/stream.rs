//! One payload from the stream into its partition.
//!
//! ```text
//!  stream   | levels >= 1, top first | chunk 0 | chunk 1 | ..                 (compressed: page, its chunks, page, ..)
//!  target   | chunk 0 | chunk 1 | .. | superblock | levels >= 1 | level 0 |
//! ```

use embedded_io::ReadExactError;

use crate::bundle::page::{PageChain, Row};
use crate::error::{Corrupt, Error, Misuse, Rule};
use crate::install::Buffers;
use crate::install::frames;
use crate::install::group::{self, Group};
use crate::install::progress::{Meter, Observer, Saved};
use crate::install::read_back;
use crate::install::rebuild;
use crate::install::reuse::Known;
use crate::install::seam::{Ahead, Decompressor, Packed, Source};
use crate::install::skip::Looks;
use crate::install::{Place, Purpose, Tools, not_kept, settle};
use crate::io::{BlockIo, Window};
use crate::policy::Old;
use crate::region::Resume;
use crate::units::digest::{BLOCK_BYTES, BlockHasher, Digest};
use crate::verity::{CHUNK_BYTES, ParentCache, Superblock};

/// Chunks that are decompressed side by side, at most; what the buffers hold decides.
pub(super) const AT_ONCE: usize = 8;

/// How far a payload has come.
struct Course<'c, 'm> {
    place: &'c Place<'m>,
    known: Known<'c>,
    resume: Resume,
    parents: &'c mut ParentCache<'m>,
    pages: Option<PageChain<'m>>,
    looks: Looks,
    group: Group,
}

/// Streams one payload into its partition. Durable after the caller's flush.
pub(super) fn write<D, R, H, Z, O>(
    disk: &mut D,
    place: &Place<'_>,
    resume: Resume,
    source: &mut R,
    buffers: &mut Buffers<'_>,
    tools: &mut Tools<'_, H, Z, O>,
    meter: &mut Meter,
) -> Result<(), Error<D::Error>>
where
    D: BlockIo,
    R: Source,
    H: BlockHasher,
    Z: Decompressor,
    O: Observer,
{
    let window = &mut Window::new(disk, place.extent);
    let known = known(window, place, buffers, tools.hasher);
    let front = [group::front(place)];
    let whole = resume == Resume::Fresh && known.is_empty();
    source.will_read(if whole { Ahead::All } else { Ahead::Runs(&front) });
    levels(window, place, source, buffers, tools.hasher)?;
    // After the levels, whose own cache is gone then.
    let mut parents = ParentCache::new(place.tree);
    let mut course = Course {
        place,
        known,
        resume,
        parents: &mut parents,
        pages: PageChain::new(place.payload, place.features, place.frames),
        looks: Looks::default(),
        group: Group::none(),
    };
    let mut chunk = 0;
    while chunk < place.tree.geometry.chunks() {
        if chunk == course.group.end() {
            next_group(window, &mut course, source, buffers, tools, meter)?;
        }
        chunk = next_chunks(window, (&mut course, chunk), source, buffers, tools, meter)?;
        if place.purpose == Purpose::Install && source.wants_flush() {
            window.flush()?;
        }
    }
    Ok(())
}

// Not inlined: what is looked up is gone before the first chunk of the group.
#[inline(never)]
fn next_group<D, R, H, Z, O>(
    window: &mut Window<'_, D>,
    course: &mut Course<'_, '_>,
    source: &mut R,
    buffers: &mut Buffers<'_>,
    tools: &mut Tools<'_, H, Z, O>,
    meter: &mut Meter,
) -> Result<(), Error<D::Error>>
where
    D: BlockIo,
    R: Source,
    H: BlockHasher,
    O: Observer,
{
    let Course { place, known, resume, parents, pages, group, .. } = course;
    group.next(window, (place, known, *resume), source, buffers, (pages, parents), (tools, meter))
}

/// Takes `chunk`, or several from there on. Gives the one after them.
fn next_chunks<D, R, H, Z, O>(
    window: &mut Window<'_, D>,
    (course, chunk): (&mut Course<'_, '_>, u64),
    source: &mut R,
    buffers: &mut Buffers<'_>,
    tools: &mut Tools<'_, H, Z, O>,
    meter: &mut Meter,
) -> Result<u64, Error<D::Error>>
where
    D: BlockIo,
    R: Source,
    H: BlockHasher,
    Z: Decompressor,
    O: Observer,
{
    let (place, group, next) = (course.place, &course.group, chunk.saturating_add(1));
    if group.is_held(chunk) {
        for (_, frame) in group::frames(place, chunk..next) {
            leave_out(row_of(place, frame, buffers)?, source, buffers)?;
        }
        return Ok(next);
    }
    let len = read_back::chunk_len(&place.tree, chunk);
    let expected = course.parents.expected_chunk(window, chunk, tools.hasher).map_err(not_kept)?;
    let what = (place, &course.known, group);
    if !place.frames.are_chunks() {
        let looks = &mut course.looks;
        let saved = frames::chunk(window, (what, chunk, expected), source, (buffers, looks), tools)?;
        right_hints((place, &course.group, chunk), buffers)?;
        meter.done(tools.observer, len, saved)?;
        return Ok(next);
    }
    let row = row_of(place, chunk, buffers)?;
    if settle::from_elsewhere(window, (what, chunk, expected), buffers, tools.hasher)? {
        leave_out(row, source, buffers)?;
        meter.done(tools.observer, len, Saved { kept: 0, reused: len })?;
        return Ok(next);
    }
    let last = chunk.saturating_add(packed_from(place, chunk, buffers, group));
    if last > next {
        unpack_each(place, chunk..last, source, buffers, tools.decompressor)?;
        for (buffer, chunk) in (chunk..last).enumerate() {
            let expected = course.parents.expected_chunk(window, chunk, tools.hasher).map_err(not_kept)?;
            let one = &mut buffers.nth_chunk(buffer);
            let kept = settle::settle(window, place, (chunk, row, expected), source, (one, &mut course.looks), tools)?;
            right_hints((place, &course.group, chunk), buffers)?;
            meter.done(tools.observer, read_back::chunk_len(&place.tree, chunk), Saved { kept, reused: 0 })?;
        }
        return Ok(last);
    }
    let mut kept = len;
    if place.old == Old::Elsewhere && is_made(row) {
        carried_bytes((chunk, row), source, buffers.carried)?;
    } else {
        take(window, place, (chunk, row), source, buffers, tools.decompressor)?;
        kept = settle::settle(window, place, (chunk, row, expected), source, (buffers, &mut course.looks), tools)?;
        right_hints((place, &course.group, chunk), buffers)?;
    }
    meter.done(tools.observer, len, Saved { kept, reused: 0 })?;
    Ok(next)
}

/// What the spare images of other slots hold.
pub(super) fn known<'p, D: BlockIo, H: BlockHasher>(
    window: &mut Window<'_, D>,
    place: &Place<'p>,
    buffers: &mut Buffers<'_>,
    hasher: &mut H,
) -> Known<'p> {
    if place.is_hinted() { Known::read(window, place.spares, place.tree.salt, buffers, hasher) } else { Known::NOTHING }
}

fn row_of<E>(place: &Place<'_>, frame: u64, buffers: &Buffers<'_>) -> Result<Row, Error<E>> {
    let chunk = frame.checked_div(place.frames.a_chunk()).unwrap_or(frame);
    group::row(place, buffers.page, frame).ok_or(Error::Bundle(Corrupt(Rule::Chunk { chunk })))
}

fn leave_out<R: Source, E>(row: Row, source: &mut R, buffers: &mut Buffers<'_>) -> Result<(), Error<E>> {
    source.skip(u64::try_from(row.carried_len()).unwrap_or(u64::MAX), buffers.data).map_err(lost)
}

/// A rehearsal looks at the hints of each chunk, whose level-0 block is in `leaf`; an installation does not need them right.
fn right_hints<E>((place, group, chunk): (&Place<'_>, &Group, u64), buffers: &Buffers<'_>) -> Result<(), Error<E>> {
    let Some(hints) = group.hints(&place.tree.geometry, chunk).filter(|_| place.purpose == Purpose::Rehearse) else {
        return Ok(());
    };
    let hints = buffers.reuse.hints.get(hints).unwrap_or_default();
    if group::hints_are_right(hints, buffers.leaf) {
        Ok(())
    } else {
        Err(Error::Bundle(Corrupt(Rule::Hints { page: group::page_of(place, chunk) })))
    }
}

/// Writes the superblock and the shipped hash blocks, each checked against its parent before it is written.
fn levels<D: BlockIo, R: Source, H: BlockHasher>(
    window: &mut Window<'_, D>,
    place: &Place<'_>,
    source: &mut R,
    buffers: &mut Buffers<'_>,
    hasher: &mut H,
) -> Result<(), Error<D::Error>> {
    let tree = &place.tree;
    Superblock::of(tree).encode(buffers.leaf);
    window.write(tree.geometry.hash_offset(), buffers.leaf)?;
    let mut parents = ParentCache::new(*tree);
    for (level, index) in tree.geometry.shipped() {
        let wrong = Corrupt(Rule::HashBlock { level, index });
        source.read_exact(&mut buffers.leaf[..]).map_err(lost)?;
        let expected = parents.expected(window, level, index, hasher).map_err(not_kept)?;
        tree.check_block(expected, level, index, buffers.leaf, hasher).map_err(Error::Bundle)?;
        window.write(tree.geometry.block_offset(level, index).ok_or(Error::Bundle(wrong))?, buffers.leaf)?;
    }
    Ok(())
}

/// Whether the chunk is made from an old image.
const fn is_made(row: Row) -> bool {
    matches!(row, Row::Prefix { .. } | Row::Patch { .. })
}

/// Brings a chunk that is not carried as it is into the data buffer.
fn take<D: BlockIo, R: Source, Z: Decompressor>(
    window: &mut Window<'_, D>,
    place: &Place<'_>,
    (chunk, row): (u64, Row),
    source: &mut R,
    buffers: &mut Buffers<'_>,
    decompressor: &mut Z,
) -> Result<(), Error<D::Error>> {
    let len = place.tree.geometry.chunk_len(chunk);
    match (row, place.old) {
        (Row::Zero | Row::Raw { .. }, _) => Ok(()),
        (Row::Zstd { .. }, _) => unpack((chunk, row), len, source, buffers, decompressor),
        (_, Old::Here(old)) => rebuild::chunk(window, (chunk, row, len), old, source, buffers, decompressor),
        // A row that no old image was named for.
        (_, Old::None | Old::Elsewhere) => Err(Error::Bundle(Corrupt(Rule::DeltaBody { chunk }))),
    }
}

/// Reads the carried bytes of a chunk and checks their digest.
pub(super) fn carried_bytes<'b, R: Source, E>(
    (chunk, row): (u64, Row),
    source: &mut R,
    buffer: &'b mut [u8],
) -> Result<&'b [u8], Error<E>> {
    let (Row::Zstd { digest, .. } | Row::Prefix { digest, .. } | Row::Patch { digest, .. }) = row else {
        return Ok(&[]);
    };
    let got = buffer.len();
    let carried = buffer.get_mut(..row.carried_len()).ok_or(Misuse::Buffer { needed: CHUNK_BYTES, got })?;
    source.read_exact(carried).map_err(lost)?;
    if Digest::of(&[carried]) == digest {
        Ok(carried)
    } else {
        Err(Error::Bundle(Corrupt(Rule::CarriedDigest { chunk })))
    }
}

/// Reads the carried bytes of a compressed chunk, and only then decompresses them into the data buffer.
fn unpack<R: Source, Z: Decompressor, E>(
    (chunk, row): (u64, Row),
    whole: usize,
    source: &mut R,
    buffers: &mut Buffers<'_>,
    decompressor: &mut Z,
) -> Result<(), Error<E>> {
    let packed = carried_bytes((chunk, row), source, buffers.carried)?;
    let got = buffers.data.len();
    let data = buffers.data.get_mut(..whole).ok_or(Misuse::Buffer { needed: whole, got })?;
    decompressor.decompress(packed, data).ok_or(Error::Bundle(Corrupt(Rule::Decompress { chunk })))?;
    Ok(())
}

/// How many chunks from `chunk` on are compressed, stand in one group, come from the stream, and have a place in the buffers.
fn packed_from(place: &Place<'_>, chunk: u64, buffers: &Buffers<'_>, group: &Group) -> u64 {
    let places = buffers.data.len().min(buffers.carried.len()).checked_div(CHUNK_BYTES).unwrap_or(0).min(AT_ONCE);
    let end = chunk.saturating_add(u64::try_from(places).unwrap_or(0)).min(group.end());
    let packed = |chunk: &u64| matches!(group::row(place, buffers.page, *chunk), Some(Row::Zstd { .. }));
    // The first one is taken from the stream in any case.
    let taken = |other: &u64| *other == chunk || !(group.is_held(*other) || group.may_be_elsewhere(*other));
    len_of((chunk..end).take_while(|chunk| packed(chunk) && taken(chunk)))
}

fn len_of(chunks: impl Iterator<Item = u64>) -> u64 {
    u64::try_from(chunks.count()).unwrap_or(0)
}

/// Reads the carried bytes of several chunks, checks the digest of each, and only then decompresses them, each into its place of the
/// data buffer.
fn unpack_each<R: Source, Z: Decompressor, E>(
    place: &Place<'_>,
    chunks: core::ops::Range<u64>,
    source: &mut R,
    buffers: &mut Buffers<'_>,
    decompressor: &mut Z,
) -> Result<(), Error<E>> {
    let first = chunks.start;
    let mut packed = heapless::Vec::<Packed<'_>, AT_ONCE>::new();
    let places = buffers.carried.chunks_mut(CHUNK_BYTES).zip(buffers.data.chunks_mut(CHUNK_BYTES));
    for (chunk, (carried, data)) in chunks.zip(places) {
        let wrong = Corrupt(Rule::Chunk { chunk });
        let row = group::row(place, buffers.page, chunk).ok_or(Error::Bundle(wrong))?;
        let carried = carried_bytes((chunk, row), source, carried)?;
        let data = data.get_mut(..place.tree.geometry.chunk_len(chunk)).ok_or(Error::Bundle(wrong))?;
        packed.push(Packed { carried, chunk: data }).map_err(|_| Error::Bundle(wrong))?;
    }
    decompressor.decompress_each(&mut packed).map_err(|place| {
        let chunk = first.saturating_add(u64::try_from(place).unwrap_or(0));
        Error::Bundle(Corrupt(Rule::Decompress { chunk }))
    })
}

/// A source that ended is a truncated bundle; one that failed is not the bundle's fault.
pub(super) fn lost<S: embedded_io::Error, E>(error: ReadExactError<S>) -> Error<E> {
    match error {
        ReadExactError::UnexpectedEof => Error::Bundle(Corrupt(Rule::Truncated)),
        ReadExactError::Other(error) => Error::Source(error.kind()),
    }
}

const _: () = assert!(CHUNK_BYTES.is_multiple_of(BLOCK_BYTES));
