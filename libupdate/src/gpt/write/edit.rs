//! A change of one entry's slot bits, applied to bytes in memory.

use crate::BlockSize;
use crate::error::Misuse;
use crate::gpt::write::plan::Touched;
use crate::gpt::{ATTRIBUTES_AT, Attributes, ENTRY_BYTES, EntryNumber, EntryPlace, Guid, Header, SlotBits};
use crate::units::bytes::{put, u64_at};
use crate::units::limits::SLOTS;

/// What one entry's slot bits shall be. Every other bit of the entry stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edit {
    /// The entry.
    pub entry: EntryNumber,
    /// Its new slot bits.
    pub bits: SlotBits,
}

/// What the edits do to an array of entries.
#[derive(Default)]
pub(super) struct Changes {
    /// Blocks of the array that change, ascending.
    pub(super) touched: Touched,
    fault: Option<Misuse>,
}

impl Edit {
    /// Sets the bits in the entry's 128 bytes.
    fn apply(&self, raw: &mut [u8; ENTRY_BYTES]) {
        let word = Attributes::new(u64_at(raw, ATTRIBUTES_AT).unwrap_or_default());
        let word = word.with_slot_bits(self.bits).get();
        // 128 bytes hold the word, so that nothing is left out.
        put(raw, ATTRIBUTES_AT, &word.to_le_bytes()).unwrap_or_default();
    }

    /// The entry's bytes in a piece of the array that begins with entry `first`, counted from 0.
    fn find<'p>(&self, first: u32, piece: &'p mut [u8]) -> Option<&'p mut [u8; ENTRY_BYTES]> {
        let (entries, _) = piece.as_chunks_mut::<ENTRY_BYTES>();
        entries.get_mut(usize::try_from(self.entry.index().checked_sub(first)?).ok()?)
    }
}

/// Applies every edit that falls into this piece.
pub(super) fn apply(edits: &[Edit], first: u32, piece: &mut [u8]) {
    for edit in edits {
        if let Some(raw) = edit.find(first, piece) {
            edit.apply(raw);
        }
    }
}

impl Changes {
    /// Refuses what no table of this header can take.
    pub(super) fn new(edits: &[Edit], header: &Header, block_size: BlockSize) -> Result<Self, Misuse> {
        if edits.len() > SLOTS {
            return Err(Misuse::TooManyEdits);
        }
        for edit in edits {
            EntryPlace::new(edit.entry, header, block_size).ok_or(Misuse::NoSuchEntry { entry: edit.entry.get() })?;
        }
        Ok(Self::default())
    }

    /// Applies the edits to a piece and notes which blocks change.
    pub(super) fn take(
        &mut self,
        edits: &[Edit],
        header: &Header,
        block_size: BlockSize,
        first: u32,
        piece: &mut [u8],
    ) {
        for edit in edits {
            let Some(raw) = edit.find(first, piece) else { continue };
            if raw.starts_with(Guid::ZERO.as_bytes()) {
                self.fault = Some(Misuse::NoSuchEntry { entry: edit.entry.get() });
            }
            let before = *raw;
            edit.apply(raw);
            if before != *raw
                && let Some(place) = EntryPlace::new(edit.entry, header, block_size)
            {
                self.touch(place.block);
            }
        }
    }

    fn touch(&mut self, block: u64) {
        if let Err(at) = self.touched.binary_search(&block) {
            // `new` saw that there are no more edits than this has room for.
            self.touched.insert(at, block).unwrap_or_default();
        }
    }

    /// # Errors
    /// [`Misuse::NoSuchEntry`] where an edit falls on an unused entry.
    pub(super) fn finish(self) -> Result<Touched, Misuse> {
        self.fault.map_or(Ok(self.touched), Err)
    }
}
