//! A payload in memory, every byte of it checked there: what firmware starts.
//!
//! ```text
//!  partition   image | superblock, hash tree | ..   ── read once ──►   memory   image | superblock, hash tree | scratch
//!                                                                               └── checked against the signed root hash
//! ```

use super::{Device, Room};
use crate::boot::unfit;
use crate::bundle::Verified;
use crate::error::{Corrupt, Error, Medium, Misuse, Rejected, Rule};
use crate::gpt::{SlotBits, Successful};
use crate::inspect::{self, SlotTrailer};
use crate::install::progress::Silent;
use crate::install::{self, Buffers};
use crate::io::{BlockIo, SliceDisk, Window};
use crate::units::block::{BlockSize, ByteOffset, Extent, Lba};
use crate::units::bytes::len_u64;
use crate::units::digest::{BLOCK_BYTES, BlockHasher};
use crate::units::slot_id::SlotId;
use crate::verity::Tree;

/// Memory after the image and its tree: a piece of the image and three hash blocks.
const SCRATCH: usize = 4 * BLOCK_BYTES;
/// One read of the disk.
const PIECE: usize = 1 << 20;

impl<'p, D: BlockIo> Device<'_, 'p, D> {
    /// Authenticates what a slot holds, holds a slot on trial to the floor of its rollback index, reads the payload of a role into memory, and checks every byte of it there. For a boot loader that
    /// has chosen, and spent the try before. Gives the bytes of the image, at the front of `to`.
    ///
    /// # Errors
    /// [`Error::Slot`] names the rule of the trailer, or the block that is wrong; [`Rejected::RollbackIndex`] for a slot on trial that is older
    /// than every good one; [`Misuse::Role`], [`Misuse::Buffer`] for `to`; [`Error::Medium`]. What is in `to` then must not be used.
    pub fn load<H: BlockHasher>(
        &mut self,
        slot: SlotId,
        role: &str,
        to: &mut [u8],
        room: &mut Room<'p>,
        hasher: &mut H,
    ) -> Result<usize, Error<D::Error>> {
        self.find_again(&mut room.slots)?;
        let floor = self.lowest_index_beside(slot, room)?;
        let Room { slots, trailer, block, page, .. } = room;
        let place = slots.get(slot)?;
        match inspect::trailer(self.disk, place, &self.board.view, trailer, [&mut *block, &mut *page])? {
            SlotTrailer::Valid(verified, extents) => {
                let found = verified.manifest().rollback_index();
                if place.bits().successful == Successful::No && unfit::above(found, floor).is_err() {
                    return Err(Rejected::RollbackIndex { found, floor }.into());
                }
                payload(self.disk, (&verified, &extents), role, to, hasher)
            }
            SlotTrailer::NotAuthentic(kind) => Err(Error::Slot(kind)),
            SlotTrailer::Nothing | SlotTrailer::Mark(_) => Err(Error::Slot(Corrupt(Rule::TrailerMissing))),
        }
    }
}

impl<'p, D: BlockIo> Device<'_, 'p, D> {
    /// The lowest rollback index of another good slot, 0 if there is none: what `Facts` would say, with no more code than a boot loader has.
    fn lowest_index_beside(&mut self, slot: SlotId, room: &mut Room<'p>) -> Result<u64, Error<D::Error>> {
        let Room { slots, trailer, block, page, .. } = room;
        // Without another good slot every index is high enough.
        let (mut lowest, mut found_one) = (u64::MAX, false);
        let good = |bits: SlotBits| bits.priority.get() > 0 && bits.successful == Successful::Yes;
        for other in slots.slots().iter().filter(|other| other.id != slot && good(other.bits())) {
            let found = inspect::trailer(self.disk, other, &self.board.view, trailer, [&mut *block, &mut *page])?;
            if let SlotTrailer::Valid(verified, _) = found {
                lowest = lowest.min(verified.manifest().rollback_index());
                found_one = true;
            }
        }
        Ok(if found_one { lowest } else { 0 })
    }
}

/// Bytes of memory that [`payload`] takes; `None` if the bundle has none of this role.
pub(super) fn bytes(verified: &Verified<'_>, role: &str) -> Option<usize> {
    let end = verified.manifest().payload(role)?.tree().geometry.end();
    usize::try_from(end.get()).ok()?.checked_add(SCRATCH)
}

/// Reads a payload and checks it where it is.
#[inline(never)]
pub(super) fn payload<D: BlockIo, H: BlockHasher>(
    disk: &mut D,
    (verified, extents): (&Verified<'_>, &[Extent]),
    role: &str,
    to: &mut [u8],
    hasher: &mut H,
) -> Result<usize, Error<D::Error>> {
    let mut payloads = verified.manifest().payloads().iter().zip(extents);
    let (payload, extent) = payloads.find(|(payload, _)| payload.role().as_str() == role).ok_or(Misuse::Role)?;
    let (needed, got) = (bytes(verified, role).ok_or(Misuse::Role)?, to.len());
    let room = to.get_mut(..needed).ok_or(Misuse::Buffer { needed, got })?;
    let (held, scratch) = room.split_at_mut(needed.saturating_sub(SCRATCH));
    let mut window = Window::new(disk, *extent);
    let mut at = ByteOffset::new(0);
    for piece in held.chunks_mut(PIECE) {
        window.read(at, piece)?;
        at = at.plus(len_u64(piece)).ok_or(Misuse::Role)?;
    }
    check(&payload.tree(), held, scratch, hasher)?;
    usize::try_from(payload.image_len().get()).map_err(|_| Misuse::Role.into())
}

/// Checks an image and its tree, which memory holds.
fn check<E, H: BlockHasher>(
    tree: &Tree<'_>,
    held: &mut [u8],
    scratch: &mut [u8],
    hasher: &mut H,
) -> Result<(), Error<E>> {
    let size = BlockSize::B4096;
    let last = len_u64(held).div_euclid(size.bytes_u64()).checked_sub(1);
    let extent = last.and_then(|last| Extent::new(Lba::new(0), Lba::new(last), size));
    let blocks = scratch.as_chunks_mut::<BLOCK_BYTES>().0;
    let (Some(extent), [data, leaf, block, page]) = (extent, blocks) else { return Err(Misuse::Role.into()) };
    let mut memory = SliceDisk::new(held, size);
    let mut buffers = Buffers::new(data, [leaf, block, page]);
    let checked =
        install::read_back::image(&mut Window::new(&mut memory, extent), tree, &mut buffers, hasher, &mut Silent);
    match checked {
        Ok(()) => Ok(()),
        // Memory does not fail: an access outside it means that the image is not where the tree says.
        Err(Error::Medium(Medium::Failed(_) | Medium::NotKept(_))) => Err(Misuse::Role.into()),
        Err(Error::Slot(kind) | Error::Bundle(kind)) => Err(Error::Slot(kind)),
        Err(_) => Err(Misuse::Role.into()),
    }
}
