//! Private keys, and the seam for those that never leave a token.

use std::io;

use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use p256::ecdsa::{Signature, SigningKey};

use crate::bundle::PublicKey;
use crate::error::KeyFault;
use crate::units::digest::Digest;

/// Something that signs: a key in memory, a token, a service.
pub trait Signer {
    /// The public half.
    fn public_key(&self) -> &PublicKey;

    /// An ECDSA P-256 signature over `digest`, which is the SHA-256 of the message: r then s, either s.
    ///
    /// # Errors
    /// The signer's own.
    fn sign(&self, digest: &Digest) -> io::Result<[u8; 64]>;
}

/// A private key in memory. Its signatures are deterministic (RFC 6979), so that bundles can be made again bit for bit.
pub struct LocalKey {
    key: SigningKey,
    public: PublicKey,
}

impl LocalKey {
    /// The key of a secret number, 32 bytes big-endian.
    ///
    /// # Errors
    /// [`KeyFault::Secret`] where the number is zero or not below the order of the curve.
    pub fn from_scalar(scalar: &[u8; 32]) -> Result<Self, KeyFault> {
        let key = SigningKey::from_slice(scalar).map_err(|_| KeyFault::Secret)?;
        let public = PublicKey::from(*key.verifying_key());
        Ok(Self { key, public })
    }
}

impl Signer for LocalKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, digest: &Digest) -> io::Result<[u8; 64]> {
        let signature: Signature = self.key.sign_prehash(digest.as_bytes()).map_err(io::Error::other)?;
        Ok(signature.normalize_s().to_bytes().into())
    }
}

impl core::fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("LocalKey").field("public", &self.public).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6979, appendix A.2.5, SHA-256 of "sample". Its s is high there; ours is n - s.
    #[test]
    fn signatures_are_those_of_rfc_6979() {
        let bytes = |hex: &str| -> std::vec::Vec<u8> {
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
        };
        let secret = bytes("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
        let key = LocalKey::from_scalar(&secret.try_into().unwrap()).unwrap();
        let signature = key.sign(&Digest::of(&[b"sample"])).unwrap();
        assert_eq!(signature[..32], bytes("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"));
        // ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
        //   - f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8
        assert_eq!(signature[32..], bytes("0834e36ad29a83bf2bc9385e491d6099c8fdf9d1ed67aa7ea5f51f93782857a9"));
    }

    #[test]
    fn a_number_out_of_range_is_no_key() {
        assert_eq!(LocalKey::from_scalar(&[0; 32]).err(), Some(KeyFault::Secret));
        assert_eq!(LocalKey::from_scalar(&[0xff; 32]).err(), Some(KeyFault::Secret));
    }

    #[test]
    fn a_key_does_not_print_its_secret() {
        let key = LocalKey::from_scalar(&[0xa7; 32]).unwrap();
        assert!(!std::format!("{key:?}").contains("a7a7"));
        assert!(!std::format!("{key:?}").contains("167, 167"));
    }
}
