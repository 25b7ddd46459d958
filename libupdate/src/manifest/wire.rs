//! The manifest's encoding: the fields in the order of [`decode`], the structs here field by field, are the format.
//!
//! Nothing here holds a whole manifest: each value is decoded, compared with its only encoding, and given back.

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use crate::error::{Corrupt, Rule};
use crate::manifest::{self, Encoding, ExtensionId, List, Manifest, Name, Statement};
use crate::units::block::ByteLen;
use crate::units::digest::{DIGEST_BYTES, Digest, RootHash, Salt};
use crate::units::limits::{COMPATIBLES, EXTENSIONS, PAYLOADS};
use crate::units::time::UnixSeconds;

const RAW: u8 = 0;
const ZSTD: u8 = 1;
const NO_PAGE: [u8; DIGEST_BYTES] = [0; DIGEST_BYTES];

/// An item of a list: what is encoded of it, and the rules that make a value of that.
pub trait Item<'a>: Copy {
    /// Decoded but not judged.
    type Wire: Serialize + Deserialize<'a>;

    /// The rules of a single value.
    fn judged(wire: &Self::Wire) -> Result<Self, Corrupt>;

    /// What is encoded.
    fn wire(&self) -> Self::Wire;
}

#[derive(Serialize, Deserialize)]
pub struct Payload<'a> {
    role: &'a str,
    image_len: u64,
    data_blocks: u64,
    salt: &'a [u8],
    root_hash: [u8; DIGEST_BYTES],
    encoding: u8,
    first_page: [u8; DIGEST_BYTES],
}

#[derive(Serialize, Deserialize)]
pub struct Extension<'a> {
    id: u16,
    bytes: &'a [u8],
}

/// Decodes the whole of `encoded`, which must be the canonical encoding, and judges each value by itself.
pub(super) fn decode(encoded: &[u8]) -> Result<Manifest<'_>, Corrupt> {
    let mut reader = Reader { rest: encoded, canonical: true };
    let compatibles = reader.list::<Name<'_>>(COMPATIBLES)?;
    let version = reader.value::<&str>()?;
    let rollback_index = reader.value()?;
    let build_time = UnixSeconds::new(reader.value()?);
    let payloads = reader.list::<manifest::Payload<'_>>(PAYLOADS)?;
    let extensions = reader.list::<manifest::Extension<'_>>(EXTENSIONS)?;
    reader.end()?;
    judge(&compatibles)?;
    let version = Name::new(version)?;
    judge(&payloads)?;
    judge(&extensions)?;
    Ok(Manifest { encoded, compatibles, version, rollback_index, build_time, payloads, extensions })
}

/// Encodes to the start of `out` and gives that part back.
pub(super) fn encode<'o>(statement: &Statement<'_, '_>, out: &'o mut [u8]) -> Result<&'o [u8], Corrupt> {
    let mut writer = Writer { out, used: 0 };
    writer.list(statement.compatibles)?;
    writer.value(&statement.version.as_str())?;
    writer.value(&statement.rollback_index)?;
    writer.value(&statement.build_time.get())?;
    writer.list(statement.payloads)?;
    writer.list(statement.extensions)?;
    writer.out.get(..writer.used).ok_or(Corrupt(Rule::ManifestTooLong))
}

/// The item that `encoded` begins with, and what follows it.
// Not inlined: what it decodes is given back before the caller goes on.
#[inline(never)]
pub(super) fn item<'a, T: Item<'a>>(encoded: &'a [u8]) -> Result<(T, &'a [u8]), Corrupt> {
    let (wire, rest) = postcard::take_from_bytes(encoded).map_err(|_| Corrupt(Rule::ManifestEncoding))?;
    Ok((T::judged(&wire)?, rest))
}

fn judge<'a, T: Item<'a>>(list: &List<'a, T>) -> Result<(), Corrupt> {
    let mut rest = list.encoded();
    for _ in 0..list.len() {
        (_, rest) = item::<T>(rest)?;
    }
    Ok(())
}

/// Values one after the other.
struct Reader<'a> {
    rest: &'a [u8],
    /// Whether each value so far was in its only encoding.
    canonical: bool,
}

impl<'a> Reader<'a> {
    #[inline(never)]
    fn value<T: Serialize + Deserialize<'a>>(&mut self) -> Result<T, Corrupt> {
        let (value, rest) = postcard::take_from_bytes::<T>(self.rest).map_err(|_| Corrupt(Rule::ManifestEncoding))?;
        let used = self.rest.get(..self.rest.len().saturating_sub(rest.len())).unwrap_or_default();
        self.canonical &= postcard::serialize_with_flavor(&value, Compare { rest: used }).is_ok();
        self.rest = rest;
        Ok(value)
    }

    fn list<T: Item<'a>>(&mut self, bound: usize) -> Result<List<'a, T>, Corrupt> {
        let claimed = self.value::<u64>()?;
        let (start, mut len) = (self.rest, 0_usize);
        for _ in 0..claimed {
            self.value::<T::Wire>()?;
            len = len.saturating_add(1);
            if len > bound {
                return Err(Corrupt(Rule::ManifestTooMany));
            }
        }
        let used = start.len().saturating_sub(self.rest.len());
        Ok(List::new(start.get(..used).unwrap_or_default(), len))
    }

    const fn end(&self) -> Result<(), Corrupt> {
        match (self.rest.is_empty(), self.canonical) {
            (false, _) => Err(Corrupt(Rule::ManifestTrailingBytes)),
            (true, false) => Err(Corrupt(Rule::ManifestNotCanonical)),
            (true, true) => Ok(()),
        }
    }
}

struct Writer<'o> {
    out: &'o mut [u8],
    used: usize,
}

impl Writer<'_> {
    fn value<T: Serialize>(&mut self, value: &T) -> Result<(), Corrupt> {
        let room = self.out.get_mut(self.used..).unwrap_or_default();
        let used = postcard::to_slice(value, room).map_err(|_| Corrupt(Rule::ManifestTooLong))?;
        self.used = self.used.saturating_add(used.len());
        Ok(())
    }

    fn list<'a, T: Item<'a>>(&mut self, items: &[T]) -> Result<(), Corrupt> {
        self.value(&items.len())?;
        items.iter().try_for_each(|item| self.value(&item.wire()))
    }
}

impl<'a> Item<'a> for Name<'a> {
    type Wire = &'a str;

    fn judged(wire: &Self::Wire) -> Result<Self, Corrupt> {
        Self::new(wire)
    }

    fn wire(&self) -> Self::Wire {
        self.as_str()
    }
}

impl<'a> Item<'a> for manifest::Payload<'a> {
    type Wire = Payload<'a>;

    fn judged(wire: &Self::Wire) -> Result<Self, Corrupt> {
        let role = Name::new(wire.role)?;
        let salt = Salt::new(wire.salt).ok_or(Corrupt(Rule::ManifestSalt))?;
        let encoding = match (wire.encoding, wire.first_page) {
            (RAW, NO_PAGE) => Encoding::Raw,
            (RAW, _) => return Err(Corrupt(Rule::ManifestFirstPage)),
            (ZSTD, digest) => Encoding::Zstd { first_page: Digest::new(digest) },
            (encoding, _) => return Err(Corrupt(Rule::ManifestPayloadEncoding { encoding })),
        };
        let root_hash = RootHash::new(Digest::new(wire.root_hash));
        let payload = Self::new(role, ByteLen::new(wire.image_len), salt, root_hash, encoding)?;
        if payload.data_blocks() != wire.data_blocks {
            let (image_len, data_blocks) = (wire.image_len, wire.data_blocks);
            return Err(Corrupt(Rule::ManifestImageLength { image_len, data_blocks }));
        }
        Ok(payload)
    }

    fn wire(&self) -> Self::Wire {
        let (encoding, first_page) = match self.encoding() {
            Encoding::Raw => (RAW, NO_PAGE),
            Encoding::Zstd { first_page } => (ZSTD, *first_page.as_bytes()),
        };
        Payload {
            role: self.role().as_str(),
            image_len: self.image_len().get(),
            data_blocks: self.data_blocks(),
            salt: self.salt().as_bytes(),
            root_hash: *self.root_hash().digest().as_bytes(),
            encoding,
            first_page,
        }
    }
}

impl<'a> Item<'a> for manifest::Extension<'a> {
    type Wire = Extension<'a>;

    fn judged(wire: &Self::Wire) -> Result<Self, Corrupt> {
        Self::new(ExtensionId(wire.id), wire.bytes)
    }

    fn wire(&self) -> Self::Wire {
        Extension { id: self.id().0, bytes: self.bytes() }
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
