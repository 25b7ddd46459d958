//! The part of a bundle that belongs to one image.

use core::fmt;
use std::io::{self, Seek, Write};
use std::vec::Vec;

use crate::bundle::page::{self, ROWS, Row};
use crate::bundle::writer::source::Source;
use crate::bundle::writer::tree::{HashedImage, levels_len};
use crate::bundle::writer::{Body, Carriage, Codec, Tools, WriteError};
use crate::error::{Corrupt, Rule};
use crate::units::bytes;
use crate::units::digest::{BLOCK_BYTES, BlockHasher, Digest, RootHash, Salt};
use crate::verity::CHUNK_BYTES;

/// Makes zstd frames: one frame per chunk, no dictionary, a window no larger than a chunk, the content size in the header. The
/// same chunk always gives the same frame, or bundles cannot be made again.
pub trait Compressor: fmt::Debug {
    /// Replaces each of `frames` by the frame of its chunk; there are at most 4, which may be made side by side.
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
    bytes: [u8; BLOCK_BYTES],
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
        self.pages.first().map(|page| Digest::of(&[&page.bytes]))
    }

    pub(super) fn patches(&self) -> impl Iterator<Item = Patch<'_>> {
        let levels = Patch { at: self.levels_at, bytes: &self.hashed.levels };
        core::iter::once(levels).chain(self.pages.iter().map(|page| Patch { at: page.at, bytes: &page.bytes }))
    }
}

/// Writes an image's levels (zeros for now), pages (the same) and chunks.
pub(super) fn carry<W: Write + Seek, H: BlockHasher>(
    source: Source<'_, '_>,
    salt: Salt<'_>,
    carriage: &mut Carriage<'_>,
    out: &mut W,
    tools: &mut Tools<'_, H>,
) -> Result<Carried, WriteError> {
    let levels_at = position(out)?;
    write_zeros(out, levels_len(&source.geometry()))?;
    let mut groups = Groups::new();
    let hashed = HashedImage::of(source, salt, tools, |batch| match carriage {
        Carriage::Raw => out.write_all(batch).map_err(WriteError::Output),
        Carriage::Zstd(compressor) => groups.compress(batch, out, |chunks, bodies| {
            let mut frames: Vec<_> = bodies.iter_mut().map(|body| core::mem::take(&mut body.bytes)).collect();
            let done = compressor.compress(chunks, &mut frames);
            bodies.iter_mut().zip(frames).for_each(|(body, bytes)| *body = Body { codec: Codec::Zstd, bytes });
            done
        }),
        Carriage::Delta { compressor, .. } => {
            groups.compress(batch, out, |chunks, bodies| compressor.compress(chunks, bodies))
        }
    })?;
    Ok(Carried { hashed, levels_at, pages: groups.into_pages()? })
}

/// The groups of chunks after the pages of one image.
struct Groups {
    /// Place and rows of each page.
    pages: Vec<(u64, Vec<Row>)>,
    /// Memory for those of a batch.
    bodies: Vec<Body>,
}

impl Groups {
    const fn new() -> Self {
        Self { pages: Vec::new(), bodies: Vec::new() }
    }

    fn compress<W: Write + Seek>(
        &mut self,
        batch: &[u8],
        out: &mut W,
        compress: impl FnOnce(&[&[u8]], &mut [Body]) -> io::Result<()>,
    ) -> Result<(), WriteError> {
        let chunks: Vec<&[u8]> = batch.chunks(CHUNK_BYTES).collect();
        let full: Vec<&[u8]> = chunks.iter().copied().filter(|chunk| !bytes::all_zero(chunk)).collect();
        self.bodies.resize(full.len().max(self.bodies.len()), Body::default());
        let (bodies, _) = self.bodies.split_at_mut(full.len());
        compress(&full, bodies).map_err(WriteError::Compressor)?;
        let mut bodies = core::mem::take(&mut self.bodies);
        let mut next = bodies.iter();
        for chunk in chunks {
            let body = if bytes::all_zero(chunk) { None } else { next.next() };
            let (row, carried) = shortest(chunk, body);
            self.place(row, out)?;
            out.write_all(carried).map_err(WriteError::Output)?;
        }
        bodies.iter_mut().for_each(|body| body.bytes.clear());
        self.bodies = bodies;
        Ok(())
    }

    /// Notes the next row, in a new page where the last one is full.
    fn place<W: Write + Seek>(&mut self, row: Row, out: &mut W) -> Result<(), WriteError> {
        match self.pages.last_mut() {
            Some((_, rows)) if rows.len() < ROWS => rows.push(row),
            _ => {
                self.pages.push((position(out)?, std::vec![row]));
                write_zeros(out, BLOCK_BYTES)?;
            }
        }
        Ok(())
    }

    /// The pages, made from the last to the first: each has the digest of the next one.
    fn into_pages(self) -> Result<Vec<PlacedPage>, WriteError> {
        let mut next = None;
        let mut pages = Vec::with_capacity(self.pages.len());
        for (at, rows) in self.pages.iter().rev() {
            let mut bytes = [0; BLOCK_BYTES];
            let misfit = WriteError::Statement(Corrupt(Rule::PageCount { page: 0 }));
            page::encode(rows, next, &mut bytes).ok_or(misfit)?;
            next = Some(Digest::of(&[&bytes]));
            pages.push(PlacedPage { at: *at, bytes });
        }
        pages.reverse();
        Ok(pages)
    }
}

/// The shortest way to carry a chunk; without a body it is zeros.
fn shortest<'c>(chunk: &'c [u8], body: Option<&'c Body>) -> (Row, &'c [u8]) {
    match body {
        None => (Row::Zero, &[]),
        Some(body) if !body.bytes.is_empty() && body.bytes.len() < chunk.len() => (body.row(), &body.bytes),
        // A chunk has at most 2^19 bytes.
        Some(_) => (Row::Raw { len: u32::try_from(chunk.len()).unwrap_or(u32::MAX) }, chunk),
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
