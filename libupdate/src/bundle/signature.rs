//! The signature block of an envelope.
//!
//! ```text
//!   0  count      2   0 ..= 8
//!   2  zero       2
//!   4  count x | key id 32 | r 32 | s 32 |      r and s big-endian, s <= (n - 1) / 2 where the key is trusted
//! ```
//!
//! 1. ECDSA P-256 over SHA-256 of the message: `libupdate bundle v1`, NUL, prefix, manifest.
//! 2. The threshold counts distinct trusted keys whose signature holds; a second signature by one key counts nothing.
//! 3. A signature by a key that is not trusted is passed over unread.
//! 4. A high s in a record of a trusted key refuses the bundle, whether or not it holds.

use crate::bundle::KeyId;
use crate::bundle::prefix::BLOCK_HEADER_BYTES;
use crate::error::{Corrupt, Rule};
use crate::units::bytes;
use crate::units::digest::{DIGEST_BYTES, Digest};
use crate::units::limits::SIGNATURES;

/// What the message begins with: a signature over another kind of document never passes for one over a bundle.
pub const DOMAIN: &[u8] = b"libupdate bundle v1\0";
/// Bytes of one signature with its key id.
pub const SIGNATURE_BYTES: usize = 96;

/// One signature of an envelope, checked by nobody yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signature<'a> {
    key_id: KeyId,
    bytes: &'a [u8; 64],
}

impl<'a> Signature<'a> {
    /// The key that is said to have signed.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// r, then s, big-endian.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8; 64] {
        self.bytes
    }

    fn parse(record: &'a [u8; SIGNATURE_BYTES]) -> Option<Self> {
        let (key_id, bytes) = record.split_first_chunk::<DIGEST_BYTES>()?;
        Some(Self { key_id: KeyId::new(Digest::new(*key_id)), bytes: bytes.first_chunk()? })
    }
}

/// The digest of the message over prefix and manifest: what is signed, and the bundle's identity.
#[must_use]
pub fn message_digest(signed: &[u8]) -> Digest {
    Digest::of(&[DOMAIN, signed])
}

/// The signature block's length, from its first bytes.
pub(super) fn block_len(header: &[u8]) -> Result<usize, Corrupt> {
    let claimed = bytes::u16_at(header, 0).ok_or(Corrupt(Rule::Truncated))?;
    if usize::from(claimed) > SIGNATURES {
        return Err(Corrupt(Rule::TooManySignatures { claimed }));
    }
    if bytes::u16_at(header, 2).ok_or(Corrupt(Rule::Truncated))? != 0 {
        return Err(Corrupt(Rule::SignatureReserved));
    }
    Ok(usize::from(claimed).saturating_mul(SIGNATURE_BYTES).saturating_add(BLOCK_HEADER_BYTES))
}

/// The signatures of a whole signature block.
pub(super) fn iter(block: &[u8]) -> impl Iterator<Item = Signature<'_>> {
    let records = block.get(BLOCK_HEADER_BYTES..).unwrap_or_default();
    records.as_chunks::<SIGNATURE_BYTES>().0.iter().filter_map(Signature::parse)
}
