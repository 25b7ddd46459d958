//! A GUID as it is on disk, and its text.
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
//!
//! // In a constant, a text that is no GUID does not compile.
//! const KERNEL: Guid = libupdate::guid!("fe3a2a5d-4f32-41a7-b725-accc3285a309");
//! assert_eq!(kernel, KERNEL);
//! ```
//!
//! ```compile_fail,E0080
//! let kernel = libupdate::guid!("fe3a2a5d-4f32-41a7-b725");
//! ```

use core::fmt;

/// Where in the text the two digits of each byte on disk are.
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

    /// Reads the usual text, 36 characters in upper or lower case. `None` if it is not one. For a text in the source there is
    /// [`guid!`](crate::guid!).
    #[must_use]
    pub const fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() != TEXT_LEN {
            return None;
        }
        let mut hyphens = HYPHENS.as_slice();
        while let [place, later @ ..] = hyphens {
            let Some((b'-', _)) = pair(text, *place) else { return None };
            hyphens = later;
        }
        let mut bytes = [0; 16];
        let mut empty: &mut [u8] = &mut bytes;
        let mut places = TEXT_PLACES.as_slice();
        while let ([byte, more @ ..], [place, later @ ..]) = (empty, places) {
            let Some((high, low)) = pair(text, *place) else { return None };
            let (Some(high), Some(low)) = (hex_digit(high), hex_digit(low)) else { return None };
            *byte = high << 4 | low;
            empty = more;
            places = later;
        }
        Some(Self(bytes))
    }

    /// The bytes in their order on disk.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// A [`Guid`] from its text, at compile time: `guid!("0fc63daf-8483-4772-8e79-3d69d8477de4")`.
#[macro_export]
macro_rules! guid {
    ($text:expr) => {
        const {
            match $crate::gpt::Guid::parse($text) {
                Some(guid) => guid,
                None => panic!("not the text of a GUID"),
            }
        }
    };
}

/// The byte at `place`, and the next.
const fn pair(text: &[u8], place: usize) -> Option<(u8, u8)> {
    match text.split_at_checked(place) {
        Some((_, [first, second, ..])) => Some((*first, *second)),
        _ => None,
    }
}

const fn hex_digit(character: u8) -> Option<u8> {
    Some(match character {
        b'0'..=b'9' => character.wrapping_sub(b'0'),
        b'a'..=b'f' => character.wrapping_sub(b'a').wrapping_add(10),
        b'A'..=b'F' => character.wrapping_sub(b'A').wrapping_add(10),
        _ => return None,
    })
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
