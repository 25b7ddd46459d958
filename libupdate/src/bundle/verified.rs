//! Proof that enough trusted keys signed a manifest.

use crate::bundle::anchors::Signers;
use crate::bundle::{Features, KeyId, Prefix};
use crate::manifest::Manifest;
use crate::units::digest::Digest;

/// An envelope whose signatures hold, and its manifest. Only [`Unverified::verify`](super::Unverified::verify) makes one.
#[derive(Clone, Debug)]
#[must_use]
pub struct Verified<'a> {
    manifest: Manifest<'a>,
    envelope: &'a [u8],
    digest: Digest,
    signers: Signers,
}

impl<'a> Verified<'a> {
    pub(super) const fn new(manifest: Manifest<'a>, envelope: &'a [u8], digest: Digest, signers: Signers) -> Self {
        Self { manifest, envelope, digest, signers }
    }

    /// What was signed.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest<'a> {
        &self.manifest
    }

    /// The whole envelope, byte for byte: what the trailer repeats.
    #[must_use]
    pub const fn envelope(&self) -> &'a [u8] {
        self.envelope
    }

    /// The feature bits of the envelope.
    #[must_use]
    pub fn features(&self) -> Features {
        let prefix = self.envelope.first_chunk().and_then(|prefix| Prefix::parse(prefix).ok());
        prefix.map_or(Features::NONE, |prefix| prefix.features())
    }

    /// The manifest digest: the identity of the bundle.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The trusted keys that signed, each once.
    #[must_use]
    pub fn signers(&self) -> &[KeyId] {
        &self.signers
    }
}
