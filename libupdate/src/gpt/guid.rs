//! A GUID as it stands on disk, and its text.
//!
//! ```text
//!  disk  5d 2a 3a fe 32 4f a7 41 b7 25 ac cc 32 85 a3 09        first three groups little-endian, the rest as read
//!  text  fe3a2a5d-4f32-41a7-b725-accc3285a309
//! ```
//!
//! ```
//! # use libupdate::gpt::Guid;
//! let kernel = Guid::parse("FE3A2A5D-4F32-41A7-B725-ACCC3285A309").unwrap();
//! assert_eq!(kernel.as_bytes()[..4], [0x5d, 0x2a, 0x3a, 0xfe]);
//! assert_eq!(kernel.to_string(), "fe3a2a5d-4f32-41a7-b725-accc3285a309");
//! ```

use core::fmt;

/// Where in the text the two digits of each byte on disk stand.
const TEXT_PLACES: [usize; 16] = [6, 4, 2, 0, 11, 9, 16, 14, 19, 21, 24, 26, 28, 30, 32, 34];
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
const TEXT_LEN: usize = 36;

/// A GUID: of a disk, a partition, or a partition's type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid([u8; 16]);

impl Guid {
    /// All zero: as a type, the mark of an unused entry.
    pub const ZERO: Self = Self([0; 16]);

    /// Wraps the bytes in their order on disk.
    #[must_use]
    pub const fn new(disk_order: [u8; 16]) -> Self {
        Self(disk_order)
    }

    /// Reads the usual text, upper or lower case. `None` where it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() != TEXT_LEN || HYPHENS.iter().any(|at| text.get(*at) != Some(&b'-')) {
            return None;
        }
        let mut bytes = [0; 16];
        for (byte, at) in bytes.iter_mut().zip(TEXT_PLACES) {
            let [high, low] = crate::units::bytes::array(text, at)?;
            *byte = hex_digit(high)? << 4 | hex_digit(low)?;
        }
        Some(Self(bytes))
    }

    /// The bytes in their order on disk.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

fn hex_digit(character: u8) -> Option<u8> {
    char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a3, a2, a1, a0, b1, b0, c1, c0, d0, d1, node @ ..] = self.0;
        write!(f, "{a0:02x}{a1:02x}{a2:02x}{a3:02x}-{b0:02x}{b1:02x}-{c0:02x}{c1:02x}-{d0:02x}{d1:02x}-")?;
        node.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString as _;

    /// ChromeOS's kernel type, bytes as `cgpt` writes them.
    #[test]
    fn text_and_disk_order_agree() {
        let text = "fe3a2a5d-4f32-41a7-b725-accc3285a309";
        let bytes = [0x5d, 0x2a, 0x3a, 0xfe, 0x32, 0x4f, 0xa7, 0x41, 0xb7, 0x25, 0xac, 0xcc, 0x32, 0x85, 0xa3, 0x09];
        assert_eq!(Guid::parse(text), Some(Guid::new(bytes)));
        assert_eq!(Guid::parse(&text.to_uppercase()), Some(Guid::new(bytes)));
        assert_eq!(Guid::new(bytes).to_string(), text);
    }

    #[test]
    fn what_is_no_guid_is_refused() {
        for text in [
            "",
            "fe3a2a5d-4f32-41a7-b725-accc3285a30",
            "fe3a2a5d-4f32-41a7-b725-accc3285a3099",
            "fe3a2a5d04f32-41a7-b725-accc3285a309",
            "ge3a2a5d-4f32-41a7-b725-accc3285a309",
            "+e3a2a5d-4f32-41a7-b725-accc3285a309",
            "fe3a2a5d-4f32-41a7-b725-accc3285a3\u{e9}",
        ] {
            assert_eq!(Guid::parse(text), None, "{text}");
        }
    }
}
