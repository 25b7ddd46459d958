//! The attribute word of a GPT entry, and the slot bits in it.
//!
//! ```text
//!  63  62  61  60  59  58  57 | 56 | 55 .. 52 | 51 .. 48 | 47 ................ 0
//!      foreign, kept          |  S | T tries  | P prio   |  foreign, kept
//! ```
//!
//! 1. Priority P: 0 never boots, higher boots first.
//! 2. Tries left T: boots this slot has left.
//! 3. Successful S: the slot has completed a boot since it was written.
//! 4. Every other bit belongs to somebody else (57: ChromeOS's error counter; 59, 60, 63: the Discoverable Partitions
//!    specification) and survives each change.

/// Priority of a slot, 0 to 15; 0 never boots.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Priority(u8);

/// Boots that a slot has left, 0 to 15.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct TriesLeft(u8);

/// Whether a slot has completed a boot since it was written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub enum Successful {
    /// Not yet.
    #[default]
    No,
    /// At least once.
    Yes,
}

macro_rules! nibble {
    ($name:ident) => {
        impl $name {
            /// The least value.
            pub const ZERO: Self = Self(0);
            /// The greatest value.
            pub const MAX: Self = Self(15);

            /// The value, or `None` if it does not fit four bits: never wrapped.
            #[must_use]
            pub const fn new(value: u8) -> Option<Self> {
                if value <= 15 { Some(Self(value)) } else { None }
            }

            /// The value, 0 to 15.
            #[must_use]
            pub const fn get(self) -> u8 {
                self.0
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}
nibble!(Priority);
nibble!(TriesLeft);

impl TriesLeft {
    /// One boot.
    pub const ONE: Self = Self(1);
    /// The most that one decimal digit counts.
    pub const NINE: Self = Self(9);

    /// One fewer, or `None` if none is left.
    #[must_use]
    pub const fn spent(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(left) => Some(Self(left)),
            None => None,
        }
    }
}

/// The three fields that decide whether and when a slot boots.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct SlotBits {
    /// Higher boots first, 0 never.
    pub priority: Priority,
    /// Boots left.
    pub tries_left: TriesLeft,
    /// Whether it has completed one.
    pub successful: Successful,
}

/// The 64 attribute bits of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Attributes(u64);

const PRIORITY_SHIFT: u32 = 48;
const TRIES_SHIFT: u32 = 52;
const SUCCESSFUL_SHIFT: u32 = 56;
/// Bits 48 to 56: the ones that are ours to change.
const OURS: u64 = 0x01ff << PRIORITY_SHIFT;

impl Attributes {
    /// Wraps the word.
    #[must_use]
    pub const fn new(word: u64) -> Self {
        Self(word)
    }

    /// The word, as the entry has it.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The slot bits.
    #[must_use]
    pub fn slot_bits(self) -> SlotBits {
        SlotBits {
            priority: Priority(nibble_at(self.0, PRIORITY_SHIFT)),
            tries_left: TriesLeft(nibble_at(self.0, TRIES_SHIFT)),
            successful: if self.0 & (1 << SUCCESSFUL_SHIFT) == 0 { Successful::No } else { Successful::Yes },
        }
    }

    /// The same word with other slot bits; touches memory only.
    #[must_use]
    pub fn with_slot_bits(self, bits: SlotBits) -> Self {
        let successful = u64::from(bits.successful == Successful::Yes) << SUCCESSFUL_SHIFT;
        let tries = u64::from(bits.tries_left.0) << TRIES_SHIFT;
        let priority = u64::from(bits.priority.0) << PRIORITY_SHIFT;
        Self((self.0 & !OURS) | successful | tries | priority)
    }
}

#[expect(clippy::as_conversions, reason = "the mask leaves four bits")]
const fn nibble_at(word: u64, shift: u32) -> u8 {
    ((word >> shift) & 0xf) as u8
}
