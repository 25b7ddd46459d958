//! SHA-256 digests, the salt of a hash tree, and the seam for a faster hasher.

use core::fmt;

use crate::units::crypto;
use crate::units::limits::SALT_BYTES;

/// Bytes of a SHA-256 digest.
pub const DIGEST_BYTES: usize = 32;
/// Bytes of a data block and of a hash block.
pub const BLOCK_BYTES: usize = 4096;

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; DIGEST_BYTES]);

impl Digest {
    /// Wraps the bytes.
    #[must_use]
    pub const fn new(bytes: [u8; DIGEST_BYTES]) -> Self {
        Self(bytes)
    }

    /// SHA-256 over the parts, one after the other.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        Self(crypto::sha256(parts))
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; DIGEST_BYTES] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The digest at the top of a hash tree: whoever knows it can check every block below.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RootHash(Digest);

impl RootHash {
    /// Names `digest` as a root.
    #[must_use]
    pub const fn new(digest: Digest) -> Self {
        Self(digest)
    }

    /// The digest.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.0
    }
}

impl fmt::Display for RootHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The bytes put before every block when it is hashed, 0 to 256 of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Salt<'a>(&'a [u8]);

impl<'a> Salt<'a> {
    /// Borrows the salt. `None` if it is longer than dm-verity allows.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() > SALT_BYTES { None } else { Some(Self(bytes)) }
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl<'a> From<&'a Digest> for Salt<'a> {
    fn from(digest: &'a Digest) -> Self {
        Self(digest.as_bytes())
    }
}

/// Salted SHA-256 of many 4096-byte blocks at once: the seam through which a caller brings SHA instructions or more cores.
pub trait BlockHasher {
    /// Puts the digest of salt and block i to `digests[32 * i ..]`, for every whole block of `blocks`.
    ///
    /// `blocks` is a multiple of 4096 bytes and `digests` exactly 32 bytes for each; surplus of either is not touched.
    fn hash_blocks(&mut self, salt: Salt<'_>, blocks: &[u8], digests: &mut [u8]);
}

/// The portable hasher: the `sha2` crate, which picks SHA instructions at run time where it can; with the feature `host-crypto` alone the
/// host's.
#[derive(Clone, Copy, Default, Debug)]
pub struct SoftHasher;

impl BlockHasher for SoftHasher {
    fn hash_blocks(&mut self, salt: Salt<'_>, blocks: &[u8], digests: &mut [u8]) {
        crypto::sha256_each(
            salt.as_bytes(),
            blocks.chunks_exact(BLOCK_BYTES).zip(digests.chunks_exact_mut(DIGEST_BYTES)),
        );
    }
}

/// The digest of one block, through any hasher.
#[must_use]
pub fn hash_block<H: BlockHasher>(hasher: &mut H, salt: Salt<'_>, block: &[u8; BLOCK_BYTES]) -> Digest {
    let mut digest = [0; DIGEST_BYTES];
    hasher.hash_blocks(salt, block, &mut digest);
    Digest(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_salt_stands_before_the_block() {
        let block = [7; BLOCK_BYTES];
        let salt = Salt::new(b"salt").unwrap();
        assert_eq!(hash_block(&mut SoftHasher, salt, &block), Digest::of(&[b"salt", &block]));
    }

    #[test]
    fn a_salt_has_at_most_256_bytes() {
        assert!(Salt::new(&[0; 256]).is_some());
        assert!(Salt::new(&[0; 257]).is_none());
    }
}
