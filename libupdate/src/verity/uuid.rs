//! The identity in a verity superblock.

use core::fmt;

use crate::units::digest::RootHash;

/// A UUID, its bytes in the order of its text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Uuid([u8; 16]);

impl Uuid {
    /// Wraps the bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The UUID of an image: the first 16 bytes of its root hash, with version 8 (RFC 9562 section 5.8, custom) and the
    /// variant in their bits. So equal images have equal superblocks.
    #[must_use]
    pub fn from_root(root: &RootHash) -> Self {
        let [a, b, c, d, e, f, version, h, variant, j, k, l, m, n, o, p, ..] = *root.digest().as_bytes();
        Self([a, b, c, d, e, f, version & 0x0f | 0x80, h, variant & 0x3f | 0x80, j, k, l, m, n, o, p])
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::digest::Digest;
    use std::string::ToString as _;

    #[test]
    fn a_uuid_is_version_8_whatever_the_root() {
        let uuid = |byte| Uuid::from_root(&RootHash::new(Digest::new([byte; 32]))).to_string();
        assert_eq!(uuid(0x00), "00000000-0000-8000-8000-000000000000");
        assert_eq!(uuid(0xff), "ffffffff-ffff-8fff-bfff-ffffffffffff");
    }

    #[test]
    fn the_text_has_the_bytes_in_order() {
        let bytes = core::array::from_fn(|at| u8::try_from(at).unwrap());
        assert_eq!(Uuid::new(bytes).to_string(), "00010203-0405-0607-0809-0a0b0c0d0e0f");
    }
}
