//! A P-256 public key and its name.
//!
//! ```text
//!  SubjectPublicKeyInfo, DER (RFC 5480), the two forms that exist for P-256:
//!   30 59 30 13 06 07 2a8648ce3d0201 06 08 2a8648ce3d030107 03 42 00 | 04 X Y      91 bytes
//!   30 39 30 13 06 07 2a8648ce3d0201 06 08 2a8648ce3d030107 03 22 00 | 02/03 X     59 bytes
//! ```
//!
//! 1. A point is on the curve and not the neutral element; both point forms and both ways in give one value.
//! 2. The key id is SHA-256 of the 91-byte form: `openssl pkey -pubin -outform DER | sha256sum` of an uncompressed key.

use core::fmt;

use crate::error::{Corrupt, KeyFault, Rule};
use crate::units::crypto::{self, Form, Point};
use crate::units::digest::Digest;

/// Bytes of the DER form of a key.
pub(crate) const SPKI_BYTES: usize = 91;
const SPKI_UNCOMPRESSED: [u8; 26] = spki_head(0x59, 0x42);
const SPKI_COMPRESSED: [u8; 26] = spki_head(0x39, 0x22);

/// What is before the point: ecPublicKey, prime256v1, and a bit string without unused bits.
const fn spki_head(whole: u8, bits: u8) -> [u8; 26] {
    [
        0x30, whole, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, bits, 0x00,
    ]
}

/// The name of a public key: SHA-256 of its DER form with the uncompressed point.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(Digest);

impl KeyId {
    /// Names `digest` as a key.
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

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A point of P-256 that checks signatures.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PublicKey {
    point: Point,
    id: KeyId,
}

impl PublicKey {
    /// The key at a SEC1 point: 65 bytes from 04 on, or 33 bytes from 02 or 03 on.
    ///
    /// # Errors
    /// [`KeyFault::Point`].
    pub(crate) fn from_sec1(bytes: &[u8]) -> Result<Self, KeyFault> {
        // Other lengths are refused by the parser; tag 05, a compact point, is not.
        if !matches!(bytes.first(), Some(2..=4)) {
            return Err(KeyFault::Point);
        }
        Point::from_sec1(bytes).map(Self::at).ok_or(KeyFault::Point)
    }

    /// The key in a SubjectPublicKeyInfo, the bytes inside a `PUBLIC KEY` PEM file.
    ///
    /// # Errors
    /// [`KeyFault::Spki`] where it is not exactly one of the two forms; [`KeyFault::Point`].
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyFault> {
        let (head, point) = der.split_first_chunk::<26>().ok_or(KeyFault::Spki)?;
        match (head, point.first()) {
            (&SPKI_UNCOMPRESSED, Some(4)) | (&SPKI_COMPRESSED, Some(2 | 3)) => Self::from_sec1(point),
            _ => Err(KeyFault::Spki),
        }
    }

    /// The DER form with the uncompressed point.
    #[must_use]
    pub fn to_spki(&self) -> [u8; SPKI_BYTES] {
        spki(self.point)
    }

    /// The key's name.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Whether `bytes`, r then s, sign `digest` with this key.
    ///
    /// # Errors
    /// `HighS`: each signature has a second form with the larger s, which would be a second envelope of one
    /// manifest.
    // Not inlined: the frames of signature check and decoding would add up on a small stack.
    #[inline(never)]
    pub(super) fn signed(&self, digest: &Digest, bytes: &[u8; 64]) -> Result<Holds, Corrupt> {
        match crypto::form(bytes) {
            Form::None => Ok(Holds::No),
            Form::High => Err(Corrupt(Rule::HighS { key: self.id.0 })),
            Form::Low if self.point.verifies(digest.as_bytes(), bytes) => Ok(Holds::Yes),
            Form::Low => Ok(Holds::No),
        }
    }

    fn at(point: Point) -> Self {
        Self { point, id: KeyId(Digest::of(&[&spki(point)])) }
    }
}

#[cfg(any(test, feature = "soft-crypto"))]
impl From<p256::ecdsa::VerifyingKey> for PublicKey {
    fn from(key: p256::ecdsa::VerifyingKey) -> Self {
        Self::at(key.into())
    }
}

/// Whether a signature holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Holds {
    Yes,
    No,
}

fn spki(point: Point) -> [u8; SPKI_BYTES] {
    let mut out = [0; SPKI_BYTES];
    let sec1 = point.to_sec1();
    for (to, from) in out.iter_mut().zip(SPKI_UNCOMPRESSED.iter().chain(&sec1)) {
        *to = *from;
    }
    out
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::bundle::fixture;
    use crate::bundle::writer::Signer as _;

    fn forms(secret: u8) -> (PublicKey, Vec<u8>, Vec<u8>) {
        let key = *fixture::key(secret).public_key();
        let long = key.point.to_sec1().to_vec();
        let parity = 2 + (long[64] & 1);
        let short = [&[parity], &long[1..33]].concat();
        (key, long, short)
    }

    #[test]
    fn four_forms_are_one_key() {
        for secret in 1..8 {
            let (key, long, short) = forms(secret);
            assert_eq!(PublicKey::from_sec1(&long), Ok(key));
            assert_eq!(PublicKey::from_sec1(&short), Ok(key));
            assert_eq!(PublicKey::from_spki(&key.to_spki()), Ok(key));
            let short_spki = [&SPKI_COMPRESSED[..], &short].concat();
            assert_eq!(short_spki.len(), 59);
            assert_eq!(PublicKey::from_spki(&short_spki), Ok(key));
            assert_eq!(PublicKey::from_spki(&short_spki).map(|key| key.id()), Ok(key.id()));
        }
    }

    #[test]
    fn a_point_off_the_curve_or_in_another_form_is_refused() {
        let (_, long, short) = forms(1);
        let mut off = long.clone();
        off[64] ^= 1;
        assert_eq!(PublicKey::from_sec1(&off), Err(KeyFault::Point));
        // A compact point (tag 05) leaves the sign of y open; 06 and 07 are hybrid forms; 00 is the neutral element.
        for tag in [0, 1, 5, 6, 7] {
            let mut other = short.clone();
            other[0] = tag;
            assert_eq!(PublicKey::from_sec1(&other), Err(KeyFault::Point), "tag {tag}");
        }
        assert_eq!(PublicKey::from_sec1(&[0]), Err(KeyFault::Point));
        assert_eq!(PublicKey::from_sec1(&[]), Err(KeyFault::Point));
        assert_eq!(PublicKey::from_sec1(&long[..64]), Err(KeyFault::Point));
        assert_eq!(PublicKey::from_sec1(&[&long[..], &[0]].concat()), Err(KeyFault::Point));
    }

    #[test]
    fn the_der_form_is_strict() {
        let (key, _, short) = forms(1);
        let good = key.to_spki();
        for at in 0..27 {
            let mut bytes = good;
            bytes[at] ^= 1;
            assert_eq!(PublicKey::from_spki(&bytes), Err(KeyFault::Spki), "byte {at}");
        }
        assert_eq!(PublicKey::from_spki(&good[..26]), Err(KeyFault::Spki));
        assert_eq!(PublicKey::from_spki(&good[..90]), Err(KeyFault::Point));
        assert_eq!(PublicKey::from_spki(&[&good[..], &[0]].concat()), Err(KeyFault::Point));
        // A compressed point behind the head of an uncompressed one.
        assert_eq!(PublicKey::from_spki(&[&SPKI_UNCOMPRESSED[..], &short].concat()), Err(KeyFault::Spki));
    }
}
