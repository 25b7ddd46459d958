//! The public keys a device starts from.

use core::num::NonZeroUsize;

use heapless::Vec;

use crate::bundle::key::Holds;
use crate::bundle::{KeyId, PublicKey, Signature};
use crate::digest::Digest;
use crate::error::{Corrupt, KeyFault};
use crate::limits::{ANCHORS, SIGNATURES};

/// The keys that sign for a device, and how many of them it takes.
///
/// # Invariants
/// 1 to 16 keys with distinct points; the threshold is 1 to their number.
#[derive(Clone, PartialEq, Debug)]
pub struct Anchors {
    keys: Vec<PublicKey, ANCHORS>,
    threshold: NonZeroUsize,
}

/// The keys whose signature holds.
pub(super) type Signers = Vec<KeyId, SIGNATURES>;

impl Anchors {
    /// Trusts `keys`, `threshold` of them together.
    ///
    /// # Errors
    /// [`KeyFault`]: too many keys, one key twice, or a threshold that they cannot reach.
    pub fn new(keys: &[PublicKey], threshold: NonZeroUsize) -> Result<Self, KeyFault> {
        let mut distinct = Vec::<PublicKey, ANCHORS>::new();
        for key in keys {
            if distinct.iter().any(|earlier| earlier.id() == key.id()) {
                return Err(KeyFault::Duplicate { key: *key.id().digest() });
            }
            distinct.push(*key).map_err(|_| KeyFault::TooMany { keys: keys.len() })?;
        }
        if threshold.get() > keys.len() {
            return Err(KeyFault::Threshold { threshold: threshold.get(), keys: keys.len() });
        }
        Ok(Self { keys: distinct, threshold })
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// How many distinct keys must have signed.
    #[must_use]
    pub const fn threshold(&self) -> NonZeroUsize {
        self.threshold
    }

    /// The trusted keys that signed `digest`, each once, where they reach the threshold. Unknown key ids are passed over.
    pub(super) fn signers<'s>(
        &self,
        digest: &Digest,
        signatures: impl Iterator<Item = Signature<'s>>,
    ) -> Result<Signers, Corrupt> {
        let mut signers = Signers::new();
        for signature in signatures {
            let Some(key) = self.keys.iter().find(|key| key.id() == signature.key_id()) else {
                continue;
            };
            let holds = key.signed(digest, signature.bytes())? == Holds::Yes;
            if holds && !signers.contains(&key.id()) {
                // As many places as an envelope has signatures.
                signers.push(key.id()).map_err(|_| Corrupt::TooManySignatures { claimed: u16::MAX })?;
            }
        }
        if signers.len() < self.threshold.get() {
            return Err(Corrupt::NotEnoughSignatures { valid: signers.len(), threshold: self.threshold.get() });
        }
        Ok(signers)
    }
}
