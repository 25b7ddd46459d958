//! The crates sha2 and p256.

use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::elliptic_curve::point::AffineCoordinates;
use p256::{AffinePoint, FieldBytes};
use sha2::{Digest as _, Sha256};

use super::POINT_BYTES;

/// SHA-256 over the parts, one after the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// SHA-256 of the prefix and each block.
pub(crate) fn sha256_each<'b>(prefix: &[u8], each: impl Iterator<Item = (&'b [u8], &'b mut [u8])>) {
    let mut begun = Sha256::new();
    begun.update(prefix);
    for (block, digest) in each {
        let mut hash = begun.clone();
        hash.update(block);
        digest.copy_from_slice(&hash.finalize());
    }
}

/// A point of the curve.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Point(VerifyingKey);

impl Point {
    /// From a SEC1 form of 65 bytes, or of 33 with the feature `compressed-keys`.
    pub(crate) fn from_sec1(bytes: &[u8]) -> Option<Self> {
        uncompressed(bytes).or_else(|| compressed(bytes)).map(Self)
    }

    /// 04 X Y.
    pub(crate) fn to_sec1(self) -> [u8; POINT_BYTES] {
        self.0.to_sec1_point(false).as_bytes().try_into().unwrap_or([0; POINT_BYTES])
    }

    /// Whether a signature of the form `Low` is this key's.
    pub(crate) fn verifies(&self, digest: &[u8; 32], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_slice(signature);
        signature.is_ok_and(|signature| self.0.verify_prehash(digest, &signature).is_ok())
    }
}

/// Not through the parser of the crate: it would bring the square root with it.
fn uncompressed(bytes: &[u8]) -> Option<VerifyingKey> {
    let (x, y) = bytes.strip_prefix(&[4])?.split_at_checked(32)?;
    let [x, y] = [x, y].map(|number| <&FieldBytes>::try_from(number).ok());
    let point: Option<AffinePoint> = AffinePoint::from_coordinates(x?, y?).into();
    VerifyingKey::from_affine(point?).ok()
}

#[cfg(any(test, feature = "compressed-keys"))]
fn compressed(bytes: &[u8]) -> Option<VerifyingKey> {
    VerifyingKey::from_sec1_bytes(bytes).ok()
}

#[cfg(not(any(test, feature = "compressed-keys")))]
const fn compressed(_: &[u8]) -> Option<VerifyingKey> {
    None
}

impl From<VerifyingKey> for Point {
    fn from(key: VerifyingKey) -> Self {
        Self(key)
    }
}
