//! An envelope in the making: signatures come and are checked one by one.

use std::vec::Vec;

use crate::bundle::delta::OLD_IMAGES;
use crate::bundle::envelope::required_features;
use crate::bundle::frame::FRAME_BLOCKS;
use crate::bundle::key::Holds;
use crate::bundle::pack::PACK;
use crate::bundle::prefix::BLOCK_HEADER_BYTES;
use crate::bundle::signature::{DOMAIN, SIGNATURE_BYTES, message_digest};
use crate::bundle::writer::{Signer, WriteError, Written, from_der};
use crate::bundle::{Features, Prefix, PublicKey, Unverified, UpdaterVersion};
use crate::error::{Corrupt, Rule};
use crate::manifest::Manifest;
use crate::units::block::ByteLen;
use crate::units::digest::Digest;
use crate::units::limits::{ENVELOPE_BYTES, SIGNATURES};

/// An envelope in memory, with none, some or all of its signatures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sealed {
    envelope: Vec<u8>,
    signed_len: usize,
}

impl Sealed {
    /// The envelope of `manifest`, without a signature.
    ///
    /// # Errors
    /// [`WriteError::Statement`] where the manifest does not fit.
    pub fn new(manifest: &Manifest<'_>, minimum_updater: UpdaterVersion) -> Result<Self, WriteError> {
        Self::hinted(manifest, minimum_updater, false)
    }

    /// The same, with the bit that says whether index pages have hints.
    pub(super) fn hinted(
        manifest: &Manifest<'_>,
        minimum_updater: UpdaterVersion,
        hints: bool,
    ) -> Result<Self, WriteError> {
        let named = |id| manifest.extensions().iter().any(|one| one.id() == id);
        let bits = [
            (named(OLD_IMAGES), Features::DELTA),
            (hints, Features::HINTS),
            (named(FRAME_BLOCKS), Features::FRAMES),
            (named(PACK), Features::PACK),
        ];
        let bits = bits.into_iter().filter(|(has, _)| *has).map(|(_, bit)| bit);
        Self::with_features(manifest, minimum_updater, bits.fold(required_features(manifest), Features::with))
    }

    /// The same with these feature bits.
    ///
    /// # Errors
    /// As [`Sealed::new`].
    pub fn with_features(
        manifest: &Manifest<'_>,
        minimum_updater: UpdaterVersion,
        features: Features,
    ) -> Result<Self, WriteError> {
        let encoded = manifest.encoded();
        let prefix = Prefix::new(encoded.len(), features, minimum_updater).map_err(WriteError::Statement)?;
        Ok(Self::assembled(&[&prefix.encode()[..], encoded].concat(), &[]))
    }

    /// The envelope of `manifest` has this length once it has `signatures` signatures.
    pub(super) fn len_with(manifest: &Manifest<'_>, signatures: usize) -> Result<usize, WriteError> {
        let bare = Self::new(manifest, UpdaterVersion::OLDEST)?.envelope.len();
        Ok(signatures.saturating_mul(SIGNATURE_BYTES).saturating_add(bare))
    }

    /// The envelope.
    #[must_use]
    pub fn envelope(&self) -> &[u8] {
        &self.envelope
    }

    /// The message that is signed: `openssl dgst -sha256 -sign` takes this, and so does `-verify`.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        [DOMAIN, self.signed()].concat()
    }

    /// SHA-256 of the message: for a signer that takes a digest. It is the manifest digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        message_digest(self.signed())
    }

    /// Adds the signature by `key`, in place of an earlier one by it. `signature` is r then s or DER, with either s.
    ///
    /// # Errors
    /// [`WriteError::NotItsSignature`] where it does not hold; [`WriteError::Statement`] where it does not fit.
    pub fn attach(self, key: &PublicKey, signature: &[u8]) -> Result<Self, WriteError> {
        let raw = signature.try_into().ok();
        let digest = self.digest();
        let holding = [raw, from_der(signature)].into_iter().flatten().find_map(|bytes| holding(key, &digest, &bytes));
        let added = [&key.id().digest().as_bytes()[..], &holding.ok_or(WriteError::NotItsSignature)?].concat();
        let id = key.id();
        let others = self.records().filter(|record| !record.starts_with(id.digest().as_bytes()));
        let records: Vec<&[u8]> = others.chain([added.as_slice()]).collect();
        if records.len() > SIGNATURES {
            let claimed = u16::try_from(records.len()).unwrap_or(u16::MAX);
            return Err(WriteError::Statement(Corrupt(Rule::TooManySignatures { claimed })));
        }
        let sealed = Self::assembled(self.signed(), &records);
        if sealed.envelope.len() > ENVELOPE_BYTES {
            let claimed = u32::try_from(sealed.envelope.len()).unwrap_or(u32::MAX);
            return Err(WriteError::Statement(Corrupt(Rule::EnvelopeTooLong { claimed })));
        }
        Ok(sealed)
    }

    /// Signs with each of `signers`.
    ///
    /// # Errors
    /// [`WriteError::Signer`]; [`Sealed::attach`]'s.
    pub fn signed_by(self, signers: &[&dyn Signer]) -> Result<Self, WriteError> {
        let digest = self.digest();
        signers.iter().try_fold(self, |sealed, signer| {
            let signature = signer.sign(&digest).map_err(WriteError::Signer)?;
            sealed.attach(signer.public_key(), &signature)
        })
    }

    pub(super) fn written(self, len: ByteLen) -> Written {
        Written { digest: self.digest(), envelope: self.envelope, len }
    }

    fn signed(&self) -> &[u8] {
        self.envelope.get(..self.signed_len).unwrap_or_default()
    }

    fn records(&self) -> impl Iterator<Item = &[u8]> {
        let block = self.envelope.get(self.signed_len.saturating_add(BLOCK_HEADER_BYTES)..).unwrap_or_default();
        block.chunks(SIGNATURE_BYTES)
    }

    fn assembled(signed: &[u8], records: &[&[u8]]) -> Self {
        // At most eight.
        let count = u16::try_from(records.len()).unwrap_or(u16::MAX);
        let envelope = [signed, &count.to_le_bytes(), &[0; 2], &records.concat()].concat();
        Self { envelope, signed_len: signed.len() }
    }
}

impl From<&Unverified<'_>> for Sealed {
    fn from(envelope: &Unverified<'_>) -> Self {
        Self { envelope: envelope.envelope().to_vec(), signed_len: envelope.signed_bytes().len() }
    }
}

/// The signature in its form with the lower s, where it is `key`'s over `digest`.
fn holding(key: &PublicKey, digest: &Digest, bytes: &[u8; 64]) -> Option<[u8; 64]> {
    let low = p256::ecdsa::Signature::from_slice(bytes).ok()?.normalize_s().to_bytes().into();
    (key.signed(digest, &low) == Ok(Holds::Yes)).then_some(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::fixture;
    use crate::bundle::writer::{LocalKey, to_der};
    use crate::manifest::Encoding;

    fn bare() -> Sealed {
        Sealed::new(&fixture::manifest(Encoding::Raw), UpdaterVersion::OLDEST).unwrap()
    }

    fn raw(key: &LocalKey, sealed: &Sealed) -> [u8; 64] {
        key.sign(&sealed.digest()).unwrap()
    }

    /// The other form of a signature, as half of all tokens give it.
    fn high(signature: &[u8; 64]) -> [u8; 64] {
        let (r, s) = p256::ecdsa::Signature::from_slice(signature).unwrap().split_scalars();
        p256::ecdsa::Signature::from_scalars(r, -s).unwrap().to_bytes().into()
    }

    #[test]
    fn a_signature_is_taken_in_each_form_and_stored_in_one() {
        let key = fixture::key(1);
        let signature = raw(&key, &bare());
        let expected = fixture::envelope(&[1]);
        for form in [&signature[..], &to_der(&signature), &high(&signature), &to_der(&high(&signature))] {
            assert_eq!(bare().attach(key.public_key(), form).unwrap().envelope(), expected);
        }
    }

    #[test]
    fn a_signature_that_does_not_hold_is_not_attached() {
        let (key, other) = (fixture::key(1), fixture::key(2));
        let signature = raw(&key, &bare());
        let mut damaged = signature;
        damaged[40] ^= 1;
        for (key, form) in [(&other, &signature[..]), (&key, &damaged), (&key, &[]), (&key, &signature[..63])] {
            let found = bare().attach(key.public_key(), form);
            assert!(matches!(found, Err(WriteError::NotItsSignature)), "{found:?}");
        }
    }

    #[test]
    fn signatures_gather_and_each_key_has_one() {
        let both = fixture::envelope(&[1, 2]);
        let mut sealed = Sealed::from(&Unverified::parse(&both).unwrap());
        assert_eq!(sealed.envelope(), both);
        for secret in [1, 2, 1] {
            let key = fixture::key(secret);
            let signature = raw(&key, &sealed);
            sealed = sealed.attach(key.public_key(), &signature).unwrap();
        }
        let signed = Unverified::parse(sealed.envelope()).unwrap();
        assert_eq!(signed.signatures().count(), 2);
        assert!(signed.verify(&fixture::anchors(&[1, 2], 2)).is_ok());
    }

    #[test]
    fn a_ninth_signature_does_not_fit() {
        let eight = fixture::envelope(&[1, 2, 3, 4, 5, 6, 7, 8]);
        let sealed = Sealed::from(&Unverified::parse(&eight).unwrap());
        let found = sealed.signed_by(&[&fixture::key(9)]);
        assert!(matches!(found, Err(WriteError::Statement(Corrupt(Rule::TooManySignatures { claimed: 9 })))));
    }

    #[test]
    fn the_message_is_domain_nul_prefix_and_manifest() {
        let sealed = Sealed::from(&Unverified::parse(&fixture::envelope(&[1])).unwrap());
        let envelope = sealed.envelope();
        let message = [b"libupdate bundle v1\0", &envelope[..envelope.len() - 100]].concat();
        assert_eq!(sealed.message(), message);
        assert_eq!(sealed.digest(), Digest::of(&[&message]));
        assert_eq!(sealed.digest(), Unverified::parse(envelope).unwrap().digest());
    }
}
