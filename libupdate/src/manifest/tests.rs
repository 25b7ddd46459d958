use std::vec;
use std::vec::Vec;

use super::*;
use crate::units::block::ByteLen;
use crate::units::digest::{Digest, RootHash, Salt};

/// A manifest put together byte by byte, so that each rule can be broken and so that postcard has a second opinion.
#[derive(Clone)]
struct Raw {
    compatible: Vec<Vec<u8>>,
    version: Vec<u8>,
    rollback_index: Vec<u8>,
    build_time: Vec<u8>,
    payloads: Vec<RawPayload>,
    extensions: Vec<(Vec<u8>, Vec<u8>)>,
    after: Vec<u8>,
}

#[derive(Clone)]
struct RawPayload {
    role: Vec<u8>,
    image_len: u64,
    data_blocks: u64,
    salt: Vec<u8>,
    encoding: u8,
    first_page: [u8; 32],
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

fn prefixed(bytes: &[u8]) -> Vec<u8> {
    [varint(bytes.len() as u64), bytes.to_vec()].concat()
}

impl Raw {
    fn good() -> Self {
        Self {
            compatible: vec![b"acme-box".to_vec(), b"acme-box+2".to_vec()],
            version: b"1.2.3~rc1".to_vec(),
            rollback_index: varint(300),
            build_time: varint(1_700_000_000),
            payloads: vec![
                RawPayload {
                    role: b"root".to_vec(),
                    image_len: 4097,
                    data_blocks: 2,
                    salt: vec![9; 32],
                    encoding: 0,
                    first_page: [0; 32],
                },
                RawPayload {
                    role: b"boot".to_vec(),
                    image_len: 1 << 47,
                    data_blocks: 1 << 35,
                    salt: vec![],
                    encoding: 1,
                    first_page: [5; 32],
                },
            ],
            extensions: vec![(varint(7), b"seven".to_vec()), (varint(65535), vec![])],
            after: vec![],
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = varint(self.compatible.len() as u64);
        self.compatible.iter().for_each(|name| out.extend(prefixed(name)));
        out.extend(prefixed(&self.version));
        out.extend(&self.rollback_index);
        out.extend(&self.build_time);
        out.extend(varint(self.payloads.len() as u64));
        for payload in &self.payloads {
            out.extend(prefixed(&payload.role));
            out.extend(varint(payload.image_len));
            out.extend(varint(payload.data_blocks));
            out.extend(prefixed(&payload.salt));
            out.extend([0xaa; 32]);
            out.push(payload.encoding);
            out.extend(payload.first_page);
        }
        out.extend(varint(self.extensions.len() as u64));
        for (id, bytes) in &self.extensions {
            out.extend(id);
            out.extend(prefixed(bytes));
        }
        out.extend(&self.after);
        out
    }

    fn refusal(&self) -> Option<Corrupt> {
        Manifest::decode(&self.bytes()).err()
    }

    fn broken(change: impl FnOnce(&mut Self)) -> Option<Corrupt> {
        let mut raw = Self::good();
        change(&mut raw);
        raw.refusal()
    }
}

#[test]
fn every_field_arrives() {
    let bytes = Raw::good().bytes();
    let manifest = Manifest::decode(&bytes).unwrap();
    assert_eq!(
        manifest.compatibles().iter().collect::<Vec<_>>(),
        [Name::new("acme-box").unwrap(), Name::new("acme-box+2").unwrap()]
    );
    assert_eq!(manifest.version().as_str(), "1.2.3~rc1");
    assert_eq!(manifest.rollback_index(), 300);
    assert_eq!(manifest.build_time(), UnixSeconds::new(1_700_000_000));
    let root = manifest.payload("root").unwrap();
    assert_eq!(root.image_len(), ByteLen::new(4097));
    assert_eq!(root.data_blocks(), 2);
    assert_eq!(root.salt(), Salt::new(&[9; 32]).unwrap());
    assert_eq!(root.root_hash(), RootHash::new(Digest::new([0xaa; 32])));
    assert_eq!(root.encoding(), Encoding::Raw);
    let boot = manifest.payloads().get(1).unwrap();
    assert_eq!(boot.role().as_str(), "boot");
    assert_eq!(boot.encoding(), Encoding::Zstd { first_page: Digest::new([5; 32]) });
    assert_eq!(manifest.payload("data"), None);
    assert_eq!(manifest.extensions().first(), Some(Extension::new(ExtensionId(7), b"seven").unwrap()));
    assert_eq!((manifest.extensions().len(), manifest.extensions().get(2)), (2, None));
}

#[test]
fn encoding_gives_the_same_bytes_as_by_hand() {
    let bytes = Raw::good().bytes();
    let manifest = Manifest::decode(&bytes).unwrap();
    assert_eq!(again(&manifest, &mut [0; 1024]).map(|again| again.encoded().to_vec()), Ok(bytes.clone()));
    assert_eq!(again(&manifest, &mut [0; 1024]), Ok(manifest));
    assert_eq!(again(&manifest, &mut vec![0; bytes.len()]), Ok(manifest));
    assert_eq!(again(&manifest, &mut vec![0; bytes.len() - 1]), Err(Corrupt(Rule::ManifestTooLong)));
}

/// A manifest of the values of `manifest`.
fn again<'o>(manifest: &Manifest<'_>, out: &'o mut [u8]) -> Result<Manifest<'o>, Corrupt> {
    let statement = Statement {
        compatibles: &manifest.compatibles().iter().collect::<Vec<_>>(),
        version: manifest.version(),
        rollback_index: manifest.rollback_index(),
        build_time: manifest.build_time(),
        payloads: &manifest.payloads().iter().collect::<Vec<_>>(),
        extensions: &manifest.extensions().iter().collect::<Vec<_>>(),
    };
    Manifest::new(&statement, out)
}

#[test]
fn a_manifest_that_ends_early_is_refused() {
    let bytes = Raw::good().bytes();
    for len in 0..bytes.len() {
        assert_eq!(Manifest::decode(&bytes[..len]), Err(Corrupt(Rule::ManifestEncoding)), "{len} bytes");
    }
}

#[test]
fn a_string_that_is_not_utf_8_is_refused() {
    assert_eq!(Raw::broken(|raw| raw.version = vec![0xff, 0xfe]), Some(Corrupt(Rule::ManifestEncoding)));
}

#[test]
fn lists_over_their_bound_are_refused() {
    let too_many = Some(Corrupt(Rule::ManifestTooMany));
    let mut full = Raw::good();
    full.compatible = (0..8).map(|n| std::format!("box-{n}").into_bytes()).collect();
    full.payloads = (0..8)
        .map(|n| RawPayload { role: std::format!("role-{n}").into_bytes(), ..full.payloads[0].clone() })
        .collect();
    full.extensions = (0..8).map(|n| (varint(n), vec![])).collect();
    assert_eq!(full.refusal(), None);

    let mut raw = full.clone();
    raw.compatible.push(b"one-more".to_vec());
    assert_eq!(raw.refusal(), too_many);
    let mut raw = full.clone();
    raw.payloads.push(RawPayload { role: b"one-more".to_vec(), ..raw.payloads[0].clone() });
    assert_eq!(raw.refusal(), too_many);
    let mut raw = full;
    raw.extensions.push((varint(99), vec![]));
    assert_eq!(raw.refusal(), too_many);
}

#[test]
fn bytes_after_the_last_field_are_refused() {
    assert_eq!(Raw::broken(|raw| raw.after = vec![0]), Some(Corrupt(Rule::ManifestTrailingBytes)));
}

#[test]
fn a_longer_encoding_of_the_same_values_is_refused() {
    // 300, 1_700_000_000 and 7 with a needless zero group.
    let overlong = |number: u64| {
        let mut bytes = varint(number);
        *bytes.last_mut().unwrap() |= 0x80;
        bytes.push(0);
        bytes
    };
    let not_canonical = Some(Corrupt(Rule::ManifestNotCanonical));
    assert_eq!(Raw::broken(|raw| raw.rollback_index = overlong(300)), not_canonical);
    assert_eq!(Raw::broken(|raw| raw.build_time = overlong(1_700_000_000)), not_canonical);
    assert_eq!(Raw::broken(|raw| raw.extensions[0].0 = overlong(7)), not_canonical);
    // The very first byte: a list of two.
    let mut bytes = Raw::good().bytes();
    bytes.splice(0..1, [0x82, 0]);
    assert_eq!(Manifest::decode(&bytes), Err(Corrupt(Rule::ManifestNotCanonical)));
}

#[test]
fn names_have_safe_characters_and_a_bounded_length() {
    let bad_name = Some(Corrupt(Rule::ManifestName));
    let long = vec![b'a'; 65];
    for bad in [&b""[..], b"a b", b"a/b", b"a\x1b[2J", b"a\0", "ä".as_bytes(), &long] {
        assert_eq!(Raw::broken(|raw| raw.compatible[1] = bad.to_vec()), bad_name);
        assert_eq!(Raw::broken(|raw| raw.version = bad.to_vec()), bad_name);
        assert_eq!(Raw::broken(|raw| raw.payloads[0].role = bad.to_vec()), bad_name);
    }
    assert_eq!(Raw::broken(|raw| raw.version = vec![b'a'; 64]), None);
    assert_eq!(Raw::broken(|raw| raw.version = b"azAZ09._+~-".to_vec()), None);
}

#[test]
fn a_salt_has_at_most_256_bytes() {
    assert_eq!(Raw::broken(|raw| raw.payloads[0].salt = vec![0; 256]), None);
    assert_eq!(Raw::broken(|raw| raw.payloads[0].salt = vec![0; 257]), Some(Corrupt(Rule::ManifestSalt)));
}

#[test]
fn an_unknown_encoding_is_refused() {
    let unknown = Some(Corrupt(Rule::ManifestPayloadEncoding { encoding: 2 }));
    assert_eq!(Raw::broken(|raw| raw.payloads[1].encoding = 2), unknown);
}

#[test]
fn a_raw_payload_names_no_page() {
    assert_eq!(Raw::broken(|raw| raw.payloads[0].first_page[31] = 1), Some(Corrupt(Rule::ManifestFirstPage)));
}

#[test]
fn image_length_and_data_blocks_agree_and_are_bounded() {
    let with = |image_len, data_blocks| {
        Raw::broken(|raw| {
            raw.payloads[0].image_len = image_len;
            raw.payloads[0].data_blocks = data_blocks;
        })
    };
    let refused = |image_len, data_blocks| Some(Corrupt(Rule::ManifestImageLength { image_len, data_blocks }));
    assert_eq!(with(1, 1), None);
    assert_eq!(with(4096, 1), None);
    assert_eq!(with(1 << 32, 1 << 20), None);
    assert_eq!(with(4096, 2), refused(4096, 2));
    assert_eq!(with(4097, 1), refused(4097, 1));
    assert_eq!(with(0, 0), refused(0, 0));
    assert_eq!(with((1 << 47) + 1, (1 << 35) + 1), refused((1 << 47) + 1, (1 << 35) + 1));
    assert_eq!(with(u64::MAX, 1 << 52), refused(u64::MAX, 1 << 52));
}

#[test]
fn an_extension_has_at_most_1024_bytes() {
    assert_eq!(Raw::broken(|raw| raw.extensions[1].1 = vec![1; 1024]), None);
    assert_eq!(Raw::broken(|raw| raw.extensions[1].1 = vec![1; 1025]), Some(Corrupt(Rule::ManifestExtension)));
}

#[test]
fn the_id_of_an_extension_has_sixteen_bits() {
    assert_eq!(Raw::broken(|raw| raw.extensions[0].0 = varint(65536)), Some(Corrupt(Rule::ManifestEncoding)));
}

#[test]
fn a_manifest_without_compatible_or_payload_is_refused() {
    assert_eq!(Raw::broken(|raw| raw.compatible.clear()), Some(Corrupt(Rule::ManifestEmptyList)));
    assert_eq!(Raw::broken(|raw| raw.payloads.clear()), Some(Corrupt(Rule::ManifestEmptyList)));
    assert_eq!(Raw::broken(|raw| raw.extensions.clear()), None);
}

#[test]
fn roles_and_extension_ids_are_distinct() {
    assert_eq!(Raw::broken(|raw| raw.payloads[1].role = b"root".to_vec()), Some(Corrupt(Rule::ManifestDuplicateRole)));
    assert_eq!(Raw::broken(|raw| raw.extensions[1].0 = varint(7)), Some(Corrupt(Rule::ManifestDuplicateExtension)));
}

/// All rules broken at once, then mended one after the other: each failure masks all that come later.
#[test]
fn rules_are_judged_in_the_order_of_the_list() {
    let mut raw = Raw::good();
    raw.extensions[1] = (varint(7), vec![0; 1025]);
    raw.payloads[0] = RawPayload {
        role: b"boot".to_vec(),
        image_len: 0,
        data_blocks: 7,
        salt: vec![0; 257],
        encoding: 9,
        first_page: [1; 32],
    };
    raw.version = b"a b".to_vec();
    raw.rollback_index = vec![0x80, 0];
    raw.after = vec![1];
    raw.compatible = vec![b"c".to_vec(); 9];
    assert_eq!(raw.refusal(), Some(Corrupt(Rule::ManifestTooMany)));
    raw.compatible.clear();
    assert_eq!(raw.refusal(), Some(Corrupt(Rule::ManifestTrailingBytes)));
    raw.after.clear();
    assert_eq!(raw.refusal(), Some(Corrupt(Rule::ManifestNotCanonical)));
    raw.rollback_index = varint(0);
    assert_eq!(raw.refusal(), Some(Corrupt(Rule::ManifestName)));
    raw.version = b"1".to_vec();
    assert_eq!(raw.refusal(), Some(Corrupt(Rule::ManifestSalt)));
    raw.payloads[0].salt.clear();
    assert_eq!(raw.refusal(), Some(Corrupt(Rule::ManifestPayloadEncoding { encoding: 9 })));
    raw.payloads[0].encoding = 0;
    assert_eq!(raw.refusal(), Some(Corrupt(Rule::ManifestFirstPage)));
    raw.payloads[0].first_page = [0; 32];
    assert_eq!(raw.refusal(), Some(Corrupt(Rule::ManifestImageLength { image_len: 0, data_blocks: 0 })));
    raw.payloads[0].image_len = 1;
    assert_eq!(raw.refusal(), Some(Corrupt(Rule::ManifestImageLength { image_len: 1, data_blocks: 7 })));
    raw.payloads[0].data_blocks = 1;
    assert_eq!(raw.refusal(), Some(Corrupt(Rule::ManifestExtension)));
    raw.extensions[1].1.clear();
    assert_eq!(raw.refusal(), Some(Corrupt(Rule::ManifestEmptyList)));
    raw.compatible.push(b"c".to_vec());
    assert_eq!(raw.refusal(), Some(Corrupt(Rule::ManifestDuplicateRole)));
    raw.payloads[0].role = b"root".to_vec();
    assert_eq!(raw.refusal(), Some(Corrupt(Rule::ManifestDuplicateExtension)));
    raw.extensions[1].0 = varint(8);
    assert_eq!(raw.refusal(), None);
}

/// One manifest has one encoding: whatever bytes are accepted are what `encode` gives back.
#[test]
fn no_two_byte_strings_are_one_manifest() {
    let good = Raw::good().bytes();
    let mut accepted = 0;
    for at in 0..good.len() {
        for flip in 1..=255 {
            let mut bytes = good.clone();
            bytes[at] ^= flip;
            if let Ok(manifest) = Manifest::decode(&bytes) {
                assert_eq!(again(&manifest, &mut [0; 1024]).unwrap().encoded(), bytes);
                accepted += 1;
            }
        }
    }
    assert!(accepted > 1000, "only {accepted} changed manifests were accepted: the test lost its subject");
}
