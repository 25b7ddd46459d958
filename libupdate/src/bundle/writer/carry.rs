//! The part of a bundle that belongs to one image.

use core::fmt;
use std::io::{self, Seek, Write};
use std::vec::Vec;

use crate::bundle::frame::Frames;
use crate::bundle::hints::HINT_BYTES;
use crate::bundle::page::{self, Row};
use crate::bundle::writer::source::Source;
use crate::bundle::writer::tree::{HashedImage, levels_len};
use crate::bundle::writer::{Body, Carriage, Codec, Tools, WriteError};
use crate::error::{Corrupt, Rule};
use crate::units::bytes;
use crate::units::digest::{BLOCK_BYTES, BlockHasher, DIGEST_BYTES, Digest, RootHash, Salt};
use crate::verity::Geometry;

/// Makes zstd frames: each on its own, no dictionary, a window no larger than a chunk, the content size in the header. The
/// same bytes always give the same frame, or bundles cannot be made again.
pub trait Compressor: fmt::Debug {
    /// Replaces each of `frames` by the frame of its chunk, or of its part of one; there are at most 4, which may be made side by side.
    ///
    /// # Errors
    /// The compressor's own; the bundle is then not made.
    fn compress(&mut self, chunks: &[&[u8]], frames: &mut [Vec<u8>]) -> io::Result<()>;
}

/// What was learned of an image while its chunks were written, and where it belongs.
pub(super) struct Carried {
    hashed: HashedImage,
    levels_at: u64,
    pages: Vec<PlacedPage>,
}

struct PlacedPage {
    at: u64,
    /// The page, and its hints.
    bytes: Vec<u8>,
}

/// Bytes for a place that was kept with zeros.
pub(super) struct Patch<'c> {
    pub(super) at: u64,
    pub(super) bytes: &'c [u8],
}

impl Carried {
    /// An image without pages whose levels have no place yet.
    pub(super) const fn raw(hashed: HashedImage) -> Self {
        Self { hashed, levels_at: 0, pages: Vec::new() }
    }

    pub(super) const fn root_hash(&self) -> RootHash {
        self.hashed.root_hash
    }

    pub(super) fn first_page(&self) -> Option<Digest> {
        self.pages.first().and_then(|page| page.bytes.get(..BLOCK_BYTES)).map(|page| Digest::of(&[page]))
    }

    pub(super) fn patches(&self) -> impl Iterator<Item = Patch<'_>> {
        let levels = Patch { at: self.levels_at, bytes: &self.hashed.levels };
        core::iter::once(levels).chain(self.pages.iter().map(|page| Patch { at: page.at, bytes: &page.bytes }))
    }
}

/// Writes an image's levels (zeros for now), pages (the same) and chunks.
pub(super) fn carry<W: Write + Seek, H: BlockHasher>(
    source: Source<'_, '_>,
    (salt, frames): (Salt<'_>, Frames),
    carriage: &mut Carriage<'_>,
    out: &mut W,
    tools: &mut Tools<'_, H>,
) -> Result<Carried, WriteError> {
    let levels_at = position(out)?;
    write_zeros(out, levels_len(&source.geometry()))?;
    let mut groups = Groups::new(source.geometry(), (matches!(carriage, Carriage::Hinted(..)), frames));
    let hashed = HashedImage::of(source, salt, tools, |batch, digests| match carriage {
        Carriage::Raw => out.write_all(batch).map_err(WriteError::Output),
        Carriage::Zstd(compressor) | Carriage::Hinted(compressor, _) => {
            groups.compress((batch, digests), out, |chunks, bodies| {
                let mut frames: Vec<_> = bodies.iter_mut().map(|body| core::mem::take(&mut body.bytes)).collect();
                let done = compressor.compress(chunks, &mut frames);
                bodies.iter_mut().zip(frames).for_each(|(body, bytes)| *body = Body { codec: Codec::Zstd, bytes });
                done
            })
        }
        Carriage::Delta { compressor, .. } => {
            groups.compress((batch, digests), out, |chunks, bodies| compressor.compress(chunks, bodies))
        }
    })?;
    Ok(Carried { hashed, levels_at, pages: groups.into_pages()? })
}

/// Frames that a compressor has at once.
const AT_ONCE: usize = 4;

/// The groups of frames after the pages of one image.
struct Groups {
    geometry: Geometry,
    hinted: bool,
    frames: Frames,
    pages: Vec<OpenPage>,
    /// Memory for those of a batch.
    bodies: Vec<Body>,
}

/// A page whose place is known, and what belongs into it so far.
struct OpenPage {
    at: u64,
    rows: Vec<Row>,
    hints: Vec<u8>,
}

impl Groups {
    const fn new(geometry: Geometry, (hinted, frames): (bool, Frames)) -> Self {
        Self { geometry, hinted, frames, pages: Vec::new(), bodies: Vec::new() }
    }

    fn compress<W: Write + Seek>(
        &mut self,
        (batch, digests): (&[u8], &[u8]),
        out: &mut W,
        mut compress: impl FnMut(&[&[u8]], &mut [Body]) -> io::Result<()>,
    ) -> Result<(), WriteError> {
        let blocks = usize::from(self.frames.blocks());
        let frames: Vec<&[u8]> = batch.chunks(blocks.saturating_mul(BLOCK_BYTES)).collect();
        let full: Vec<&[u8]> = frames.iter().copied().filter(|frame| !bytes::all_zero(frame)).collect();
        self.bodies.resize(full.len().max(self.bodies.len()), Body::default());
        for (full, bodies) in full.chunks(AT_ONCE).zip(self.bodies.chunks_mut(AT_ONCE)) {
            let (bodies, _) = bodies.split_at_mut(full.len());
            compress(full, bodies).map_err(WriteError::Compressor)?;
        }
        let mut bodies = core::mem::take(&mut self.bodies);
        let mut next = bodies.iter();
        let digests = digests.chunks(DIGEST_BYTES.saturating_mul(blocks));
        for (frame, digests) in frames.into_iter().zip(digests) {
            let body = if bytes::all_zero(frame) { None } else { next.next() };
            let (row, carried) = shortest(frame, body);
            self.place(row, digests, out)?;
            out.write_all(carried).map_err(WriteError::Output)?;
        }
        bodies.iter_mut().for_each(|body| body.bytes.clear());
        self.bodies = bodies;
        Ok(())
    }

    /// Notes the next row, in a new page where the last one is full.
    fn place<W: Write + Seek>(&mut self, row: Row, digests: &[u8], out: &mut W) -> Result<(), WriteError> {
        let rows = usize::try_from(self.frames.before(self.frames.chunks_a_page())).unwrap_or(0);
        if self.pages.last().is_none_or(|page| page.rows.len() == rows) {
            let hints = if self.hinted { self.hints_len() } else { 0 };
            self.pages.push(OpenPage { at: position(out)?, rows: Vec::new(), hints: Vec::with_capacity(hints) });
            write_zeros(out, BLOCK_BYTES.saturating_add(hints))?;
        }
        let Some(page) = self.pages.last_mut() else { return Ok(()) };
        page.rows.push(row);
        if self.hinted {
            let hints = digests.chunks(DIGEST_BYTES).filter_map(|digest| digest.get(..HINT_BYTES));
            page.hints.extend(hints.flatten());
        }
        Ok(())
    }

    /// Bytes of the hints of the page that is made next.
    fn hints_len(&self) -> usize {
        let a_page = self.frames.chunks_a_page();
        let first = u64::try_from(self.pages.len()).unwrap_or(u64::MAX).saturating_mul(a_page);
        let chunks = first..first.saturating_add(a_page).min(self.geometry.chunks());
        chunks.fold(0, |sum: usize, chunk| {
            sum.saturating_add(self.geometry.chunk_blocks(chunk).saturating_mul(HINT_BYTES))
        })
    }

    /// The pages, made from the last to the first: each has the digest of the next one.
    fn into_pages(self) -> Result<Vec<PlacedPage>, WriteError> {
        let mut next = None;
        let mut pages = Vec::with_capacity(self.pages.len());
        for OpenPage { at, rows, hints } in self.pages.into_iter().rev() {
            let mut bytes = [0; BLOCK_BYTES];
            let misfit = WriteError::Statement(Corrupt(Rule::PageCount { page: 0 }));
            let of_hints = self.hinted.then(|| Digest::of(&[&hints]));
            page::encode(&rows, [next, of_hints], &mut bytes).ok_or(misfit)?;
            next = Some(Digest::of(&[&bytes]));
            pages.push(PlacedPage { at, bytes: [&bytes[..], &hints].concat() });
        }
        pages.reverse();
        Ok(pages)
    }
}

/// The shortest way to carry a frame; without a body it is zeros.
fn shortest<'c>(frame: &'c [u8], body: Option<&'c Body>) -> (Row, &'c [u8]) {
    match body {
        None => (Row::Zero, &[]),
        Some(body) if !body.bytes.is_empty() && body.bytes.len() < frame.len() => (body.row(), &body.bytes),
        // A frame has at most 2^19 bytes.
        Some(_) => (Row::Raw { len: u32::try_from(frame.len()).unwrap_or(u32::MAX) }, frame),
    }
}

pub(super) fn write_zeros<W: Write>(out: &mut W, len: usize) -> Result<(), WriteError> {
    let mut left = len;
    while left > 0 {
        let run = left.min(BLOCK_BYTES);
        let (zeros, _) = [0; BLOCK_BYTES].split_at(run);
        out.write_all(zeros).map_err(WriteError::Output)?;
        left = left.saturating_sub(run);
    }
    Ok(())
}

fn position<W: Seek>(out: &mut W) -> Result<u64, WriteError> {
    out.stream_position().map_err(WriteError::Output)
}
