//! Prefix, manifest and signatures as bytes, before anything of them is trusted.

use embedded_io::{Read, ReadExactError};

use crate::bundle::prefix::{BLOCK_HEADER_BYTES, PREFIX_BYTES};
use crate::bundle::{Anchors, Features, Prefix, Signature, Verified, signature};
use crate::error::{BundleFault, Corrupt, Rule};
use crate::manifest::{Encoding, Manifest};
use crate::units::digest::Digest;
use crate::units::limits::ENVELOPE_BYTES;

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
    /// [`BundleFault`]: the source's own failure; `Truncated` where it ends early; what [`Unverified::parse`] refuses.
    pub fn read<R: Read + ?Sized>(source: &mut R, buf: &'a mut [u8; ENVELOPE_BYTES]) -> Result<Self, BundleFault> {
        let prefix = Prefix::parse(fill(source, buf, 0, PREFIX_BYTES)?.first_chunk().ok_or(Corrupt(Rule::Truncated))?)?;
        let block_at = prefix.signed_len();
        let header_end = block_at.saturating_add(BLOCK_HEADER_BYTES);
        let head = fill(source, buf, PREFIX_BYTES, header_end)?;
        let len = envelope_len(&prefix, head.get(block_at..).unwrap_or_default())?;
        fill(source, buf, header_end, len)?;
        Self::parse(buf.get(..len).ok_or(Corrupt(Rule::Truncated))?)
    }

    /// Takes `bytes`, the whole of them, as an envelope.
    ///
    /// # Errors
    /// [`BundleFault`], the first of: shorter than a prefix, [`Prefix::parse`]'s, too many signatures, reserved bytes, too long
    /// in all, shorter or longer than it says.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BundleFault> {
        let prefix = Prefix::parse(bytes.first_chunk().ok_or(Corrupt(Rule::Truncated))?)?;
        let (signed, signatures) = bytes.split_at_checked(prefix.signed_len()).ok_or(Corrupt(Rule::Truncated))?;
        let len = envelope_len(&prefix, signatures)?;
        if bytes.len() < len {
            return Err(Corrupt(Rule::Truncated).into());
        }
        if bytes.len() > len {
            return Err(Corrupt(Rule::TrailingBytes).into());
        }
        Ok(Self { envelope: bytes, signed, signatures, prefix })
    }

    /// Checks the signatures, and only then decodes the manifest.
    ///
    /// # Errors
    /// `NotEnoughSignatures`, `HighS`; then [`Manifest::decode`]'s and `ManifestFeatures`.
    pub fn verify(self, anchors: &Anchors) -> Result<Verified<'a>, Corrupt> {
        let features = self.prefix.features();
        let verified = self.verify_trailer(anchors)?;
        consistent(verified.manifest(), features)?;
        Ok(verified)
    }

    /// The same of what a slot keeps. Its feature bits are not judged: a slot holds whole images, however they came.
    pub(crate) fn verify_trailer(self, anchors: &Anchors) -> Result<Verified<'a>, Corrupt> {
        let digest = self.digest();
        let signers = anchors.signers(&digest, self.signatures())?;
        Ok(Verified::new(self.manifest()?, self.envelope, digest, signers))
    }

    /// The manifest **before any signature is checked**: to be shown to a person who asked, never to be acted on.
    ///
    /// # Errors
    /// [`Manifest::decode`]'s; `ManifestFeatures`.
    pub fn danger_manifest(&self) -> Result<Manifest<'a>, Corrupt> {
        let manifest = self.manifest()?;
        consistent(&manifest, self.prefix.features())?;
        Ok(manifest)
    }

    fn manifest(&self) -> Result<Manifest<'a>, Corrupt> {
        Manifest::decode(self.signed.get(PREFIX_BYTES..).unwrap_or_default())
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

/// The feature bits that the images of this manifest need, no more and no fewer; [`delta`](crate::bundle::delta) has one more.
#[must_use]
pub fn required_features(manifest: &Manifest<'_>) -> Features {
    if is_compressed(manifest) { Features::ZSTD } else { Features::NONE }
}

/// Whether the prefix has the bits of the manifest's images. That of a delta is judged by whoever installs it.
fn consistent(manifest: &Manifest<'_>, features: Features) -> Result<(), Corrupt> {
    let compressed = is_compressed(manifest);
    if compressed == features.has(Features::ZSTD) && (compressed || !features.has(Features::HINTS)) {
        Ok(())
    } else {
        Err(Corrupt(Rule::ManifestFeatures))
    }
}

fn is_compressed(manifest: &Manifest<'_>) -> bool {
    manifest.payloads().iter().any(|payload| matches!(payload.encoding(), Encoding::Zstd { .. }))
}

fn envelope_len(prefix: &Prefix, block: &[u8]) -> Result<usize, Corrupt> {
    let len = signature::block_len(block)?.saturating_add(prefix.signed_len());
    if len > ENVELOPE_BYTES {
        return Err(Corrupt(Rule::EnvelopeTooLong { claimed: u32::try_from(len).unwrap_or(u32::MAX) }));
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
    source.read_exact(buf.get_mut(from..to).ok_or(Corrupt(Rule::Truncated))?).map_err(|error| match error {
        ReadExactError::UnexpectedEof => BundleFault::Corrupt(Corrupt(Rule::Truncated)),
        ReadExactError::Other(cause) => BundleFault::Source(embedded_io::Error::kind(&cause)),
    })?;
    Ok(buf.get(..to).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::bundle::fixture;
    use crate::bundle::writer::Sealed;
    use crate::bundle::{Features, UpdaterVersion};
    use crate::error::Incompatible;

    const MANIFEST_AT: usize = PREFIX_BYTES;

    fn refusal(bytes: &[u8]) -> Option<BundleFault> {
        Unverified::parse(bytes).err()
    }

    fn corrupt(kind: Corrupt) -> Option<BundleFault> {
        Some(BundleFault::Corrupt(kind))
    }

    fn with(change: impl FnOnce(&mut Vec<u8>)) -> Option<BundleFault> {
        let mut bytes = fixture::envelope(&[1]);
        change(&mut bytes);
        refusal(&bytes)
    }

    fn put<const N: usize>(bytes: &mut [u8], at: usize, field: [u8; N]) {
        bytes[at..at + N].copy_from_slice(&field);
    }

    #[test]
    fn the_magic_comes_first() {
        assert_eq!(with(|bytes| bytes[7] = b'F'), corrupt(Corrupt(Rule::EnvelopeMagic)));
    }

    #[test]
    fn another_format_version_is_too_new_not_corrupt() {
        let found = |found| Some(BundleFault::Incompatible(Incompatible::FormatVersion { found }));
        assert_eq!(with(|bytes| put(bytes, 8, [2, 0])), found(2));
        assert_eq!(with(|bytes| put(bytes, 8, [0, 0])), found(0));
    }

    #[test]
    fn an_unknown_feature_bit_is_too_new_not_corrupt() {
        let expected = Incompatible::RequiredFeatures { unknown: 0x8000_0000_0000_0100 };
        let found = with(|bytes| put(bytes, 16, 0x8000_0000_0000_010f_u64.to_le_bytes()));
        assert_eq!(found, Some(BundleFault::Incompatible(expected)));
    }

    #[test]
    fn a_bundle_for_a_newer_updater_says_so() {
        let [major, minor, patch] = UpdaterVersion::THIS.0;
        let needed = |needed: [u16; 3]| {
            with(|bytes| {
                for (index, part) in needed.iter().enumerate() {
                    put(bytes, 24 + 2 * index, part.to_le_bytes());
                }
            })
        };
        let refused = |needed| Some(BundleFault::Incompatible(Incompatible::UpdaterTooOld { needed }));
        assert_eq!(needed([major, minor, patch]), None);
        assert_eq!(needed([0, 0, u16::MAX]), None);
        assert_eq!(needed([major, minor, patch + 1]), refused([major, minor, patch + 1]));
        assert_eq!(needed([major + 1, 0, 0]), refused([major + 1, 0, 0]));
    }

    #[test]
    fn the_prefix_has_one_length() {
        let kind = Corrupt(Rule::EnvelopePrefixLength { found: 48 });
        assert_eq!(with(|bytes| put(bytes, 10, [48, 0])), corrupt(kind));
    }

    #[test]
    fn reserved_bytes_of_the_prefix_are_zero() {
        for at in 30..40 {
            assert_eq!(with(|bytes| bytes[at] = 1), corrupt(Corrupt(Rule::EnvelopeReserved)), "byte {at}");
        }
    }

    #[test]
    fn a_manifest_that_does_not_fit_is_refused_by_its_length() {
        let too_long = |claimed| corrupt(Corrupt(Rule::EnvelopeTooLong { claimed }));
        assert_eq!(with(|bytes| put(bytes, 12, 8149_u32.to_le_bytes())), too_long(8149));
        assert_eq!(with(|bytes| put(bytes, 12, [0xff; 4])), too_long(u32::MAX));
        assert_eq!(with(|bytes| put(bytes, 12, 8148_u32.to_le_bytes())), corrupt(Corrupt(Rule::Truncated)));
    }

    #[test]
    fn more_than_eight_signatures_are_refused_by_their_count() {
        let mut bytes = fixture::envelope(&[1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(refusal(&bytes), None);
        let count_at = bytes.len() - 8 * 96 - 4;
        put(&mut bytes, count_at, 9_u16.to_le_bytes());
        assert_eq!(refusal(&bytes), corrupt(Corrupt(Rule::TooManySignatures { claimed: 9 })));
        put(&mut bytes, count_at, [0xff; 2]);
        assert_eq!(refusal(&bytes), corrupt(Corrupt(Rule::TooManySignatures { claimed: 65535 })));
    }

    #[test]
    fn reserved_bytes_of_the_signature_block_are_zero() {
        for back in [1, 2] {
            let at = fixture::envelope(&[1]).len() - 96 - back;
            assert_eq!(with(|bytes| bytes[at] = 1), corrupt(Corrupt(Rule::SignatureReserved)));
        }
    }

    #[test]
    fn manifest_and_signatures_share_one_bound() {
        let signatures = |manifest_len: u32| {
            let mut bytes = fixture::envelope(&[]);
            put(&mut bytes, 12, manifest_len.to_le_bytes());
            bytes.resize(PREFIX_BYTES + usize::try_from(manifest_len).unwrap(), 0);
            bytes.extend([8, 0, 0, 0]);
            bytes.resize(bytes.len() + 8 * 96, 0);
            refusal(&bytes)
        };
        assert_eq!(signatures(8192 - 40 - 4 - 8 * 96), None);
        assert_eq!(signatures(8192 - 40 - 4 - 8 * 96 + 1), corrupt(Corrupt(Rule::EnvelopeTooLong { claimed: 8193 })));
    }

    #[test]
    fn an_envelope_has_exactly_its_length() {
        let bytes = fixture::envelope(&[1]);
        for len in 0..bytes.len() {
            assert_eq!(refusal(&bytes[..len]), corrupt(Corrupt(Rule::Truncated)), "{len} bytes");
        }
        assert_eq!(with(|bytes| bytes.push(0)), corrupt(Corrupt(Rule::TrailingBytes)));
    }

    /// All rules broken at once, then mended one after the other: each failure masks all that come later.
    #[test]
    fn rules_are_judged_in_the_order_of_the_list() {
        let mut bytes = fixture::envelope(&[1]);
        let good = bytes.clone();
        let block_at = bytes.len() - 100;
        put(&mut bytes, 0, [0; 40]);
        put(&mut bytes, 12, [0xff; 8]);
        put(&mut bytes, 24, [0xff; 6]);
        bytes[39] = 1;
        put(&mut bytes, block_at, [0xff; 4]);
        bytes.push(0);
        let mut mend = |range: core::ops::Range<usize>, expected: Option<BundleFault>| {
            assert_eq!(refusal(&bytes), expected);
            bytes[range.clone()].copy_from_slice(&good[range]);
        };
        let newer = |kind| Some(BundleFault::Incompatible(kind));
        mend(0..8, corrupt(Corrupt(Rule::EnvelopeMagic)));
        mend(8..10, newer(Incompatible::FormatVersion { found: 0 }));
        mend(16..24, newer(Incompatible::RequiredFeatures { unknown: 0xffff_ffe0 }));
        mend(24..30, newer(Incompatible::UpdaterTooOld { needed: [u16::MAX; 3] }));
        mend(10..12, corrupt(Corrupt(Rule::EnvelopePrefixLength { found: 0 })));
        mend(30..40, corrupt(Corrupt(Rule::EnvelopeReserved)));
        mend(12..16, corrupt(Corrupt(Rule::EnvelopeTooLong { claimed: u32::MAX })));
        mend(block_at..block_at + 2, corrupt(Corrupt(Rule::TooManySignatures { claimed: u16::MAX })));
        mend(block_at + 2..block_at + 4, corrupt(Corrupt(Rule::SignatureReserved)));
        mend(0..0, corrupt(Corrupt(Rule::TrailingBytes)));
        bytes.pop();
        assert_eq!(refusal(&bytes), None);
    }

    /// Gives one byte at a time, and counts them.
    struct Trickle<'b> {
        bytes: &'b [u8],
        given: usize,
    }

    impl embedded_io::ErrorType for Trickle<'_> {
        type Error = embedded_io::ErrorKind;
    }

    impl Read for Trickle<'_> {
        fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
            let left = self.bytes.get(self.given..).ok_or(embedded_io::ErrorKind::ConnectionReset)?;
            let (Some(to), Some(from)) = (buf.first_mut(), left.first()) else { return Ok(0) };
            *to = *from;
            self.given += 1;
            Ok(1)
        }
    }

    #[test]
    fn reading_takes_the_envelope_and_not_one_byte_more() {
        for signers in [&[][..], &[1], &[1, 2, 3, 4, 5, 6, 7, 8]] {
            let envelope = fixture::envelope(signers);
            let bundle = [&envelope[..], b"payload"].concat();
            let mut source = Trickle { bytes: &bundle, given: 0 };
            let mut buf = [0xee; ENVELOPE_BYTES];
            let unverified = Unverified::read(&mut source, &mut buf).unwrap();
            assert_eq!(unverified.envelope(), envelope);
            assert_eq!(unverified.signatures().count(), signers.len());
            assert_eq!(source.given, envelope.len());
        }
    }

    #[test]
    fn a_source_that_ends_early_is_a_truncated_bundle() {
        let envelope = fixture::envelope(&[1]);
        for len in 0..envelope.len() {
            let mut buf = [0; ENVELOPE_BYTES];
            let found = Unverified::read(&mut &envelope[..len], &mut buf).err();
            assert_eq!(found, corrupt(Corrupt(Rule::Truncated)), "{len} bytes");
        }
    }

    #[test]
    fn a_source_that_fails_is_not_a_corrupt_bundle() {
        let mut source = Trickle { bytes: &[], given: 1 };
        let found = Unverified::read(&mut source, &mut [0; ENVELOPE_BYTES]).err();
        assert_eq!(found, Some(BundleFault::Source(embedded_io::ErrorKind::ConnectionReset)));
    }

    #[test]
    fn a_bad_prefix_stops_the_reading() {
        let mut source = Trickle { bytes: &[0; 100], given: 0 };
        let found = Unverified::read(&mut source, &mut [0; ENVELOPE_BYTES]).err();
        assert_eq!(found, corrupt(Corrupt(Rule::EnvelopeMagic)));
        assert_eq!(source.given, PREFIX_BYTES);
    }

    #[test]
    fn the_manifest_is_decoded_only_after_the_signatures_hold() {
        let mut bytes = fixture::envelope(&[1]);
        bytes[MANIFEST_AT] = 0xff;
        let unverified = Unverified::parse(&bytes).unwrap();
        let expected = Corrupt(Rule::NotEnoughSignatures { valid: 0, threshold: 1 });
        assert_eq!(unverified.verify(&fixture::anchors(&[1], 1)).err(), Some(expected));
        assert_eq!(unverified.danger_manifest(), Err(Corrupt(Rule::ManifestEncoding)));
    }

    /// A manifest that breaks a rule is refused even where it is signed.
    #[test]
    fn a_signed_manifest_is_judged_too() {
        let sealed = Sealed::new(&fixture::manifest(Encoding::Raw), UpdaterVersion::OLDEST).unwrap();
        let mut bytes = sealed.envelope().to_vec();
        bytes[MANIFEST_AT + 2] = b' ';
        let sealed = Sealed::from(&Unverified::parse(&bytes).unwrap()).signed_by(&[&fixture::key(1)]).unwrap();
        let unverified = Unverified::parse(sealed.envelope()).unwrap();
        assert_eq!(unverified.verify(&fixture::anchors(&[1], 1)).err(), Some(Corrupt(Rule::ManifestName)));
    }

    #[test]
    fn the_zstd_bit_is_set_exactly_for_zstd_payloads() {
        let zstd = Encoding::Zstd { first_page: Digest::new([1; 32]) };
        for (encoding, wrong) in [(Encoding::Raw, Features::ZSTD), (zstd, Features::NONE)] {
            let sealed = Sealed::new(&fixture::manifest(encoding), UpdaterVersion::OLDEST).unwrap();
            let mut bytes = sealed.envelope().to_vec();
            assert!(Unverified::parse(&bytes).unwrap().danger_manifest().is_ok());
            put(&mut bytes, 16, wrong.get().to_le_bytes());
            let found = Unverified::parse(&bytes).unwrap().danger_manifest();
            assert_eq!(found, Err(Corrupt(Rule::ManifestFeatures)));
        }
    }
}
