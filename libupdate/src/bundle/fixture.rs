//! Envelopes for the unit tests of this folder.

use std::vec::Vec;

use crate::bundle::writer::{LocalKey, Sealed, Signer};
use crate::bundle::{Anchors, PublicKey, UpdaterVersion};
use crate::manifest::{Encoding, Manifest, Name, Payload, Statement};
use crate::units::block::ByteLen;
use crate::units::digest::{Digest, RootHash, Salt};
use crate::units::time::UnixSeconds;

/// The key of this secret number.
pub fn key(secret: u8) -> LocalKey {
    LocalKey::from_scalar(&[secret; 32]).unwrap()
}

/// Trusts the keys of these secret numbers.
pub fn anchors(secrets: &[u8], threshold: usize) -> Anchors {
    let keys: Vec<PublicKey> = secrets.iter().map(|secret| *key(*secret).public_key()).collect();
    Anchors::new(&keys, threshold.try_into().unwrap()).unwrap()
}

/// One payload of `image_len` bytes.
pub fn payload(image_len: u64, encoding: Encoding) -> Payload<'static> {
    let root_hash = RootHash::new(Digest::new([0xaa; 32]));
    let salt = Salt::new(b"salt").unwrap();
    Payload::new(Name::new("root").unwrap(), ByteLen::new(image_len), salt, root_hash, encoding).unwrap()
}

pub fn manifest(encoding: Encoding) -> Manifest<'static> {
    let statement = Statement {
        compatibles: &[Name::new("acme-box").unwrap()],
        version: Name::new("1.0").unwrap(),
        rollback_index: 1,
        build_time: UnixSeconds::UNKNOWN,
        payloads: &[payload(4096, encoding)],
        extensions: &[],
    };
    let out = std::vec![0; 256].leak();
    Manifest::new(&statement, out).unwrap()
}

/// An envelope signed with the keys of these secret numbers.
pub fn envelope(secrets: &[u8]) -> Vec<u8> {
    let keys: Vec<LocalKey> = secrets.iter().map(|secret| key(*secret)).collect();
    let signers: Vec<&dyn Signer> = keys.iter().map(|key| -> &dyn Signer { key }).collect();
    let sealed = Sealed::new(&manifest(Encoding::Raw), UpdaterVersion::OLDEST).unwrap();
    sealed.signed_by(&signers).unwrap().envelope().to_vec()
}
