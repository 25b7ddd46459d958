//! One payload from the stream into its partition.
//!
//! ```text
//!  stream   | levels >= 1, top first | chunk 0 | chunk 1 | ..                 (compressed: page, its chunks, page, ..)
//!  target   | chunk 0 | chunk 1 | .. | superblock | levels >= 1 | level 0 |
//! ```

use embedded_io::{Read, ReadExactError};

use crate::bundle::Verified;
use crate::bundle::page::{self, PageChain, Row};
use crate::error::{Corrupt, Error, Medium, Misuse, Rule};
use crate::install::Buffers;
use crate::install::progress::{Meter, Observer};
use crate::install::read_back;
use crate::install::skip::{Found, Looks, look};
use crate::install::{Place, Tools, not_kept};
use crate::io::{BlockIo, Window};
use crate::region::Resume;
use crate::units::block::ByteOffset;
use crate::units::bytes::len_u64;
use crate::units::digest::{BLOCK_BYTES, BlockHasher, DIGEST_BYTES, Digest};
use crate::verity::{CHUNK_BYTES, ParentCache, Superblock};

/// A bundle's bytes, from front to end.
pub trait Source: Read {
    /// Hears the authentic head: how many bytes follow, and what they must be. Before it, a source fetches no more than the head.
    fn expects(&mut self, _head: &Verified<'_>) {}

    /// The next `buf.len()` bytes: in `buf`, or in memory of the source's own, which then leaves `buf` alone and spares the copy.
    ///
    /// # Errors
    /// As [`Read::read_exact`].
    fn lend<'a>(&'a mut self, buf: &'a mut [u8]) -> Result<&'a [u8], ReadExactError<Self::Error>> {
        self.read_exact(buf).map(|()| &*buf)
    }

    /// Leaves out the next `bytes` bytes. `scratch` is memory to read them into where the source cannot seek.
    ///
    /// # Errors
    /// As [`Read::read_exact`].
    fn skip(&mut self, bytes: u64, scratch: &mut [u8]) -> Result<(), ReadExactError<Self::Error>> {
        let mut left = bytes;
        while left > 0 {
            let len = usize::try_from(left).map_or(scratch.len(), |left| left.min(scratch.len()));
            let piece = scratch.get_mut(..len).unwrap_or_default();
            self.read_exact(piece)?;
            left = left.saturating_sub(len_u64(piece).max(1));
        }
        Ok(())
    }
}

impl Source for &[u8] {}

/// Decompresses one chunk: the seam for zstd. Called only with carried bytes whose digest is authenticated.
pub trait Decompressor {
    /// Fills `chunk` from `carried`: one frame, exactly `chunk.len()` bytes, whose header says this size, no dictionary id and a window
    /// of at most 2^19 bytes. A library's bound of the window may hold for streams alone: then the caller looks at the header itself.
    /// `None` if the frame is anything else.
    fn decompress(&mut self, carried: &[u8], chunk: &mut [u8]) -> Option<()>;

    /// The same for several chunks, which a caller with more than one processor does side by side.
    ///
    /// # Errors
    /// The place in `packed` of one that did not.
    fn decompress_each(&mut self, packed: &mut [Packed<'_>]) -> Result<(), usize> {
        for (place, one) in packed.iter_mut().enumerate() {
            self.decompress(one.carried, one.chunk).ok_or(place)?;
        }
        Ok(())
    }
}

/// A chunk that is to be decompressed.
#[derive(Debug)]
pub struct Packed<'p> {
    /// Its carried bytes.
    pub carried: &'p [u8],
    /// Where it goes.
    pub chunk: &'p mut [u8],
}

/// Chunks that are decompressed side by side, at most; what the buffers hold decides.
const AT_ONCE: usize = 8;

/// For callers that install only uncompressed bundles.
#[derive(Clone, Copy, Default, Debug)]
pub struct NoDecompressor;

impl Decompressor for NoDecompressor {
    fn decompress(&mut self, _: &[u8], _: &mut [u8]) -> Option<()> {
        None
    }
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
    let mut window = Window::new(disk, place.extent);
    levels(&mut window, place, source, buffers, tools.hasher)?;
    let mut parents = ParentCache::new(place.tree);
    let mut pages = PageChain::new(place.payload);
    let mut looks = Looks::default();
    let mut chunk = 0;
    while chunk < place.tree.geometry.chunks() {
        let carried = carried(place, chunk, source, buffers, &mut pages)?;
        let last = chunk.saturating_add(packed_from(place, chunk, buffers, &pages));
        if resume == Resume::Fresh && last > chunk.saturating_add(1) {
            unpack_each(place, chunk..last, source, buffers, tools.decompressor)?;
            for (buffer, chunk) in (chunk..last).enumerate() {
                let expected = parents.expected_chunk(&mut window, chunk, tools.hasher).map_err(not_kept)?;
                let one = (&mut buffers.nth_chunk(buffer), &mut looks);
                let kept = settle(&mut window, place, (chunk, carried, expected), source, one, tools)?;
                meter.done(tools.observer, read_back::chunk_len(&place.tree, chunk), kept)?;
            }
            chunk = last;
            continue;
        }
        let expected = parents.expected_chunk(&mut window, chunk, tools.hasher).map_err(not_kept)?;
        let len = read_back::chunk_len(&place.tree, chunk);
        let mut kept = len;
        if resume == Resume::Rehash && holds(&mut window, place, chunk, expected, buffers, tools.hasher)? {
            source.skip(u64::try_from(carried.carried_len()).unwrap_or(u64::MAX), buffers.data).map_err(lost)?;
        } else {
            unpack((chunk, carried), place.tree.geometry.chunk_len(chunk), source, buffers, tools.decompressor)?;
            kept = settle(&mut window, place, (chunk, carried, expected), source, (buffers, &mut looks), tools)?;
        }
        meter.done(tools.observer, len, kept)?;
        chunk = chunk.saturating_add(1);
    }
    Ok(())
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

/// Finds out how the chunk is carried; reads the next index page if one is before it.
fn carried<R: Source, E>(
    place: &Place<'_>,
    chunk: u64,
    source: &mut R,
    buffers: &mut Buffers<'_>,
    pages: &mut Option<PageChain<'_>>,
) -> Result<Row, Error<E>> {
    let wrong = Corrupt(Rule::Chunk { chunk });
    let Some(pages) = pages else {
        let len = u32::try_from(place.tree.geometry.chunk_len(chunk)).map_err(|_| Error::Bundle(wrong))?;
        return Ok(Row::Raw { len });
    };
    if chunk == pages.next_chunk() {
        source.read_exact(&mut buffers.page[..]).map_err(lost)?;
        pages.accept(buffers.page).map_err(Error::Bundle)?;
    }
    match page::row(buffers.page, place.payload, chunk) {
        Some(Row::Prefix { .. } | Row::Patch { .. }) => Err(Error::Bundle(Corrupt(Rule::Decompress { chunk }))),
        row => row.ok_or(Error::Bundle(wrong)),
    }
}

/// Whether the target holds the chunk and its level-0 block already. A target that cannot be read does not.
fn holds<D: BlockIo, H: BlockHasher>(
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

/// Takes one chunk from the stream, or from the data buffer where it was decompressed into that, and writes it with its level-0 block.
/// Returns how many bytes of data were in the target already.
fn settle<D, R, H, Z, O>(
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
            check_whole(place, (chunk, expected), data, buffers.leaf, tools.hasher).map_err(Error::Bundle)?;
            match look(window, (start, data), looks, [&mut *buffers.block, &mut *buffers.carried])? {
                Found::Same => kept = len_u64(data),
                Found::Other => window.write(start, data)?,
            }
        }
        None => settle_in_pieces(window, place, (chunk, carried, expected), source, buffers, tools.hasher)?,
    }
    leaf(window, place, chunk, buffers)?;
    Ok(kept)
}

/// Whether `data` is the chunk that the tree expects. Leaves its level-0 block in `leaf`.
fn check_whole<H: BlockHasher>(
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

/// Reads the carried bytes of a compressed chunk, checks their digest, and only then decompresses them into the data buffer.
fn unpack<R: Source, Z: Decompressor, E>(
    (chunk, carried): (u64, Row),
    whole: usize,
    source: &mut R,
    buffers: &mut Buffers<'_>,
    decompressor: &mut Z,
) -> Result<(), Error<E>> {
    let Row::Zstd { carried_len, digest } = carried else { return Ok(()) };
    let got = buffers.carried.len();
    let len = usize::try_from(carried_len).unwrap_or(usize::MAX);
    let packed = buffers.carried.get_mut(..len).ok_or(Misuse::Buffer { needed: CHUNK_BYTES, got })?;
    source.read_exact(packed).map_err(lost)?;
    if Digest::of(&[packed]) != digest {
        return Err(Error::Bundle(Corrupt(Rule::CarriedDigest { chunk })));
    }
    let got = buffers.data.len();
    let data = buffers.data.get_mut(..whole).ok_or(Misuse::Buffer { needed: whole, got })?;
    decompressor.decompress(packed, data).ok_or(Error::Bundle(Corrupt(Rule::Decompress { chunk })))?;
    Ok(())
}

/// How many chunks from `chunk` on are compressed, stand in one page, and have a place in the buffers.
fn packed_from(place: &Place<'_>, chunk: u64, buffers: &Buffers<'_>, pages: &Option<PageChain<'_>>) -> u64 {
    let Some(pages) = pages else { return 0 };
    let places = buffers.data.len().min(buffers.carried.len()).checked_div(CHUNK_BYTES).unwrap_or(0).min(AT_ONCE);
    let end = chunk.saturating_add(u64::try_from(places).unwrap_or(0)).min(pages.next_chunk());
    let packed = |chunk: &u64| matches!(page::row(buffers.page, place.payload, *chunk), Some(Row::Zstd { .. }));
    len_of((chunk..end).take_while(packed))
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
        let Some(Row::Zstd { carried_len, digest }) = page::row(buffers.page, place.payload, chunk) else {
            return Err(Error::Bundle(wrong));
        };
        let carried = carried
            .get_mut(..usize::try_from(carried_len).map_err(|_| Error::Bundle(wrong))?)
            .ok_or(Error::Bundle(wrong))?;
        source.read_exact(carried).map_err(lost)?;
        if Digest::of(&[carried]) != digest {
            return Err(Error::Bundle(Corrupt(Rule::CarriedDigest { chunk })));
        }
        let data = data.get_mut(..place.tree.geometry.chunk_len(chunk)).ok_or(Error::Bundle(wrong))?;
        packed.push(Packed { carried, chunk: data }).map_err(|_| Error::Bundle(wrong))?;
    }
    decompressor.decompress_each(&mut packed).map_err(|place| {
        let chunk = first.saturating_add(u64::try_from(place).unwrap_or(0));
        Error::Bundle(Corrupt(Rule::Decompress { chunk }))
    })
}

/// Writes the level-0 block in `buffers.leaf`. An image of one block has none.
fn leaf<D: BlockIo>(
    window: &mut Window<'_, D>,
    place: &Place<'_>,
    chunk: u64,
    buffers: &Buffers<'_>,
) -> Result<(), Error<D::Error>> {
    let at: Option<ByteOffset> = place.tree.geometry.block_offset(0, chunk);
    at.map_or(Ok(()), |at| window.write(at, buffers.leaf))
}

/// A source that ended is a truncated bundle; one that failed is not the bundle's fault.
fn lost<S: embedded_io::Error, E>(error: ReadExactError<S>) -> Error<E> {
    match error {
        ReadExactError::UnexpectedEof => Error::Bundle(Corrupt(Rule::Truncated)),
        ReadExactError::Other(error) => Error::Source(error.kind()),
    }
}

const _: () = assert!(CHUNK_BYTES.is_multiple_of(BLOCK_BYTES));
