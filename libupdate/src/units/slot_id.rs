//! The name of a slot.

use core::fmt;

use crate::units::limits::SLOTS;

/// A slot: `a`, `b`, and further letters where a profile has more than two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SlotId(u8);

impl SlotId {
    /// The first slot.
    pub const A: Self = Self(0);
    /// The second slot.
    pub const B: Self = Self(1);

    /// The slot of number `index` in the profile, from 0. `None` past the bound of slots.
    #[must_use]
    pub fn from_index(index: usize) -> Option<Self> {
        if index < SLOTS { u8::try_from(index).ok().map(Self) } else { None }
    }

    /// The slot whose name is this one letter.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name.as_bytes() {
            [letter] => Self::from_index(usize::from(letter.checked_sub(b'a')?)),
            _ => None,
        }
    }

    /// Number in the profile, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The slot's letter.
    #[must_use]
    pub fn letter(self) -> char {
        char::from(b'a'.saturating_add(self.0))
    }
}

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.letter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree() {
        assert_eq!(SlotId::from_name("a"), Some(SlotId::A));
        assert_eq!(SlotId::from_name("b"), SlotId::from_index(1));
        assert_eq!(SlotId::from_name("h").map(SlotId::letter), Some('h'));
        assert_eq!(SlotId::from_name("i"), None);
        assert_eq!(SlotId::from_name("ab"), None);
        assert_eq!(SlotId::from_name(""), None);
    }
}
