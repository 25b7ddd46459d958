//! The trailer regions of a slot: marked when an installation begins, sealed when it is complete.
//!
//! ```text
//!  trailer offset             +12288        +32768    +36864     +40960      +65536
//!  | mark, or trailer .......... | zero ....... | verdict | question | zero ..... |
//! ```
//!
//! # Durability
//! The question to a person is `word`'s: it is about one manifest, and is asked or taken back before that is armed.
//! `forget` runs before a slot that failed gets the one try of a disarmed slot: a cut leaves a failed slot, or one that holds nothing.
//! `begin` destroys the trailer by writing the mark over its first block, in a slot whose bits are already clear: a cut leaves the
//! trailer, the mark, or neither, and the slot boots in no case. `seal` replaces the mark by the trailer when all that it speaks of
//! is durable: a cut leaves the mark, the trailer, or, where that block was torn, neither; then an installation runs again.

use crate::block::{ByteOffset, Extent};
use crate::bundle::trailer::{self, Mark, TRAILER_BLOCKS, trailer_offset};
use crate::bundle::verdict::Verdict;
use crate::bytes::array;
use crate::digest::{BLOCK_BYTES, Digest};
use crate::error::{Corrupt, Error, NoSpace};
use crate::io::{self, BlockIo, Window};

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

/// Erases the trailers of a disarmed slot, writes the marks, and flushes. Says whether the target is worth re-hashing.
pub(crate) fn begin<D: BlockIo>(
    disk: &mut D,
    extents: &[Extent],
    (digest, envelope): (Digest, &[u8]),
    [block, wanted]: [&mut Block; 2],
) -> Result<Resume, Error<D::Error>> {
    let mark = Mark::new(digest);
    let mut resume = Resume::Fresh;
    for extent in extents {
        let mut window = Window::new(disk, *extent);
        let start = start(*extent)?;
        // What a cut made unreadable is no mark; it is written below, and readable again after that.
        match window.read(start, block) {
            Err(Error::Io(_)) => block.fill(0),
            other => other?,
        }
        let marked = Mark::parse(block) == Ok(mark);
        // A torn trailer of this bundle still has its first 16 bytes: magic, length and checksum of this envelope.
        trailer::encode_block(envelope, 0, wanted)?;
        if marked || array::<16>(block, 0) == array::<16>(wanted, 0) {
            resume = Resume::Rehash;
        }
        if !marked {
            mark.encode(block);
            erase(&mut window, start, block)?;
        }
    }
    io::flush(disk)?;
    Ok(resume)
}

/// Erases the trailers of a slot that is out of the boot order and never completed a boot, so that no cut makes a failure look like a
/// complete slot that was never tried. Flushes if it wrote. A trailer of this very bundle becomes its mark.
pub(crate) fn forget<D: BlockIo>(
    disk: &mut D,
    extents: &[Extent],
    (digest, envelope): (Digest, &[u8]),
    block: &mut Block,
) -> Result<(), Error<D::Error>> {
    let mut wrote = false;
    for extent in extents {
        let mut window = Window::new(disk, *extent);
        let start = start(*extent)?;
        match window.read(start, block) {
            // What cannot be read is no trailer.
            Err(Error::Io(_)) => continue,
            other => other?,
        }
        if !trailer::begins(block) {
            continue;
        }
        let found = array::<16>(block, 0);
        trailer::encode_block(envelope, 0, block)?;
        if array(block, 0) == found {
            Mark::new(digest).encode(block)
        } else {
            block.fill(0)
        }
        erase(&mut window, start, block)?;
        wrote = true;
    }
    if wrote { io::flush(disk) } else { Ok(()) }
}

/// Writes `block` where trailer or mark begins, and zeros over the rest of a trailer and over the verdict.
fn erase<D: BlockIo>(window: &mut Window<'_, D>, start: ByteOffset, block: &mut Block) -> Result<(), Error<D::Error>> {
    window.write(start, block)?;
    block.fill(0);
    for number in 1..TRAILER_BLOCKS {
        window.write(nth(start, number), block)?;
    }
    Verdict::erase(window, block)
}

/// Writes the trailers of a slot whose images are durable and read back; flushes, and reads them back.
pub(crate) fn seal<D: BlockIo>(
    disk: &mut D,
    extents: &[Extent],
    envelope: &[u8],
    [block, wanted]: [&mut Block; 2],
) -> Result<(), Error<D::Error>> {
    for extent in extents {
        trailer::write(&mut Window::new(disk, *extent), envelope, block)?;
    }
    io::flush(disk)?;
    for extent in extents {
        if !holds(&mut Window::new(disk, *extent), envelope, [&mut *block, &mut *wanted])? {
            return Err(Corrupt::TrailerReadBack.into());
        }
    }
    Ok(())
}

/// Whether the region of one partition holds exactly this envelope as its trailer.
pub(crate) fn holds<D: BlockIo>(
    window: &mut Window<'_, D>,
    envelope: &[u8],
    [block, wanted]: [&mut Block; 2],
) -> Result<bool, Error<D::Error>> {
    let start = start(window.extent())?;
    for number in 0..TRAILER_BLOCKS {
        window.read(nth(start, number), block)?;
        trailer::encode_block(envelope, number, wanted)?;
        if block != wanted {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The mark in the region of one partition, where there is one.
pub(crate) fn mark<D: BlockIo>(
    window: &mut Window<'_, D>,
    block: &mut Block,
) -> Result<Option<Digest>, Error<D::Error>> {
    window.read(start(window.extent())?, block)?;
    Ok(Mark::parse(block).ok().map(|mark| mark.manifest()))
}

fn start(extent: Extent) -> Result<ByteOffset, NoSpace> {
    trailer_offset(extent.len()).ok_or(NoSpace::NoTrailerRegion { size: extent.len() })
}

fn nth(start: ByteOffset, number: usize) -> ByteOffset {
    // `number` is below `TRAILER_BLOCKS` and `start` 64 KiB before the partition's end, so nothing saturates.
    let bytes = u64::try_from(number.saturating_mul(BLOCK_BYTES)).unwrap_or(u64::MAX);
    ByteOffset::new(start.get().saturating_add(bytes))
}
