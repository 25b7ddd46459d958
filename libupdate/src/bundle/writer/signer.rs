//! Private keys, and the seam for those that never leave a token.

use std::io;

use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use p256::ecdsa::{Signature, SigningKey};

use crate::bundle::PublicKey;
use crate::digest::Digest;
use crate::error::KeyFault;

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
