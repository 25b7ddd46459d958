//! The chunks of one index page at a time, up to 100: where each of their frames comes from, before the first of them is taken.
//!
//! ```text
//!  stream   [ page | hints ] chunk, chunk, ..
//!                             │ the target holds it (an installation that goes on): skipped
//!                             │ other slots may have its blocks: made of them, or fetched after all
//!                             └ read
//! ```
//! The source hears what will be read, and fetches nothing else.

use core::ops::Range;

use heapless::Vec;

use crate::bundle::frame::Frames;
use crate::bundle::hints;
use crate::bundle::page::{self, PageChain, ROWS, Row};
use crate::error::{Corrupt, Error, Rule};
use crate::install::progress::{Meter, Observer, Saved};
use crate::install::reuse::{Known, hints_of};
use crate::install::seam::{Ahead, Run, Source};
use crate::install::{Buffers, Place, Tools, read_back, settle, stream};
use crate::io::{BlockIo, Window};
use crate::region::Resume;
use crate::units::digest::{BLOCK_BYTES, BlockHasher, Digest};
use crate::verity::{Geometry, ParentCache};

const PAGE: u32 = 4096;

/// Chunks or frames of a group, one bit for each.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Bits(u128);

impl Bits {
    pub(super) fn set(&mut self, at: u64) {
        self.0 |= u32::try_from(at).ok().and_then(|at| 1_u128.checked_shl(at)).unwrap_or(0);
    }

    pub(super) fn has(self, at: u64) -> bool {
        u32::try_from(at).ok().and_then(|at| self.0.checked_shr(at)).is_some_and(|rest| rest & 1 == 1)
    }
}

/// The chunks from one index page on, or as many of a payload that has none.
#[derive(Debug)]
pub(super) struct Group {
    chunks: Range<u64>,
    /// Those that the target holds.
    held: Bits,
    /// Frames that other slots may have.
    elsewhere: Bits,
    frames: Frames,
    hinted: bool,
}

impl Group {
    /// No chunk: before the first group.
    pub(super) const fn none() -> Self {
        Self { chunks: 0..0, held: Bits(0), elsewhere: Bits(0), frames: Frames::WHOLE, hinted: false }
    }

    /// The chunk after its last one.
    pub(super) const fn end(&self) -> u64 {
        self.chunks.end
    }

    pub(super) fn is_held(&self, chunk: u64) -> bool {
        self.held.has(self.place(chunk))
    }

    /// Of a frame that is counted through the image; a chunk, where frames are chunks.
    pub(super) fn may_be_elsewhere(&self, frame: u64) -> bool {
        self.elsewhere.has(self.place_of_frame(frame))
    }

    /// Where the chunk's hints are among those of the group, if it has hints in memory.
    pub(super) fn hints(&self, geometry: &Geometry, chunk: u64) -> Option<Range<usize>> {
        hints_in(geometry, self.chunks.start, chunk).filter(|_| self.hinted)
    }

    fn place(&self, chunk: u64) -> u64 {
        chunk.saturating_sub(self.chunks.start)
    }

    fn place_of_frame(&self, frame: u64) -> u64 {
        frame.saturating_sub(self.frames.before(self.chunks.start))
    }

    /// Goes on to the next group: takes in its page and hints, looks at what is there already, and says what will be read.
    pub(super) fn next<D, R, H, Z, O>(
        &mut self,
        window: &mut Window<'_, D>,
        (place, known, resume): (&Place<'_>, &Known<'_>, Resume),
        source: &mut R,
        buffers: &mut Buffers<'_>,
        (pages, parents): (&mut Option<PageChain<'_>>, &mut ParentCache<'_>),
        (tools, meter): (&mut Tools<'_, H, Z, O>, &mut Meter),
    ) -> Result<(), Error<D::Error>>
    where
        D: BlockIo,
        R: Source,
        H: BlockHasher,
        O: Observer,
    {
        let geometry = &place.tree.geometry;
        let first = self.chunks.end;
        *self = Self { chunks: chunks(place, first), frames: place.frames, ..Self::none() };
        if let Some(pages) = pages {
            self.hinted = read_page(pages, place, first, source, buffers)?;
        }
        for chunk in self.chunks.clone().filter(|_| resume == Resume::Rehash) {
            let expected = parents.expected_chunk(window, chunk, tools.hasher).map_err(super::not_kept)?;
            let len = read_back::chunk_len(&place.tree, chunk);
            if settle::holds(window, place, chunk, expected, buffers, tools.hasher)? {
                self.held.set(self.place(chunk));
                meter.done(tools.observer, len, Saved { kept: len, reused: 0 })?;
            } else {
                // A look takes as long as the chunk, and the caller may want to stop.
                meter.done(tools.observer, 0, Saved::NOTHING)?;
            }
        }
        for chunk in self.chunks.clone().filter(|_| !known.is_empty()) {
            let Some(hints) = self.hints(geometry, chunk).filter(|_| !self.is_held(chunk)) else { continue };
            let hints = buffers.reuse.hints.get(hints).unwrap_or_default();
            let of_a_frame = usize::from(self.frames.blocks()).saturating_mul(hints::HINT_BYTES);
            for (frame, hints) in (self.frames.before(chunk)..).zip(hints.chunks(of_a_frame)) {
                // Of zeros nothing is carried that could be spared.
                if row(place, buffers.page, frame) != Some(Row::Zero) && known.has(buffers.reuse.index, hints) {
                    self.elsewhere.set(self.place_of_frame(frame));
                }
            }
        }
        if resume == Resume::Rehash || !known.is_empty() {
            source.will_read(Ahead::Runs(&self.runs(place, buffers.page, pages.is_some())));
        }
        Ok(())
    }

    /// What will be read of the group, and of the next one before its chunks.
    fn runs(&self, place: &Place<'_>, page: &[u8; BLOCK_BYTES], paged: bool) -> Vec<Run, { ROWS / 2 + 2 }> {
        let mut runs = Vec::new();
        let mut run = Run::default();
        for (chunk, frame) in frames(place, self.chunks.clone()) {
            let len = row(place, page, frame).map_or(0, |row| u32::try_from(row.carried_len()).unwrap_or(u32::MAX));
            if self.is_held(chunk) || self.may_be_elsewhere(frame) {
                if run.read > 0 {
                    // There is room: each run has a frame that is read and one that is not.
                    runs.push(core::mem::take(&mut run)).unwrap_or_default();
                }
                run.skip = run.skip.saturating_add(len);
            } else {
                run.read = run.read.saturating_add(len);
            }
        }
        let (geometry, next) = (&place.tree.geometry, self.chunks.end);
        if paged && next < geometry.chunks() {
            run.read = run.read.saturating_add(head_len(place, next));
        }
        runs.push(run).unwrap_or_default();
        runs
    }
}

/// What is read of a payload before its first chunk, as far as that is known.
pub(super) fn front(place: &Place<'_>) -> Run {
    let geometry = &place.tree.geometry;
    let levels = u32::try_from(geometry.shipped_bytes().get()).unwrap_or(u32::MAX);
    Run { skip: 0, read: levels.saturating_add(head_len(place, 0)) }
}

/// The chunks of the group that begins with `first`.
pub(super) fn chunks(place: &Place<'_>, first: u64) -> Range<u64> {
    first..first.saturating_add(place.frames.chunks_a_page()).min(place.tree.geometry.chunks())
}

/// The frames of these chunks, counted through the image, each with its chunk.
pub(super) fn frames(place: &Place<'_>, chunks: Range<u64>) -> impl Iterator<Item = (u64, u64)> {
    let (geometry, frames) = (place.tree.geometry, place.frames);
    chunks.flat_map(move |chunk| {
        (frames.before(chunk)..).take(count(frames, &geometry, chunk)).map(move |frame| (chunk, frame))
    })
}

fn count(frames: Frames, geometry: &Geometry, chunk: u64) -> usize {
    usize::try_from(frames.of_chunk(geometry, chunk)).unwrap_or(usize::MAX)
}

/// Bytes of the page and the hints before the chunks of the group that begins with `first`.
pub(super) fn head_len(place: &Place<'_>, first: u64) -> u32 {
    let hints = if place.is_hinted() { hints_len(place, first) } else { 0 };
    if place.is_paged() { PAGE.saturating_add(hints) } else { 0 }
}

/// Where a chunk's hints are among those of its group, which begins with `first`.
pub(super) fn hints_in(geometry: &Geometry, first: u64, chunk: u64) -> Option<Range<usize>> {
    let place = usize::try_from(chunk.checked_sub(first)?).ok()?;
    Some(hints_of(place, geometry.chunk_blocks(chunk)))
}

/// Where a frame's hints are, of those of its chunk.
pub(super) fn hints_of_frame(place: &Place<'_>, of_chunk: Range<usize>, frame: u64) -> Range<usize> {
    let len = usize::from(place.frames.blocks()).saturating_mul(hints::HINT_BYTES);
    let number = frame.checked_rem(place.frames.a_chunk()).and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
    let start = of_chunk.start.saturating_add(number.saturating_mul(len));
    start..start.saturating_add(len).min(of_chunk.end)
}

/// How the frame is carried; `page` is that of its group.
pub(super) fn row(place: &Place<'_>, page: &[u8; BLOCK_BYTES], frame: u64) -> Option<Row> {
    if place.is_paged() {
        return page::row(page, (place.payload, place.frames), frame);
    }
    // Without pages frames are chunks.
    Some(Row::Raw { len: u32::try_from(place.tree.geometry.chunk_len(frame)).ok()? })
}

/// Bytes of the hints of the group that begins with `first`.
fn hints_len(place: &Place<'_>, first: u64) -> u32 {
    let bytes = chunks(place, first).map(|chunk| hints_of(0, place.tree.geometry.chunk_blocks(chunk)).len());
    u32::try_from(bytes.fold(0, usize::saturating_add)).unwrap_or(u32::MAX)
}

/// Reads the page of the group that begins with `first`, and its hints where there is memory for them. Whether there is.
pub(super) fn read_page<R: Source, E>(
    pages: &mut PageChain<'_>,
    place: &Place<'_>,
    first: u64,
    source: &mut R,
    buffers: &mut Buffers<'_>,
) -> Result<bool, Error<E>> {
    source.read_exact(&mut buffers.page[..]).map_err(stream::lost)?;
    pages.accept(buffers.page).map_err(Error::Bundle)?;
    let Some(digest) = page::hints(buffers.page) else { return Ok(false) };
    let len = hints_len(place, first);
    let Some(hints) = usize::try_from(len).ok().and_then(|len| buffers.reuse.hints.get_mut(..len)) else {
        source.skip(len.into(), &mut buffers.block[..]).map_err(stream::lost)?;
        return Ok(false);
    };
    source.read_exact(hints).map_err(stream::lost)?;
    if Digest::of(&[hints]) != digest {
        return Err(Error::Bundle(Corrupt(Rule::Hints { page: page_of(place, first) })));
    }
    Ok(true)
}

/// The number of the page that has the rows of `chunk`.
pub(super) fn page_of(place: &Place<'_>, chunk: u64) -> u64 {
    chunk.checked_div(place.frames.chunks_a_page()).unwrap_or(0)
}

/// Whether the hints of a chunk are those of its blocks, whose digests `leaf` begins with.
pub(super) fn hints_are_right(hints: &[u8], leaf: &[u8; BLOCK_BYTES]) -> bool {
    let digests = (hints.len() / hints::HINT_BYTES).saturating_mul(crate::units::digest::DIGEST_BYTES);
    leaf.get(..digests).is_some_and(|digests| hints::are_of(hints, digests))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hundredth_chunk_has_its_bit() {
        let mut bits = Bits::default();
        bits.set(99);
        bits.set(0);
        assert!(bits.has(99) && bits.has(0) && !bits.has(98) && !bits.has(1) && !bits.has(500));
    }
}
