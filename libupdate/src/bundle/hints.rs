//! Hints: the first bytes of each data block's digest, told before the chunks come. Who has other images finds by them which chunks it can
//! make itself, and does not fetch these.
//!
//! ```text
//!  | index page | 6 bytes for each data block of its chunks | carried chunk | carried chunk | .. | index page | ..
//! ```
//! 1. The page has the digest of its hints, so that they are as authentic as the page. The hash tree judges what is found by them all the same: other
//!    blocks may have the same 6 bytes.
//! 2. 0.15 % of the image.

use crate::bundle::page::ROWS;
use crate::units::digest::DIGEST_BYTES;
use crate::verity::DIGESTS_PER_BLOCK;

/// Bytes of a hint.
pub const HINT_BYTES: usize = 6;
/// Bytes of the hints of one full page.
pub const GROUP_BYTES: usize = CHUNK_HINTS_BYTES.saturating_mul(ROWS);
/// Bytes of the hints of one full chunk.
pub const CHUNK_HINTS_BYTES: usize = HINT_BYTES.saturating_mul(DIGESTS_PER_BLOCK);

/// The first 48 bits of a block's digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hint(u64);

impl Hint {
    /// The hint of the block with this digest, or of the hint's own bytes.
    #[must_use]
    pub fn of(digest: &[u8]) -> Option<Self> {
        let [a, b, c, d, e, f] = *digest.first_chunk::<HINT_BYTES>()?;
        Some(Self(u64::from_le_bytes([a, b, c, d, e, f, 0, 0])))
    }

    /// The number that its bytes are, low ones first: below 2^48.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Whether these are the hints of blocks with `digests`.
#[must_use]
pub fn are_of(hints: &[u8], digests: &[u8]) -> bool {
    let (hints, digests) = (hints.chunks(HINT_BYTES), digests.chunks(DIGEST_BYTES));
    hints.len() == digests.len() && hints.zip(digests).all(|(hint, digest)| digest.starts_with(hint))
}
