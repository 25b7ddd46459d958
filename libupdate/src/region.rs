//! The trailer regions of a slot: marked when an installation begins, sealed when it is complete.
//!
//! ```text
//!  trailer offset             +12288        +32768    +36864     +40960      +65536
//!  | mark, or trailer .......... | not used ... | note    | question | not used . |
//! ```
//!
//! # Durability
//! The question to a person is `confirmation`'s: it is about one manifest, and is asked or taken back before that is armed.
//! `clear` runs on the slots of a new table, which have no bits: a cut leaves some of the records, and the same again erases the rest.
//! `forget` runs before a slot that failed gets the one try of a disarmed slot: a cut leaves a failed slot, or one that holds nothing.
//! `begin` destroys the trailer by writing the mark over its first block, in a slot whose bits are already clear: a cut leaves the
//! trailer, the mark, or neither, and the slot boots in no case. `seal` replaces the mark by the trailer when all that it speaks of
//! is durable, and `unseal` puts the mark back in a slot that is disarmed: a cut leaves the mark, the trailer, or, where that block was torn, neither; then an installation runs again.

pub mod boot_note;
pub mod confirmation;
pub mod trailer;

use crate::bundle::Verified;
use crate::error::{Corrupt, Error, Medium, NoSpace, Rule};
use crate::io::{self, BlockIo, Window};
use crate::region::boot_note::BootNote;
use crate::region::trailer::{BOOT_NOTE_OFFSET, CONFIRMATION_OFFSET, Mark, TRAILER_BLOCKS, trailer_offset};
use crate::slot::SlotTable;
use crate::units::block::{ByteOffset, Extent};
use crate::units::bytes::{all_zero, array};
use crate::units::digest::{BLOCK_BYTES, Digest};

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

/// What is in the first block of a region, as far as it is about one bundle.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Nothing about it.
    Nothing,
    /// Its mark.
    Mark,
    /// The beginning of its trailer.
    Trailer,
}

impl Left {
    fn of(block: &Block, (digest, envelope): (Digest, &[u8]), wanted: &mut Block) -> Result<Self, Corrupt> {
        // A torn trailer of this bundle still has its first 16 bytes: magic, length and checksum of this envelope.
        trailer::encode_block(envelope, 0, wanted)?;
        if Mark::parse(block) == Ok(Mark::new(digest)) {
            Ok(Self::Mark)
        } else if array::<16>(block, 0) == array::<16>(wanted, 0) {
            Ok(Self::Trailer)
        } else {
            Ok(Self::Nothing)
        }
    }
}

/// Erases every record that slots of a new table were found with: trailer, mark, verdict and question of each of their partitions, but
/// for the mark or trailer that an earlier run of the same provisioning left in the first slot. What is zero already is not written.
///
/// # Durability
/// Durable when it returns, once an earlier act has flushed what is zero already, as the making of the table does. The slots must have no
/// bits: see the module.
/// # Errors
/// [`Error::Medium`].
pub fn clear<D: BlockIo>(
    disk: &mut D,
    slots: &SlotTable<'_>,
    coming: &Verified<'_>,
    [block, wanted]: [&mut Block; 2],
) -> Result<(), Error<D::Error>> {
    let mut written = false;
    for (number, slot) in slots.slots().iter().enumerate() {
        for extent in slot.partitions.iter().map(|partition| partition.extent) {
            let Some(start) = trailer_offset(extent.len()) else { continue };
            let mut window = Window::new(disk, extent);
            read_or_blank(&mut window, start, block)?;
            let left = Left::of(block, (coming.digest(), coming.envelope()), wanted).map_err(Error::Bundle)?;
            let kept = if number == 0 && left != Left::Nothing { TRAILER_BLOCKS } else { 0 };
            for at in records(start, kept) {
                written |= wipe(&mut window, at, block)?;
            }
        }
    }
    if written { io::flush(disk) } else { Ok(()) }
}

/// The blocks of a region that may hold a record, except the first `kept` of its trailer.
fn records(start: ByteOffset, kept: usize) -> impl Iterator<Item = ByteOffset> {
    let words = [BOOT_NOTE_OFFSET, CONFIRMATION_OFFSET].into_iter().filter_map(move |offset| start.plus(offset));
    (kept..TRAILER_BLOCKS).map(move |number| nth(start, number)).chain(words)
}

/// Writes zeros over a block that does not hold them. Says whether it wrote.
fn wipe<D: BlockIo>(window: &mut Window<'_, D>, at: ByteOffset, block: &mut Block) -> Result<bool, Error<D::Error>> {
    match window.read(at, block) {
        Ok(()) if all_zero(block) => return Ok(false),
        // What a cut made unreadable is readable again when it is written.
        Ok(()) | Err(Error::Medium(Medium::Failed(_))) => block.fill(0),
        Err(error) => return Err(error),
    }
    window.write(at, block).map(|()| true)
}

/// What a cut made unreadable is no record; it is written later, and readable again after that.
fn read_or_blank<D: BlockIo>(
    window: &mut Window<'_, D>,
    at: ByteOffset,
    block: &mut Block,
) -> Result<(), Error<D::Error>> {
    match window.read(at, block) {
        Err(Error::Medium(Medium::Failed(_))) => {
            block.fill(0);
            Ok(())
        }
        other => other,
    }
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
        read_or_blank(&mut window, start, block)?;
        let left = Left::of(block, (digest, envelope), wanted).map_err(Error::Bundle)?;
        if left != Left::Nothing {
            resume = Resume::Rehash;
        }
        if left != Left::Mark {
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
            Err(Error::Medium(Medium::Failed(_))) => continue,
            other => other?,
        }
        if !trailer::begins(block) {
            continue;
        }
        let found = array::<16>(block, 0);
        trailer::encode_block(envelope, 0, block).map_err(Error::Bundle)?;
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

/// Makes the trailers of a disarmed slot marks of the same bundle, and flushes: what the slot holds is worth re-hashing, and no more.
pub(crate) fn unseal<D: BlockIo>(
    disk: &mut D,
    extents: &[Extent],
    manifest: Digest,
    block: &mut Block,
) -> Result<(), Error<D::Error>> {
    for extent in extents {
        let mut window = Window::new(disk, *extent);
        let start = start(*extent)?;
        Mark::new(manifest).encode(block);
        erase(&mut window, start, block)?;
    }
    io::flush(disk)
}

/// Writes `block` where trailer or mark begins, and zeros over the rest of a trailer and over the verdict.
fn erase<D: BlockIo>(window: &mut Window<'_, D>, start: ByteOffset, block: &mut Block) -> Result<(), Error<D::Error>> {
    window.write(start, block)?;
    block.fill(0);
    for number in 1..TRAILER_BLOCKS {
        window.write(nth(start, number), block)?;
    }
    BootNote::erase(window, block)
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
            return Err(Error::Medium(Medium::NotKept(Corrupt(Rule::TrailerReadBack))));
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
        trailer::encode_block(envelope, number, wanted).map_err(Error::Bundle)?;
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
