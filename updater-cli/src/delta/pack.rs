//! The chunks of an image as bodies that refer to the old one, for the bundle writer.

use std::fmt;
use std::io;

use libupdate::bundle::writer::{Body, Codec, DeltaCompressor};
use libupdate::units::digest::DIGEST_BYTES;
use libupdate::{BlockHasher as _, Salt};
use libupdate_linux::Interrupt;
use zstd::zstd_safe::{CCtx, CParameter};

use super::align::Reference;
use super::copies::copies;
use super::cover::cover;
use super::index::hints;
use super::streams::Streams;
use super::{BLOCK, OldImage, body};
use crate::cores::{self, Hasher};
use crate::zstd::pack::{Contexts, refused};

/// Deltas are made once and fetched by every device. Levels above win nothing, 12 makes them 5 % larger in a quarter of the time.
const LEVEL: i32 = 19;

/// A patch of so few bytes is taken as it is: what others could save is not worth their time.
const SMALL: usize = 2 << 10;

/// Packs chunks until somebody asks to stop.
pub struct Packer<'p> {
    old: &'p OldImage,
    /// The old image's, by which its blocks are told apart.
    salt: Salt<'p>,
    hasher: Hasher,
    contexts: &'p Contexts,
    interrupt: &'p Interrupt,
}

impl<'p> Packer<'p> {
    /// Refers to `old`, which was read with `salt`. It fails once `interrupt` is requested.
    pub fn new(old: &'p OldImage, salt: Salt<'p>, contexts: &'p Contexts, interrupt: &'p Interrupt) -> Self {
        Self { old, salt, hasher: cores::hasher(), contexts, interrupt }
    }
}

impl fmt::Debug for Packer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("delta::Packer").finish_non_exhaustive()
    }
}

impl DeltaCompressor for Packer<'_> {
    fn compress(&mut self, chunks: &[&[u8]], bodies: &mut [Body]) -> io::Result<()> {
        let mut digests = Vec::new();
        for chunk in chunks {
            let mut of_chunk = vec![0; chunk.len() / BLOCK * DIGEST_BYTES];
            self.hasher.hash_blocks(self.salt, chunk, &mut of_chunk);
            digests.push(of_chunk);
        }
        let mut jobs: Vec<_> = chunks.iter().zip(digests).zip(bodies).collect();
        self.contexts.share(&mut jobs, |context, ((chunk, digests), body)| {
            **body = self.pack(context, chunk, digests)?;
            Ok(())
        })
    }
}

impl Packer<'_> {
    /// The shortest body, of equal ones the simplest; or a small patch.
    fn pack(&self, context: &mut CCtx<'_>, chunk: &[u8], digests: &[u8]) -> io::Result<Body> {
        self.goes_on()?;
        if let Some(body) = self.copied(chunk, digests)? {
            return Ok(body);
        }
        let (places, landmarks) = self.old.index().matches(chunk);
        let runs = cover(&places, landmarks, self.old.blocks());
        let Some(head) = body::head(&runs) else { return plain(context, chunk) };
        let reference = self.old.bytes(&runs)?;
        let patch = patch(&reference, chunk)?.map(|patch| [head.as_slice(), &patch].concat());
        let patch = patch.map(|bytes| Body { codec: Codec::Patch, bytes });
        if let Some(patch) = patch.as_ref().filter(|patch| patch.bytes.len() <= SMALL) {
            return Ok(patch.clone());
        }
        self.goes_on()?;
        let prefixed = [head.as_slice(), &framed(&reference, chunk)?].concat();
        let others = [Body { codec: Codec::Prefix, bytes: prefixed }].into_iter().chain(patch);
        let plain = plain(context, chunk)?;
        Ok(others.fold(plain, |best, next| if next.bytes.len() < best.bytes.len() { next } else { best }))
    }

    fn goes_on(&self) -> io::Result<()> {
        if self.interrupt.requested() { Err(io::Error::other("interrupted")) } else { Ok(()) }
    }

    /// A chunk that is in the old image, block for block.
    fn copied(&self, chunk: &[u8], digests: &[u8]) -> io::Result<Option<Body>> {
        let Some(runs) = copies(self.old.index(), hints(digests)) else { return Ok(None) };
        let Some(bytes) = body::head(&runs) else { return Ok(None) };
        let same = self.old.bytes(&runs)? == chunk;
        Ok((same && bytes.len() < chunk.len()).then_some(Body { codec: Codec::Patch, bytes }))
    }
}

/// Without the old image.
fn plain(context: &mut CCtx<'_>, chunk: &[u8]) -> io::Result<Body> {
    let mut bytes = Vec::with_capacity(zstd::zstd_safe::compress_bound(chunk.len()));
    context.compress2(&mut bytes, chunk).map_err(refused)?;
    Ok(Body { codec: Codec::Zstd, bytes })
}

/// Copies of the reference with differences.
fn patch(reference: &[u8], chunk: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let pieces = Reference::new(reference)?.align(chunk);
    let Some(streams) = Streams::new(reference, chunk, &pieces) else { return Ok(None) };
    let Some(lengths) = streams.lengths() else { return Ok(None) };
    let bytes = streams.bytes();
    // A frame that uses no prefix is decoded with any. Only extra bytes resemble the reference.
    let mut frame = framed(&[], &bytes)?;
    if streams.has_extra() {
        let prefixed = framed(reference, &bytes)?;
        frame = if prefixed.len() < frame.len() { prefixed } else { frame };
    }
    Ok(Some([lengths, frame].concat()))
}

/// One frame, with a prefix. Its window has room for both.
fn framed(prefix: &[u8], content: &[u8]) -> io::Result<Vec<u8>> {
    const SMALLEST_WINDOW: u32 = 10;
    let mut context = CCtx::create();
    let all = prefix.len().saturating_add(content.len());
    let window = usize::BITS.saturating_sub(all.leading_zeros()).max(SMALLEST_WINDOW);
    for parameter in [CParameter::CompressionLevel(LEVEL), CParameter::WindowLog(window)] {
        context.set_parameter(parameter).map_err(refused)?;
    }
    context.ref_prefix(prefix).map_err(refused)?;
    let mut frame = Vec::with_capacity(zstd::zstd_safe::compress_bound(content.len()));
    context.compress2(&mut frame, content).map_err(refused)?;
    Ok(frame)
}
