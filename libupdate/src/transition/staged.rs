//! A slot whose content is complete and read back: what arming asks for.

use heapless::Vec;

use crate::bundle::Verified;
use crate::gpt::EntryNumber;
use crate::units::block::{ByteLen, Extent};
use crate::units::limits::PAYLOADS;
use crate::units::slot_id::SlotId;

/// Bytes of all images of a bundle, and where they came from.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Sizes {
    /// All of them, in whole blocks.
    pub total: ByteLen,
    /// Those that were in the target already and were not written.
    pub kept: ByteLen,
    /// Those that came from other slots.
    pub reused: ByteLen,
}

/// A slot that holds a complete, read-back bundle with its trailers and cannot boot yet.
///
/// Made only by `install::filled` and [`install::restage`](crate::install::restage).
#[derive(Debug)]
#[must_use = "a staged slot does not boot until it is armed"]
pub struct Staged<'a> {
    verified: Verified<'a>,
    slot: SlotId,
    entry: EntryNumber,
    extents: Vec<Extent, PAYLOADS>,
    sizes: Sizes,
}

impl<'a> Staged<'a> {
    /// Whoever makes one has read all of it back.
    pub(crate) fn new(
        verified: Verified<'a>,
        (slot, entry): (SlotId, EntryNumber),
        extents: Vec<Extent, PAYLOADS>,
        sizes: Sizes,
    ) -> Self {
        Self { verified, slot, entry, extents, sizes }
    }

    /// The bundle.
    pub const fn verified(&self) -> &Verified<'a> {
        &self.verified
    }

    /// The slot.
    #[must_use]
    pub const fn slot(&self) -> SlotId {
        self.slot
    }

    /// The entry that carries the slot's bits.
    #[must_use]
    pub const fn entry(&self) -> EntryNumber {
        self.entry
    }

    /// Where each payload is, in the manifest's order.
    #[must_use]
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// Bytes of its images, and where they came from.
    #[must_use]
    pub const fn sizes(&self) -> Sizes {
        self.sizes
    }
}
