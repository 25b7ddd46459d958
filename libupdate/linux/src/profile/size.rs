//! Sizes as a profile writes them.

use std::fmt;

use libupdate::ByteLen;
use serde::Deserialize;

/// Sizes are whole data blocks, so that no partition has a tail that is never used.
const BLOCK: u64 = 4096;

/// How large a partition is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub enum Size {
    /// So many bytes.
    Bytes(ByteLen),
    /// What the others leave.
    Rest,
}

/// A text that is no size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotASize;

impl TryFrom<String> for Size {
    type Error = NotASize;

    fn try_from(text: String) -> Result<Self, NotASize> {
        if text == "rest" {
            return Ok(Self::Rest);
        }
        parse_bytes(&text)
            .filter(|bytes| bytes.is_multiple_of(BLOCK) && *bytes > 0)
            .map(|bytes| Self::Bytes(ByteLen::new(bytes)))
            .ok_or(NotASize)
    }
}

/// "512M" and the like, powers of 1024; digits alone are bytes. `None` for anything else and past 64 bits.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'K' => (text.strip_suffix('K')?, 10_u32),
        b'M' => (text.strip_suffix('M')?, 20),
        b'G' => (text.strip_suffix('G')?, 30),
        b'T' => (text.strip_suffix('T')?, 40),
        _ => (text, 0),
    };
    // `parse` would take a sign.
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

impl fmt::Display for NotASize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a size: \"rest\", or whole 4096-byte blocks as in \"512M\" (K, M, G, T)")
    }
}

impl core::error::Error for NotASize {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024_and_never_wrap() {
        let cases =
            [("0", Some(0)), ("512", Some(512)), ("4K", Some(4096)), ("512M", Some(512 << 20)), ("5G", Some(5 << 30))];
        for (text, bytes) in cases {
            assert_eq!(parse_bytes(text), bytes, "{text}");
        }
        assert_eq!(parse_bytes("16777215T"), Some(16_777_215 << 40));
        for text in ["", "M", "-1M", "+1M", "1.5M", "1MB", "1m", " 1M", "16777216T", "18446744073709551616", "1é"] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }

    #[test]
    fn a_partition_has_whole_blocks_and_at_least_one() {
        let size = |text: &str| Size::try_from(text.to_owned());
        assert_eq!(size("8K"), Ok(Size::Bytes(ByteLen::new(8192))));
        assert_eq!(size("rest"), Ok(Size::Rest));
        assert_eq!(size("6K"), Err(NotASize));
        assert_eq!(size("0"), Err(NotASize));
        assert_eq!(size("Rest"), Err(NotASize));
    }
}
