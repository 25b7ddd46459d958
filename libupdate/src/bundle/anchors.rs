//! The public keys a device starts from.

use core::num::NonZeroUsize;

use heapless::Vec;

use crate::bundle::key::Holds;
use crate::bundle::{KeyId, PublicKey, Signature};
use crate::error::{Corrupt, KeyFault, Rule};
use crate::units::digest::Digest;
use crate::units::limits::{ANCHORS, SIGNATURES};

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
                signers.push(key.id()).map_err(|_| Corrupt(Rule::TooManySignatures { claimed: u16::MAX }))?;
            }
        }
        if signers.len() < self.threshold.get() {
            return Err(Corrupt(Rule::NotEnoughSignatures { valid: signers.len(), threshold: self.threshold.get() }));
        }
        Ok(signers)
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::bundle::{Unverified, fixture};

    fn verdict(envelope: &[u8], anchors: &Anchors) -> Result<Vec<KeyId>, Corrupt> {
        Ok(Unverified::parse(envelope).unwrap().verify(anchors)?.signers().to_vec())
    }

    fn id(secret: u8) -> KeyId {
        use crate::bundle::writer::Signer as _;
        fixture::key(secret).public_key().id()
    }

    fn too_few(valid: usize, threshold: usize) -> Result<Vec<KeyId>, Corrupt> {
        Err(Corrupt(Rule::NotEnoughSignatures { valid, threshold }))
    }

    /// An envelope whose signature number `at` is changed.
    fn tampered(secrets: &[u8], at: usize, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
        let mut bytes = fixture::envelope(secrets);
        let start = bytes.len() - 96 * (secrets.len() - at);
        change(&mut bytes[start..start + 96]);
        bytes
    }

    #[test]
    fn the_threshold_counts_trusted_keys_whose_signature_holds() {
        assert_eq!(verdict(&fixture::envelope(&[1]), &fixture::anchors(&[1], 1)), Ok(std::vec![id(1)]));
        assert_eq!(verdict(&fixture::envelope(&[]), &fixture::anchors(&[1], 1)), too_few(0, 1));
        assert_eq!(verdict(&fixture::envelope(&[1]), &fixture::anchors(&[1, 2], 2)), too_few(1, 2));
        let both = Ok(std::vec![id(2), id(1)]);
        assert_eq!(verdict(&fixture::envelope(&[2, 3, 1]), &fixture::anchors(&[1, 2], 2)), both);
    }

    #[test]
    fn a_key_that_is_not_trusted_is_passed_over_unread() {
        assert_eq!(verdict(&fixture::envelope(&[3]), &fixture::anchors(&[1], 1)), too_few(0, 1));
        // Zeros are not a signature, and a high s refuses a bundle: neither matters without trust in the key.
        let nonsense = tampered(&[3, 1], 0, |record| record[32..].fill(0));
        assert_eq!(verdict(&nonsense, &fixture::anchors(&[1], 1)), Ok(std::vec![id(1)]));
        let high = tampered(&[3, 1], 0, |record| record[64] = 0xf0);
        assert_eq!(verdict(&high, &fixture::anchors(&[1], 1)), Ok(std::vec![id(1)]));
    }

    #[test]
    fn one_key_counts_once() {
        let twice = fixture::envelope(&[1, 2]);
        let first = twice[twice.len() - 192..twice.len() - 96].to_vec();
        let twice = tampered(&[1, 2], 1, |record| record.copy_from_slice(&first));
        assert_eq!(verdict(&twice, &fixture::anchors(&[1, 2], 2)), too_few(1, 2));
        assert_eq!(verdict(&twice, &fixture::anchors(&[1, 2], 1)), Ok(std::vec![id(1)]));
    }

    #[test]
    fn a_signature_under_another_keys_name_does_not_hold() {
        let renamed = tampered(&[1], 0, |record| record[..32].copy_from_slice(id(2).digest().as_bytes()));
        assert_eq!(verdict(&renamed, &fixture::anchors(&[1, 2], 1)), too_few(0, 1));
    }

    #[test]
    fn each_signed_bit_and_each_signature_bit_counts() {
        let good = fixture::envelope(&[1]);
        let anchors = fixture::anchors(&[1], 1);
        // Not the magic, versions and lengths: the parser refuses those earlier.
        let manifest_len = good.len() - 100 - 40;
        for at in (40..40 + manifest_len).chain(good.len() - 96..good.len()) {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            assert_eq!(verdict(&bytes, &anchors), too_few(0, 1), "byte {at}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_no_signature() {
        let anchors = fixture::anchors(&[1], 1);
        for half in [32..64, 64..96] {
            for fill in [0, 0xff] {
                let bytes = tampered(&[1], 0, |record| record[half.clone()].fill(fill));
                assert_eq!(verdict(&bytes, &anchors), too_few(0, 1));
            }
        }
    }

    #[test]
    fn the_second_form_of_a_signature_refuses_the_bundle() {
        let high = tampered(&[1], 0, |record| negate(&mut record[64..]));
        let refused = Err(Corrupt(Rule::HighS { key: *id(1).digest() }));
        assert_eq!(verdict(&high, &fixture::anchors(&[1], 1)), refused);
        // Also beside a good one that would be enough.
        let beside = tampered(&[2, 1], 1, |record| negate(&mut record[64..]));
        assert_eq!(verdict(&beside, &fixture::anchors(&[1, 2], 1)), refused);
    }

    /// n - s, for the order n of P-256 (SEC 2, section 2.4.2).
    fn negate(s: &mut [u8]) {
        const N: [u8; 32] = [
            0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad,
            0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
        ];
        let mut borrow = 0;
        for (digit, order) in s.iter_mut().zip(N).rev() {
            let difference = i16::from(order) - i16::from(*digit) - borrow;
            borrow = i16::from(difference < 0);
            *digit = difference.rem_euclid(256) as u8;
        }
    }

    #[test]
    fn anchors_are_distinct_bounded_and_can_reach_their_threshold() {
        let keys: Vec<PublicKey> = (1..=17)
            .map(|secret| {
                use crate::bundle::writer::Signer as _;
                *fixture::key(secret).public_key()
            })
            .collect();
        let one = NonZeroUsize::MIN;
        assert_eq!(Anchors::new(&keys[..16], one).map(|anchors| anchors.keys().len()), Ok(16));
        assert_eq!(Anchors::new(&keys, one), Err(KeyFault::TooMany { keys: 17 }));
        let twice = [keys[0], keys[1], keys[0]];
        assert_eq!(Anchors::new(&twice, one), Err(KeyFault::Duplicate { key: *keys[0].id().digest() }));
        assert_eq!(Anchors::new(&[], one), Err(KeyFault::Threshold { threshold: 1, keys: 0 }));
        let three = NonZeroUsize::new(3).unwrap();
        assert_eq!(Anchors::new(&keys[..2], three), Err(KeyFault::Threshold { threshold: 3, keys: 2 }));
        assert_eq!(Anchors::new(&keys[..3], three).map(|anchors| anchors.threshold()), Ok(three));
    }
}
