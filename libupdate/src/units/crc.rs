//! CRC-32 of the partition table (UEFI 2.11, 5.3.2), which trailers and notes have, too: ISO-HDLC, as zlib's.
//!
//! ```text
//!  feature fast-crc   the crate crc32fast, 16 KiB of tables and the processor's instructions
//!  without            the crate crc, 1 KiB of tables
//! ```

#[cfg(feature = "fast-crc")]
pub(crate) use crc32fast::Hasher as Crc;
#[cfg(not(feature = "fast-crc"))]
pub(crate) use small::Crc;

/// The checksum of bytes.
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.finalize()
}

#[cfg(any(test, not(feature = "fast-crc")))]
mod small {
    use crc::{CRC_32_ISO_HDLC, Digest, Table};

    static TABLE: crc::Crc<u32, Table<1>> = crc::Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);

    /// The checksum of bytes that come piece by piece.
    #[derive(Clone)]
    pub(crate) struct Crc(Digest<'static, u32, Table<1>>);

    impl Crc {
        pub(crate) fn new() -> Self {
            Self(TABLE.digest())
        }

        pub(crate) fn update(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        pub(crate) fn finalize(self) -> u32 {
            self.0.finalize()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::small;

    #[test]
    fn the_small_one_says_the_same() {
        for len in [0, 1, 92, 4095, 4096] {
            let bytes: std::vec::Vec<u8> = (0_u8..=255).cycle().map(|byte| byte.wrapping_mul(37)).take(len).collect();
            let mut pieces = small::Crc::new();
            bytes.chunks(7).for_each(|piece| pieces.update(piece));
            assert_eq!(super::crc32(&bytes), crc32fast::hash(&bytes));
            assert_eq!(pieces.finalize(), crc32fast::hash(&bytes));
        }
        // The check value of the catalogue.
        assert_eq!(super::crc32(b"123456789"), 0xcbf4_3926);
    }
}
