//! A bundle taken apart, to be broken in one place and put together again.
//!
//! ```text
//!  | prefix 40 | manifest | count 2, zero 2 | records, 96 each | payload ... |
//! ```
//! What signs here is not the writer of `libupdate`, which makes no bad bundle: bytes are laid one behind the other as
//! `docs/FORMAT.md` says.

use libupdate::Digest;
use libupdate::bundle::signature::DOMAIN;
use libupdate::bundle::writer::{LocalKey, Signer as _};

/// Bytes of the prefix.
pub const PREFIX: usize = 40;
/// Bytes of one signature with its key id.
pub const RECORD: usize = 96;

/// The parts of a bundle. Lengths in the prefix follow from the parts when they are signed or joined.
#[derive(Clone, Debug)]
pub struct BundleParts {
    /// The prefix.
    pub prefix: [u8; PREFIX],
    /// The manifest's encoding.
    pub manifest: Vec<u8>,
    /// Key id, r and s of each signature.
    pub records: Vec<[u8; RECORD]>,
    /// All that follows the envelope.
    pub payload: Vec<u8>,
}

impl BundleParts {
    /// Takes a good bundle apart.
    ///
    /// # Panics
    /// Where it is not one.
    #[must_use]
    pub fn of(bundle: &[u8]) -> Self {
        let prefix: [u8; PREFIX] = bundle[..PREFIX].try_into().expect("forty bytes");
        let (manifest, rest) = bundle[PREFIX..].split_at(number(&prefix[12..16]));
        let (records, payload) = rest[4..].split_at(number(&rest[..2]) * RECORD);
        let records = records.chunks(RECORD).map(|record| record.try_into().expect("a whole record")).collect();
        Self { prefix, manifest: manifest.to_vec(), records, payload: payload.to_vec() }
    }

    /// Where the signature block begins.
    #[must_use]
    pub fn block_at(&self) -> usize {
        PREFIX + self.manifest.len()
    }

    /// Where the payload begins.
    #[must_use]
    pub fn payload_at(&self) -> usize {
        self.block_at() + 4 + self.records.len() * RECORD
    }

    /// The record of `key` over prefix and manifest as they are.
    ///
    /// # Panics
    /// Where the key does not sign.
    #[must_use]
    pub fn record(&self, key: &LocalKey) -> [u8; RECORD] {
        let digest = Digest::of(&[DOMAIN, &self.prefix, &self.manifest]);
        let signature = key.sign(&digest).expect("a key in memory signs");
        let bytes = [&key.public_key().id().digest().as_bytes()[..], &signature].concat();
        bytes.try_into().expect("32 and 64 bytes")
    }

    /// The same with the manifest's true length in the prefix, signed by these keys and no others.
    ///
    /// # Panics
    /// Where the manifest is 4 GiB long.
    #[must_use]
    pub fn signed(mut self, keys: &[&LocalKey]) -> Self {
        let len = u32::try_from(self.manifest.len()).expect("manifests of tests are small");
        self.prefix[12..16].copy_from_slice(&len.to_le_bytes());
        self.records = keys.iter().map(|key| self.record(key)).collect();
        self
    }

    /// The bundle.
    ///
    /// # Panics
    /// Where there are 65536 records.
    #[must_use]
    pub fn joined(&self) -> Vec<u8> {
        let count = u16::try_from(self.records.len()).expect("bundles of tests have few signatures");
        let records = self.records.concat();
        [&self.prefix[..], &self.manifest, &count.to_le_bytes(), &[0; 2], &records, &self.payload].concat()
    }
}

/// A little-endian number.
fn number(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_apart_and_joined_is_the_same() {
        let mut bundle = vec![7; PREFIX + 5];
        bundle[12..16].copy_from_slice(&[5, 0, 0, 0]);
        bundle.extend([2, 0, 0, 0]);
        bundle.extend([9; 2 * RECORD + 3]);
        let parts = BundleParts::of(&bundle);
        assert_eq!((parts.records.len(), parts.payload.as_slice()), (2, [9; 3].as_slice()));
        assert_eq!((parts.block_at(), parts.payload_at()), (PREFIX + 5, PREFIX + 9 + 2 * RECORD));
        assert_eq!(parts.joined(), bundle);
        let key = LocalKey::from_scalar(&[3; 32]).expect("a small number is a key");
        let signed = parts.signed(&[&key]);
        assert_eq!(signed.records, [signed.record(&key)]);
    }
}
