//! Prefix, manifest and signatures as bytes, before anything of them is trusted.

use embedded_io::{Read, ReadExactError};

use crate::bundle::prefix::{BLOCK_HEADER_BYTES, PREFIX_BYTES};
use crate::bundle::{Anchors, Features, Prefix, Signature, Verified, signature};
use crate::digest::Digest;
use crate::error::{BundleFault, Corrupt};
use crate::limits::ENVELOPE_BYTES;
use crate::manifest::{Encoding, Manifest};

/// An envelope whose layout is right and whose signatures nobody has checked.
///
/// # Invariants
/// The bytes are one envelope exactly: prefix, manifest of the length it says, signature block of the count it says.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Unverified<'a> {
    envelope: &'a [u8],
    signed: &'a [u8],
    signatures: &'a [u8],
    prefix: Prefix,
}

impl<'a> Unverified<'a> {
    /// Reads an envelope from the start of a bundle, and not one byte of what follows it.
    ///
    /// # Errors
    /// [`BundleFault`]: the source's own failure; [`Corrupt::Truncated`] where it ends early; what [`Unverified::parse`] refuses.
    pub fn read<R: Read + ?Sized>(source: &mut R, buf: &'a mut [u8; ENVELOPE_BYTES]) -> Result<Self, BundleFault> {
        let prefix = Prefix::parse(fill(source, buf, 0, PREFIX_BYTES)?.first_chunk().ok_or(Corrupt::Truncated)?)?;
        let block_at = prefix.signed_len();
        let header_end = block_at.saturating_add(BLOCK_HEADER_BYTES);
        let head = fill(source, buf, PREFIX_BYTES, header_end)?;
        let len = envelope_len(&prefix, head.get(block_at..).unwrap_or_default())?;
        fill(source, buf, header_end, len)?;
        Self::parse(buf.get(..len).ok_or(Corrupt::Truncated)?)
    }

    /// Takes `bytes`, the whole of them, as an envelope.
    ///
    /// # Errors
    /// [`BundleFault`], the first of: shorter than a prefix, [`Prefix::parse`]'s, too many signatures, reserved bytes, too long
    /// in all, shorter or longer than it says.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BundleFault> {
        let prefix = Prefix::parse(bytes.first_chunk().ok_or(Corrupt::Truncated)?)?;
        let (signed, signatures) = bytes.split_at_checked(prefix.signed_len()).ok_or(Corrupt::Truncated)?;
        let len = envelope_len(&prefix, signatures)?;
        if bytes.len() < len {
            return Err(Corrupt::Truncated.into());
        }
        if bytes.len() > len {
            return Err(Corrupt::TrailingBytes.into());
        }
        Ok(Self { envelope: bytes, signed, signatures, prefix })
    }

    /// Checks the signatures, and only then decodes the manifest.
    ///
    /// # Errors
    /// [`Corrupt::NotEnoughSignatures`], [`Corrupt::HighS`]; then [`Manifest::decode`]'s and [`Corrupt::ManifestFeatures`].
    pub fn verify(self, anchors: &Anchors) -> Result<Verified<'a>, Corrupt> {
        let digest = self.digest();
        let signers = anchors.signers(&digest, self.signatures())?;
        Ok(Verified::new(self.danger_manifest()?, self.envelope, digest, signers))
    }

    /// The manifest **before any signature is checked**: to be shown to a person who asked, never to be acted on.
    ///
    /// # Errors
    /// [`Manifest::decode`]'s; [`Corrupt::ManifestFeatures`].
    pub fn danger_manifest(&self) -> Result<Manifest<'a>, Corrupt> {
        let manifest = Manifest::decode(self.signed.get(PREFIX_BYTES..).unwrap_or_default())?;
        if required_features(&manifest) != self.prefix.features() {
            return Err(Corrupt::ManifestFeatures);
        }
        Ok(manifest)
    }

    /// The signatures, checked by nobody.
    pub fn signatures(&self) -> impl Iterator<Item = Signature<'a>> + use<'a> {
        signature::iter(self.signatures)
    }

    /// The manifest digest: what is signed, and the identity of the bundle.
    #[must_use]
    pub fn digest(&self) -> Digest {
        signature::message_digest(self.signed)
    }

    /// The bytes after the domain string in the signed message: prefix and manifest.
    #[must_use]
    pub const fn signed_bytes(&self) -> &'a [u8] {
        self.signed
    }

    /// The whole envelope.
    #[must_use]
    pub const fn envelope(&self) -> &'a [u8] {
        self.envelope
    }

    /// The prefix.
    #[must_use]
    pub const fn prefix(&self) -> &Prefix {
        &self.prefix
    }
}

/// The feature bits that a bundle with this manifest has, no more and no fewer.
#[must_use]
pub fn required_features(manifest: &Manifest<'_>) -> Features {
    let zstd = manifest.payloads().iter().any(|payload| matches!(payload.encoding(), Encoding::Zstd { .. }));
    if zstd { Features::ZSTD } else { Features::NONE }
}

fn envelope_len(prefix: &Prefix, block: &[u8]) -> Result<usize, Corrupt> {
    let len = signature::block_len(block)?.saturating_add(prefix.signed_len());
    if len > ENVELOPE_BYTES {
        return Err(Corrupt::EnvelopeTooLong { claimed: u32::try_from(len).unwrap_or(u32::MAX) });
    }
    Ok(len)
}

/// Reads `from..to` of the envelope and hands out all that there is of it so far.
fn fill<'b, R: Read + ?Sized>(
    source: &mut R,
    buf: &'b mut [u8; ENVELOPE_BYTES],
    from: usize,
    to: usize,
) -> Result<&'b [u8], BundleFault> {
    source.read_exact(buf.get_mut(from..to).ok_or(Corrupt::Truncated)?).map_err(|error| match error {
        ReadExactError::UnexpectedEof => BundleFault::Corrupt(Corrupt::Truncated),
        ReadExactError::Other(cause) => BundleFault::Source(embedded_io::Error::kind(&cause)),
    })?;
    Ok(buf.get(..to).unwrap_or_default())
}
