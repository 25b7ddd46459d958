//! Functions of the firmware that links the core.

use libupdate_host_crypto as host;

use super::POINT_BYTES;

/// SHA-256 over the parts, one after the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    host::sha256(parts)
}

/// SHA-256 of the prefix and each block.
pub(crate) fn sha256_each<'b>(prefix: &[u8], each: impl Iterator<Item = (&'b [u8], &'b mut [u8])>) {
    for (block, digest) in each {
        digest.copy_from_slice(&host::sha256(&[prefix, block]));
    }
}

/// A point of the curve: 04 X Y.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Point([u8; POINT_BYTES]);

impl Point {
    /// From a SEC1 form of 33 or 65 bytes.
    pub(crate) fn from_sec1(bytes: &[u8]) -> Option<Self> {
        matches!(bytes.len(), 33 | POINT_BYTES).then(|| host::point(bytes)).flatten().map(Self)
    }

    /// 04 X Y.
    pub(crate) const fn to_sec1(self) -> [u8; POINT_BYTES] {
        self.0
    }

    /// Whether a signature of the form `Low` is this key's.
    pub(crate) fn verifies(&self, digest: &[u8; 32], signature: &[u8; 64]) -> bool {
        host::verify(&self.0, digest, signature)
    }
}
