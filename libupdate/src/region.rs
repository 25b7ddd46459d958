//! The trailer region of each partition of a slot: read, marked, and sealed.
//!
//! ```text
//!  trailer offset                +4096                                   +32768               +65536
//!  | mark, or trailer header and envelope ........................ | zero | verdict record | zero |
//! ```
//!
//! # Durability
//! [`begin`] replaces the trailer by the mark with one write of the region's first block, in a slot whose bits are already clear: a
//! cut leaves trailer, mark, or neither, and the slot boots in no case. [`seal`] replaces the mark by the trailer when all it speaks
//! of is durable: a cut leaves the mark, the trailer, or, where that block was torn, neither; then an installation runs again.

use crate::block::{ByteOffset, Extent};
use crate::bundle::Unverified;
use crate::bundle::trailer::{self, Mark, Verdict};
use crate::bytes::array;
use crate::digest::{BLOCK_BYTES, Digest};
use crate::error::{Corrupt, Error, NoSpace};
use crate::io::{self, BlockIo, Window};
use crate::limits::ENVELOPE_BYTES;

/// A block, as the region is read and written.
pub type Block = [u8; BLOCK_BYTES];

/// Whether the target is worth re-hashing before it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resume {
    /// It holds something else: every chunk is written.
    Fresh,
    /// An installation of this very bundle began, or ended, here.
    Rehash,
}

/// What the region of one partition holds.
#[derive(Debug)]
pub enum Region<'b> {
    /// Nothing that is valid.
    Nothing,
    /// An installation of this manifest is under way.
    Mark(Digest),
    /// A trailer whose checksum holds; its signatures are not checked yet.
    Trailer(Unverified<'b>),
}

/// Reads the region of one partition. `envelope` receives the trailer's bundle head.
///
/// # Errors
/// [`Error::Io`]; [`Error::Corrupt`] and [`Error::Incompatible`] where the trailer's checksum holds and its envelope is not one
/// that this updater reads; [`NoSpace::NoTrailerRegion`].
pub fn read<'b, D: BlockIo>(
    window: &mut Window<'_, D>,
    envelope: &'b mut [u8; ENVELOPE_BYTES],
    block: &mut Block,
) -> Result<Region<'b>, Error<D::Error>> {
    let start = offset(window.extent())?;
    window.read(start, block)?;
    if let Some(mark) = Mark::parse(block) {
        return Ok(Region::Mark(mark.digest()));
    }
    let Some(header) = trailer::Header::parse(block) else { return Ok(Region::Nothing) };
    let Some(target) = envelope.get_mut(..header.envelope_len()) else { return Ok(Region::Nothing) };
    let mut filled = 0_usize;
    for number in 0..BLOCKS {
        if number > 0 && filled < target.len() {
            window.read(at(start, number)?, block)?;
        }
        let from = if number == 0 { trailer::HEADER_BYTES } else { 0 };
        let rest = target.get_mut(filled..).unwrap_or_default();
        let source = block.get(from..).unwrap_or_default();
        let len = rest.len().min(source.len());
        rest.iter_mut().zip(source).for_each(|(to, byte)| *to = *byte);
        filled = filled.saturating_add(len);
    }
    let bytes: &'b [u8] = target;
    if !header.covers(bytes) {
        return Ok(Region::Nothing);
    }
    Ok(Region::Trailer(Unverified::parse(bytes)?))
}

/// The mark in the region of one partition, where there is one.
///
/// # Errors
/// [`Error::Io`], [`NoSpace::NoTrailerRegion`].
pub fn mark<D: BlockIo>(window: &mut Window<'_, D>, block: &mut Block) -> Result<Option<Digest>, Error<D::Error>> {
    window.read(offset(window.extent())?, block)?;
    Ok(Mark::parse(block).map(|mark| mark.digest()))
}

/// Whether the region of one partition holds exactly this envelope as its trailer.
///
/// # Errors
/// [`Error::Io`], [`NoSpace::NoTrailerRegion`].
pub fn holds<D: BlockIo>(
    window: &mut Window<'_, D>,
    envelope: &[u8],
    block: &mut Block,
    wanted: &mut Block,
) -> Result<bool, Error<D::Error>> {
    let start = offset(window.extent())?;
    for number in 0..BLOCKS {
        window.read(at(start, number)?, block)?;
        render(envelope, number, wanted);
        if block != wanted {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The verdict record of one partition, where it is valid.
///
/// # Errors
/// [`Error::Io`], [`NoSpace::NoTrailerRegion`].
pub fn verdict<D: BlockIo>(window: &mut Window<'_, D>, block: &mut Block) -> Result<Option<Verdict>, Error<D::Error>> {
    let start = offset(window.extent())?;
    window.read(start.plus(trailer::VERDICT_OFFSET).ok_or(NoSpace::NoTrailerRegion { size: window.extent().len() })?, block)?;
    Ok(Verdict::parse(block))
}

/// Writes the verdict record and flushes. Advisory: a cut leaves the old record, the new one, or none, and no boot depends on it.
///
/// # Errors
/// [`Error::Io`], [`NoSpace::NoTrailerRegion`].
pub fn write_verdict<D: BlockIo>(
    window: &mut Window<'_, D>,
    verdict: &Verdict,
    block: &mut Block,
) -> Result<(), Error<D::Error>> {
    let start = offset(window.extent())?;
    verdict.encode(block);
    window.write(start.plus(trailer::VERDICT_OFFSET).ok_or(NoSpace::NoTrailerRegion { size: window.extent().len() })?, block)?;
    window.flush()
}

/// Erases the trailers of a disarmed slot, writes the marks, and flushes. Says whether the target is worth re-hashing.
///
/// # Errors
/// [`Error::Io`], [`NoSpace::NoTrailerRegion`].
pub(crate) fn begin<D: BlockIo>(
    disk: &mut D,
    extents: &[Extent],
    (digest, envelope): (Digest, &[u8]),
    block: &mut Block,
    wanted: &mut Block,
) -> Result<Resume, Error<D::Error>> {
    let mark = Mark::new(digest);
    let mut resume = Resume::Fresh;
    for extent in extents {
        let mut window = Window::new(disk, *extent);
        let start = offset(*extent)?;
        window.read(start, block)?;
        let marked = Mark::parse(block).is_some_and(|found| found == mark);
        render(envelope, 0, wanted);
        let header = |block: &Block| array::<{ trailer::HEADER_BYTES }>(block, 0);
        if marked || header(block) == header(wanted) {
            resume = Resume::Rehash;
        }
        if marked {
            continue;
        }
        mark.encode(block);
        window.write(start, block)?;
        block.fill(0);
        for number in 1..BLOCKS {
            window.write(at(start, number)?, block)?;
        }
        let verdict = start.plus(trailer::VERDICT_OFFSET).ok_or(NoSpace::NoTrailerRegion { size: extent.len() })?;
        window.write(verdict, block)?;
    }
    io::flush(disk)?;
    Ok(resume)
}

/// Writes the trailers of a slot whose images are durable and read back; flushes, and reads them back.
///
/// # Errors
/// [`Error::Io`], [`Corrupt::TrailerReadBack`], [`NoSpace::NoTrailerRegion`].
pub(crate) fn seal<D: BlockIo>(
    disk: &mut D,
    extents: &[Extent],
    envelope: &[u8],
    block: &mut Block,
    wanted: &mut Block,
) -> Result<(), Error<D::Error>> {
    for extent in extents {
        let mut window = Window::new(disk, *extent);
        let start = offset(*extent)?;
        for number in (0..BLOCKS).rev() {
            render(envelope, number, wanted);
            window.write(at(start, number)?, wanted)?;
        }
    }
    io::flush(disk)?;
    for extent in extents {
        if !holds(&mut Window::new(disk, *extent), envelope, block, wanted)? {
            return Err(Corrupt::TrailerReadBack.into());
        }
    }
    Ok(())
}

/// Blocks that header and envelope take at most.
const BLOCKS: usize = (trailer::HEADER_BYTES + ENVELOPE_BYTES).div_ceil(BLOCK_BYTES);

/// Block `number` of the region, as a trailer with this envelope has it.
fn render(envelope: &[u8], number: usize, block: &mut Block) {
    block.fill(0);
    let mut rest: &mut [u8] = block;
    let mut bytes = envelope;
    if number == 0 {
        let (head, tail) = rest.split_at_mut_checked(trailer::HEADER_BYTES).unwrap_or_default();
        head.copy_from_slice(&trailer::Header::of(envelope).encode());
        rest = tail;
    } else {
        let before = number.saturating_mul(BLOCK_BYTES).saturating_sub(trailer::HEADER_BYTES);
        bytes = envelope.get(before..).unwrap_or_default();
    }
    rest.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
}

fn offset(extent: Extent) -> Result<ByteOffset, NoSpace> {
    trailer::offset(extent.len()).ok_or(NoSpace::NoTrailerRegion { size: extent.len() })
}

fn at(start: ByteOffset, number: usize) -> Result<ByteOffset, NoSpace> {
    let bytes = u64::try_from(number.saturating_mul(BLOCK_BYTES)).unwrap_or(u64::MAX);
    start.plus(bytes).ok_or(NoSpace::OutsidePartition { offset: start, len: bytes, size: crate::block::ByteLen::new(start.get()) })
}
