//! The manifest's encoding: these structs, field by field, are the format.
//!
//! Values of this module are decoded but not judged; [`Manifest::judged`] makes the public types of them.

use heapless::Vec;
use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use crate::block::ByteLen;
use crate::digest::{DIGEST_BYTES, Digest, RootHash, Salt};
use crate::error::Corrupt;
use crate::limits::{COMPATIBLES, EXTENSIONS, PAYLOADS};
use crate::manifest::{self, Encoding, ExtensionId, Name};
use crate::time::UnixSeconds;

const RAW: u8 = 0;
const ZSTD: u8 = 1;
const NO_PAGE: [u8; DIGEST_BYTES] = [0; DIGEST_BYTES];

#[derive(Serialize, Deserialize)]
pub(super) struct Manifest<'a> {
    #[serde(borrow)]
    compatible: Vec<&'a str, COMPATIBLES>,
    version: &'a str,
    rollback_index: u64,
    build_time: u64,
    payloads: Vec<Payload<'a>, PAYLOADS>,
    extensions: Vec<Extension<'a>, EXTENSIONS>,
}

#[derive(Serialize, Deserialize)]
struct Payload<'a> {
    role: &'a str,
    image_len: u64,
    data_blocks: u64,
    salt: &'a [u8],
    root_hash: [u8; DIGEST_BYTES],
    encoding: u8,
    first_page: [u8; DIGEST_BYTES],
}

#[derive(Serialize, Deserialize)]
struct Extension<'a> {
    id: u16,
    bytes: &'a [u8],
}

impl<'a> Manifest<'a> {
    /// Decodes the whole of `bytes`, which must be the canonical encoding.
    // Not inlined, like `judged`: the two frames would add up on a small stack.
    #[inline(never)]
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, Corrupt> {
        let (manifest, rest) = postcard::take_from_bytes::<Self>(bytes).map_err(|error| match error {
            // The bounded lists are the only part of these structs that raises a custom error.
            postcard::Error::SerdeDeCustom => Corrupt::ManifestTooMany,
            _ => Corrupt::ManifestEncoding,
        })?;
        if !rest.is_empty() {
            return Err(Corrupt::ManifestTrailingBytes);
        }
        postcard::serialize_with_flavor(&manifest, Compare { rest: bytes })
            .map_err(|_| Corrupt::ManifestNotCanonical)?;
        Ok(manifest)
    }

    pub(super) fn encode(&self, out: &mut [u8]) -> Result<usize, Corrupt> {
        postcard::to_slice(self, out).map(|used| used.len()).map_err(|_| Corrupt::ManifestTooLong)
    }

    /// The rules of single values, in the order of the fields.
    #[inline(never)]
    pub(super) fn judged(&self) -> Result<manifest::Manifest<'a>, Corrupt> {
        Ok(manifest::Manifest {
            compatibles: self.compatible.iter().map(|text| Name::new(text)).collect::<Result<_, _>>()?,
            version: Name::new(self.version)?,
            rollback_index: self.rollback_index,
            build_time: UnixSeconds::new(self.build_time),
            payloads: self.payloads.iter().map(Payload::judged).collect::<Result<_, _>>()?,
            extensions: self.extensions.iter().map(Extension::judged).collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn of(manifest: &manifest::Manifest<'a>) -> Self {
        Self {
            compatible: manifest.compatibles.iter().map(Name::as_str).collect(),
            version: manifest.version.as_str(),
            rollback_index: manifest.rollback_index,
            build_time: manifest.build_time.get(),
            payloads: manifest.payloads.iter().map(Payload::of).collect(),
            extensions: manifest.extensions.iter().map(Extension::of).collect(),
        }
    }
}

impl<'a> Payload<'a> {
    fn judged(&self) -> Result<manifest::Payload<'a>, Corrupt> {
        let role = Name::new(self.role)?;
        let salt = Salt::new(self.salt).ok_or(Corrupt::ManifestSalt)?;
        let encoding = match (self.encoding, self.first_page) {
            (RAW, NO_PAGE) => Encoding::Raw,
            (RAW, _) => return Err(Corrupt::ManifestFirstPage),
            (ZSTD, digest) => Encoding::Zstd { first_page: Digest::new(digest) },
            (encoding, _) => return Err(Corrupt::ManifestPayloadEncoding { encoding }),
        };
        let root_hash = RootHash::new(Digest::new(self.root_hash));
        let payload = manifest::Payload::new(role, ByteLen::new(self.image_len), salt, root_hash, encoding)?;
        if payload.data_blocks() != self.data_blocks {
            let (image_len, data_blocks) = (self.image_len, self.data_blocks);
            return Err(Corrupt::ManifestImageLength { image_len, data_blocks });
        }
        Ok(payload)
    }

    fn of(payload: &manifest::Payload<'a>) -> Self {
        let (encoding, first_page) = match payload.encoding() {
            Encoding::Raw => (RAW, NO_PAGE),
            Encoding::Zstd { first_page } => (ZSTD, *first_page.as_bytes()),
        };
        Self {
            role: payload.role().as_str(),
            image_len: payload.image_len().get(),
            data_blocks: payload.data_blocks(),
            salt: payload.salt().as_bytes(),
            root_hash: *payload.root_hash().digest().as_bytes(),
            encoding,
            first_page,
        }
    }
}

impl<'a> Extension<'a> {
    fn judged(&self) -> Result<manifest::Extension<'a>, Corrupt> {
        manifest::Extension::new(ExtensionId(self.id), self.bytes)
    }

    fn of(extension: &manifest::Extension<'a>) -> Self {
        Self { id: extension.id().0, bytes: extension.bytes() }
    }
}

/// A serialisation that goes nowhere: it fails at the first byte that is not the expected one.
struct Compare<'a> {
    rest: &'a [u8],
}

impl Flavor for Compare<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        match self.rest.split_first() {
            Some((expected, rest)) if *expected == byte => {
                self.rest = rest;
                Ok(())
            }
            _ => Err(postcard::Error::SerializeBufferFull),
        }
    }

    fn finalize(self) -> postcard::Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(postcard::Error::SerializeBufferFull) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a decoder that is more lenient than today's would need: bytes of the same length that differ.
    #[test]
    fn the_comparison_sees_every_byte_and_both_ends() {
        let same = |bytes: &[u8]| postcard::serialize_with_flavor(&(1_u8, "ab"), Compare { rest: bytes }).is_ok();
        assert!(same(&[1, 2, b'a', b'b']));
        for other in [&[1, 2, b'a'][..], &[1, 2, b'a', b'b', 0], &[0, 2, b'a', b'b'], &[1, 2, b'a', b'c']] {
            assert!(!same(other), "{other:?}");
        }
    }
}
