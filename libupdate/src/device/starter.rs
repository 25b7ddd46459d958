//! What a boot asks of its caller: the rules of the board, and how a slot is started.

use super::{Listener, load};
use crate::boot::{Setback, Step};
use crate::bundle::Verified;
use crate::error::Error;
#[cfg(doc)]
use crate::error::Misuse;
use crate::gpt::{Table, TriesLeft};
use crate::io::BlockIo;
use crate::slot::{Slot, SlotTable};
use crate::units::block::Extent;
use crate::units::digest::{BlockHasher, Digest};
use crate::units::slot_id::SlotId;
use crate::units::time::UnixSeconds;

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
    /// Whether whoever named a slot names it again in each boot. If it does not start, every block of the good ones is read, and the first
    /// one that is right starts; one that is out of the boot order does not start while another is good. A slot on trial is counted by
    /// whoever named it.
    pub insists: bool,
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

impl Sound<'_> {
    /// Bytes of memory that [`Sound::load`] takes for the payload of a role; `None` if the bundle has none.
    #[must_use]
    pub fn load_bytes(&self, role: &str) -> Option<usize> {
        load::bytes(self.verified, role)
    }

    /// Reads a payload into memory, and checks every byte of it there: what was checked is what the caller starts. Each byte is read from
    /// the disk once. Gives the bytes of the image, at the front of `to`.
    ///
    /// # Errors
    /// [`Misuse::Role`] if the bundle has no such payload, [`Misuse::Buffer`] for less memory than [`Sound::load_bytes`] says,
    /// [`Error::Medium`], [`Error::Slot`] for a block that is wrong. What is in `to` then must not be used.
    pub fn load<D: BlockIo, H: BlockHasher>(
        &self,
        disk: &mut D,
        role: &str,
        to: &mut [u8],
        hasher: &mut H,
    ) -> Result<usize, Error<D::Error>> {
        load::payload(disk, (self.verified, self.extents), role, to, hasher)
    }
}

/// What only the caller can do: map and mount, load a kernel, or, in a laboratory, say yes.
pub trait Starter<D: BlockIo>: Listener {
    /// What a slot that starts is to the caller.
    type Started;

    /// Hears which slots there are, before any is tried.
    fn found(&mut self, _disk: &mut D, _table: &Table, _slots: &SlotTable<'_>) {}

    /// Whether the slot could start at all, as far as that can be known before its try is spent, from a block or two. What this reads may hang, and no
    /// try would end that, so most callers know nothing. A slot that is refused here is passed over, and nothing of it is written.
    ///
    /// # Errors
    /// Why it cannot start, whatever is done to the slot.
    fn may_start(&mut self, _disk: &mut D, _slot: &Slot<'_>) -> Result<(), Setback> {
        Ok(())
    }

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
