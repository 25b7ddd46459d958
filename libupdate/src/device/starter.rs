//! What a boot asks of its caller: the rules of the board, and how a slot is started.

use super::Listener;
use crate::boot::{Reason, Setback, Step};
use crate::bundle::Verified;
use crate::error::{Error, Misuse};
use crate::gpt::{Table, TriesLeft};
use crate::install::progress::Silent;
use crate::install::{self, Buffers};
use crate::io::{BlockIo, OutsideSlice, SliceDisk, Window};
use crate::slot::{Slot, SlotTable};
use crate::units::block::{BlockSize, ByteOffset, Extent, Lba};
use crate::units::bytes::len_u64;
use crate::units::digest::{BLOCK_BYTES, BlockHasher, Digest};
use crate::units::slot_id::SlotId;
use crate::units::time::UnixSeconds;
use crate::verity::Tree;

/// Who spends the try of a boot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Spender {
    /// This boot.
    #[default]
    ThisBoot,
    /// The boot loader before it has done so.
    BootLoader,
}

/// Who marks a trial good.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Marker {
    /// The slot's own system, once it is up.
    #[default]
    System,
    /// This boot, as soon as the slot starts; not if a person is asked.
    ThisBoot,
}

/// How a board boots.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BootRules<'r> {
    /// Who spends tries.
    pub spender: Spender,
    /// Who marks a trial good.
    pub marker: Marker,
    /// The slot that whoever started this boot has chosen, and spent a try of: only that one is tried.
    pub named: Option<SlotId>,
    /// Whether, if no slot boots, every block of each is read and the first one that is right starts.
    pub last_resort: bool,
    /// The role whose image is read in full before a slot starts: the one with the kernel.
    pub whole: Option<&'r str>,
}

/// What a slot starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start<T> {
    /// The slot's system: it runs from here on.
    System(T),
    /// The slot's own kernel, which has yet to run: the boot in it marks.
    Kernel(T),
}

/// A slot that may start.
#[derive(Debug)]
pub struct Sound<'s> {
    /// The slot.
    pub slot: &'s Slot<'s>,
    /// The bundle that its trailers hold.
    pub verified: &'s Verified<'s>,
    /// Where its images are, in the manifest's order.
    pub extents: &'s [Extent],
    /// Why it is tried.
    pub step: Step,
    /// Its tries as the disk has them now.
    pub tries_left: TriesLeft,
    /// Seconds that a person has to confirm the trial.
    pub confirm_within: Option<u32>,
    /// What an earlier boot of the same bundle left: why it was not marked good.
    pub earlier: Option<&'s Setback>,
}

/// Memory that [`Sound::load`] works with, after the image and its tree: pieces and hash blocks.
const LOAD_SCRATCH: usize = 4 * BLOCK_BYTES;

impl Sound<'_> {
    /// Bytes of memory that [`Sound::load`] takes for the payload of a role; `None` if the bundle has none.
    #[must_use]
    pub fn load_bytes(&self, role: &str) -> Option<usize> {
        let end = self.verified.manifest().payload(role)?.tree().geometry.end();
        usize::try_from(end.get()).ok()?.checked_add(LOAD_SCRATCH)
    }

    /// Reads a payload into memory, and checks every byte of it there: what was checked is what the caller starts. Each byte is read from
    /// the disk once. Gives the bytes of the image, at the front of `to`.
    ///
    /// # Errors
    /// The rule that was broken: no such payload, too little memory ([`Sound::load_bytes`]), a disk that cannot be read, a block that is
    /// wrong. What is in `to` then must not be used.
    pub fn load<D: BlockIo, H: BlockHasher>(
        &self,
        disk: &mut D,
        role: &str,
        to: &mut [u8],
        hasher: &mut H,
    ) -> Result<usize, Setback> {
        let corrupt = |what: &str| Setback::new(Reason::CORRUPTION, what);
        let payloads = self.verified.manifest().payloads().iter().zip(self.extents);
        let found = payloads.clone().find(|(payload, _)| payload.role().as_str() == role);
        let (payload, extent) = found.ok_or_else(|| corrupt("the bundle has no such payload"))?;
        let room = self.load_bytes(role).and_then(|bytes| to.get_mut(..bytes));
        let (held, scratch) = room
            .and_then(|room| room.split_at_mut_checked(room.len().saturating_sub(LOAD_SCRATCH)))
            .ok_or_else(|| corrupt("the payload is larger than the memory for it"))?;
        let unreadable = |error: Error<D::Error>| Setback::new(Reason::UNREADABLE, error);
        let mut window = Window::new(disk, *extent);
        let mut at = ByteOffset::new(0);
        for piece in held.chunks_mut(LOAD_PIECE) {
            window.read(at, piece).map_err(unreadable)?;
            at = at.plus(len_u64(piece)).ok_or_else(|| corrupt("the payload has no end"))?;
        }
        check_loaded(&payload.tree(), held, scratch, hasher)
            .map_err(|error| Setback::new(Reason::CORRUPTION, error))?;
        usize::try_from(payload.image_len().get()).map_err(|_| corrupt("the payload has no end"))
    }
}

/// One read of the disk while a payload is loaded.
const LOAD_PIECE: usize = 1 << 20;

/// Checks an image and its tree, which memory holds.
fn check_loaded<H: BlockHasher>(
    tree: &Tree<'_>,
    held: &mut [u8],
    scratch: &mut [u8],
    hasher: &mut H,
) -> Result<(), Error<OutsideSlice>> {
    let size = BlockSize::B4096;
    let last = len_u64(held).div_euclid(size.bytes_u64()).checked_sub(1);
    let extent = last.and_then(|last| Extent::new(Lba::new(0), Lba::new(last), size));
    let blocks = scratch.as_chunks_mut::<BLOCK_BYTES>().0;
    let (Some(extent), [data, leaf, block, page]) = (extent, blocks) else {
        return Err(Misuse::Buffer { needed: LOAD_SCRATCH, got: 0 }.into());
    };
    let mut memory = SliceDisk::new(held, size);
    let mut buffers = Buffers { data, carried: &mut [], leaf, block, page };
    install::read_back::image(&mut Window::new(&mut memory, extent), tree, &mut buffers, hasher, &mut Silent)
}

/// What only the caller can do: map and mount, load a kernel, or, in a laboratory, say yes.
pub trait Starter<D: BlockIo>: Listener {
    /// What a slot that starts is to the caller.
    type Started;

    /// Hears which slots there are, before any is tried.
    fn found(&mut self, _disk: &mut D, _table: &Table, _slots: &SlotTable<'_>) {}

    /// Starts the slot, or makes ready all that can fail in starting it. What a failed start began, it undoes.
    ///
    /// # Errors
    /// Why the slot does not start.
    fn start(&mut self, disk: &mut D, sound: &Sound<'_>) -> Result<Start<Self::Started>, Setback>;

    /// The time, for notes.
    fn now(&self) -> UnixSeconds {
        UnixSeconds::UNKNOWN
    }
}

/// A slot that started.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Booted<T> {
    /// Why it was tried.
    pub step: Step,
    /// Digest of the manifest of what it holds.
    pub manifest: Digest,
    /// What the starter made of it.
    pub started: Start<T>,
}
