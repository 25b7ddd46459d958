//! Chunks that are made from an old image, which a slot of the device holds: what a delta bundle carries instead of them.
//!
//! ```text
//!  body     | count 1 | count x (start, blocks) | rest |
//!  start    varint    blocks between the run before (or the front of the old image) and this one
//!  blocks   varint    1 or more; all of a chunk's together at most 256
//!
//!  reference = the bytes of these runs, one after another
//!
//!  codec      rest                                                        the chunk
//!  3 prefix   zstd frame                                                  what the frame holds, with the reference as its prefix
//!  4 patch    nothing                                                     the reference
//!  4 patch    control, gaps, values, extra: 4 varints, bytes of each      built of these four streams, which the frame holds one
//!             stream; zstd frame                                          after another, with the reference as its prefix
//!
//!  control    (copy, insert, step) .. : 3 varints; `copy` bytes from the place in the reference, each plus its difference; `insert`
//!             bytes of the stream extra; then the place moves by `step` (zigzag) from the end of the copy
//!  gaps       varint .. : so many copied bytes do not differ, the next one does
//!  values     1 byte for each gap: the difference, never 0
//!  varint     LEB128 of a u32 in its shortest form
//! ```
//! 1. The body has the digest of its row before any of this is read, and the chunk is checked against the tree after: the old image is not trusted.
//! 2. Every number is inside the old image, the reference, its stream and the chunk, or the body is refused; each stream and the chunk are used up.

use crate::bundle::page::Row;
use crate::bundle::{Features, Verified};
use crate::error::{Corrupt, Rule};
use crate::manifest::{ExtensionId, Manifest, Name};
use crate::units::bytes::all_zero;
use crate::units::digest::{BLOCK_BYTES, Digest, RootHash};
use crate::units::limits::{DELTA_REFERENCE_BLOCKS, DELTA_RUNS};
use crate::verity::CHUNK_BYTES;

mod numbers;
mod patch;

use numbers::Numbers;

/// The extension that names the old image of each payload: 32 bytes for each, its root hash, zero if it has none.
pub const OLD_IMAGES: ExtensionId = ExtensionId(1);
/// The extension that names the file, beside this one, which holds the whole images of the release.
pub const FULL_BUNDLE: ExtensionId = ExtensionId(2);
/// Bytes of the largest reference.
pub const REFERENCE_BYTES: usize = DELTA_REFERENCE_BLOCKS.saturating_mul(BLOCK_BYTES);
/// Bytes of memory that an installation needs for it: the reference and a patch.
pub const MEMORY_BYTES: usize = REFERENCE_BYTES.saturating_add(CHUNK_BYTES);

/// The old images that a bundle's payloads are made from.
#[derive(Clone, Copy, Debug)]
pub struct OldImages<'a> {
    roots: &'a [[u8; 32]],
}

impl<'a> OldImages<'a> {
    /// Those of a bundle; none if it carries whole images.
    ///
    /// # Errors
    /// `DeltaBases`.
    pub fn of(verified: &Verified<'a>) -> Result<Self, Corrupt> {
        let old = Self::named(verified.manifest())?;
        if verified.features().has(Features::DELTA) == old.roots.is_empty() {
            Err(Corrupt(Rule::DeltaBases))
        } else {
            Ok(old)
        }
    }

    /// Those that a manifest names.
    ///
    /// # Errors
    /// `DeltaBases`.
    pub fn named(manifest: &Manifest<'a>) -> Result<Self, Corrupt> {
        let Some(extension) = manifest.extensions().iter().find(|one| one.id() == OLD_IMAGES) else {
            return Ok(Self { roots: &[] });
        };
        let (roots, rest) = extension.bytes().as_chunks();
        let fits = rest.is_empty() && roots.len() == manifest.payloads().len() && !all_zero(extension.bytes());
        if fits { Ok(Self { roots }) } else { Err(Corrupt(Rule::DeltaBases)) }
    }

    /// Whether the bundle carries whole images.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// The root hash of each payload's old image.
    pub fn roots(&self) -> impl Iterator<Item = Option<RootHash>> + use<'a> {
        self.roots.iter().map(|root| (!all_zero(root)).then(|| RootHash::new(Digest::new(*root))))
    }
}

/// The file, beside a delta bundle, that holds the whole images.
#[must_use]
pub fn full_bundle<'a>(manifest: &Manifest<'a>) -> Option<Name<'a>> {
    let extension = manifest.extensions().iter().find(|one| one.id() == FULL_BUNDLE)?;
    Name::new(core::str::from_utf8(extension.bytes()).ok()?).ok()
}

/// A run of blocks of the old image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// Its first block.
    pub first: u64,
    /// How many there are.
    pub blocks: usize,
}

/// The carried bytes of one chunk, whose digest is right.
#[derive(Clone, Copy, Debug)]
pub struct Body<'b> {
    runs: Numbers<'b>,
    reference_bytes: usize,
    recipe: Recipe<'b>,
}

/// How the chunk is made from the reference.
#[derive(Clone, Copy, Debug)]
pub enum Recipe<'b> {
    /// It is the reference.
    Copy,
    /// A frame holds it.
    Prefix(&'b [u8]),
    /// A frame holds what is to be copied, added and inserted.
    Patch(Lengths, &'b [u8]),
}

/// Bytes of the four streams: control, gaps, values, extra.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lengths([usize; 4]);

impl<'b> Body<'b> {
    /// Reads the body of a chunk of `chunk_bytes`, made from an old image of `old_blocks` blocks. `None` if a rule is broken.
    #[must_use]
    pub fn parse(row: &Row, body: &'b [u8], chunk_bytes: usize, old_blocks: u64) -> Option<Self> {
        let (count, numbers) = body.split_first()?;
        let count = usize::from(*count);
        let mut rest = Numbers::new(numbers);
        let mut blocks = 0_usize;
        let mut end = 0_u64;
        for _ in 0..count {
            let run = rest.run(end)?;
            end = run.first.checked_add(u64::try_from(run.blocks).ok()?)?;
            blocks = blocks.checked_add(run.blocks)?;
        }
        let bounded = (1..=DELTA_RUNS).contains(&count) && blocks <= DELTA_REFERENCE_BLOCKS && end <= old_blocks;
        let runs = rest.before(numbers)?;
        let reference_bytes = blocks.checked_mul(BLOCK_BYTES)?;
        let recipe = match row {
            Row::Prefix { .. } => Recipe::Prefix(rest.bytes()),
            Row::Patch { .. } if rest.is_over() && reference_bytes == chunk_bytes => Recipe::Copy,
            Row::Patch { .. } => Recipe::Patch(Lengths::read(&mut rest)?, rest.bytes()),
            Row::Zero | Row::Raw { .. } | Row::Zstd { .. } => return None,
        };
        bounded.then_some(Self { runs, reference_bytes, recipe })
    }

    /// The runs of the reference, in order.
    pub fn runs(&self) -> impl Iterator<Item = Run> + use<'b> {
        let (mut numbers, mut end) = (self.runs, 0_u64);
        core::iter::from_fn(move || {
            let run = numbers.run(end)?;
            end = run.first.saturating_add(u64::try_from(run.blocks).unwrap_or(u64::MAX));
            Some(run)
        })
    }

    /// Bytes of the reference.
    #[must_use]
    pub const fn reference_bytes(&self) -> usize {
        self.reference_bytes
    }

    /// How the chunk is made from it.
    #[must_use]
    pub const fn recipe(&self) -> Recipe<'b> {
        self.recipe
    }
}

impl Lengths {
    fn read(numbers: &mut Numbers<'_>) -> Option<Self> {
        let mut lengths = [0; 4];
        for length in &mut lengths {
            *length = numbers.next()?;
        }
        let lengths = Self(lengths);
        (1..=CHUNK_BYTES).contains(&lengths.total()).then_some(lengths)
    }

    /// Bytes of all four.
    #[must_use]
    pub fn total(&self) -> usize {
        self.0.iter().fold(0, |sum: usize, length| sum.saturating_add(*length))
    }

    /// Builds `chunk` from the reference and the streams. `None`, with `chunk` in part written, if a rule is broken.
    #[must_use]
    pub fn build(&self, reference: &[u8], streams: &[u8], chunk: &mut [u8]) -> Option<()> {
        let [control, gaps, values, _] = self.0;
        let (control, rest) = streams.split_at_checked(control)?;
        let (gaps, rest) = rest.split_at_checked(gaps)?;
        let (values, extra) = rest.split_at_checked(values)?;
        if streams.len() != self.total() {
            return None;
        }
        patch::build(reference, control, patch::Differences::new(gaps, values)?, extra, chunk)
    }
}

impl Numbers<'_> {
    fn run(&mut self, end: u64) -> Option<Run> {
        if self.is_over() {
            return None;
        }
        let first = end.checked_add(u64::try_from(self.next()?).ok()?)?;
        let blocks = self.next().filter(|blocks| *blocks > 0)?;
        Some(Run { first, blocks })
    }
}

#[cfg(test)]
mod tests;
