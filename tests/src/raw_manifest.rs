//! A manifest as its fields, none of them judged: what a bad manifest is made from.
//!
//! The encoding is postcard's, written by hand: numbers as varints, and a length in front of every string and list.

use libupdate::manifest::{Encoding, Manifest};

/// The fields.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RawManifest {
    /// Devices it is for.
    pub compatible: Vec<Vec<u8>>,
    /// Version.
    pub version: Vec<u8>,
    /// Rollback index.
    pub rollback_index: u64,
    /// Build time.
    pub build_time: u64,
    /// Images.
    pub payloads: Vec<RawPayload>,
    /// Extensions: id and bytes.
    pub extensions: Vec<(u16, Vec<u8>)>,
}

/// The fields of one image.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RawPayload {
    /// Role.
    pub role: Vec<u8>,
    /// Bytes of the image.
    pub image_len: u64,
    /// Blocks of the image.
    pub data_blocks: u64,
    /// Salt.
    pub salt: Vec<u8>,
    /// Root hash.
    pub root_hash: [u8; 32],
    /// 0 raw, 1 zstd.
    pub encoding: u8,
    /// Digest of the first index page.
    pub first_page: [u8; 32],
}

impl RawManifest {
    /// The fields of a good manifest.
    ///
    /// # Panics
    /// Where it is not one.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let manifest = Manifest::decode(bytes).expect("a good manifest");
        let payload = |payload: libupdate::manifest::Payload<'_>| RawPayload {
            role: payload.role().as_str().into(),
            image_len: payload.image_len().get(),
            data_blocks: payload.data_blocks(),
            salt: payload.salt().as_bytes().into(),
            root_hash: *payload.root_hash().digest().as_bytes(),
            encoding: u8::from(payload.encoding() != Encoding::Raw),
            first_page: match payload.encoding() {
                Encoding::Raw => [0; 32],
                Encoding::Zstd { first_page } => *first_page.as_bytes(),
            },
        };
        Self {
            compatible: manifest.compatibles().iter().map(|name| name.as_str().into()).collect(),
            version: manifest.version().as_str().into(),
            rollback_index: manifest.rollback_index(),
            build_time: manifest.build_time().get(),
            payloads: manifest.payloads().iter().map(payload).collect(),
            extensions: manifest.extensions().iter().map(|one| (one.id().0, one.bytes().to_vec())).collect(),
        }
    }

    /// The encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        list(&mut out, &self.compatible, |out, name| bytes(out, name));
        bytes(&mut out, &self.version);
        varint(&mut out, self.rollback_index);
        varint(&mut out, self.build_time);
        list(&mut out, &self.payloads, |out, payload| payload.encode(out));
        list(&mut out, &self.extensions, |out, (id, value)| {
            varint(out, u64::from(*id));
            bytes(out, value);
        });
        out
    }
}

impl RawPayload {
    fn encode(&self, out: &mut Vec<u8>) {
        bytes(out, &self.role);
        varint(out, self.image_len);
        varint(out, self.data_blocks);
        bytes(out, &self.salt);
        out.extend(self.root_hash);
        out.push(self.encoding);
        out.extend(self.first_page);
    }
}

fn list<T>(out: &mut Vec<u8>, items: &[T], mut item: impl FnMut(&mut Vec<u8>, &T)) {
    len(out, items.len());
    items.iter().for_each(|one| item(out, one));
}

fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    len(out, value.len());
    out.extend(value);
}

fn len(out: &mut Vec<u8>, value: usize) {
    varint(out, u64::try_from(value).expect("a length fits 64 bits"));
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7f).expect("seven bits");
        value >>= 7;
        out.push(if value > 0 { low | 0x80 } else { low });
        if value == 0 {
            return;
        }
    }
}
