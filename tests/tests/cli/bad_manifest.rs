//! Bundles whose manifest breaks a rule of `docs/FORMAT.md`, section 6, signed by the trusted key as if all were well. One for each
//! rule; all are refused before the first write.

use crate::words::Corrupt;
use tests::answer::Exit;
use tests::bundle_parts::BundleParts;
use tests::device::Device;
use tests::raw_manifest::RawManifest;

/// The manifest with other fields is refused for this reason.
fn refused(kind: Corrupt, change: impl FnOnce(&mut RawManifest)) {
    let device = Device::new();
    let bundle = device.workshop.restated(change);
    device.refuses_untouched(&["install", &bundle], Exit::NotAuthentic, &kind.to_string());
}

/// The manifest with other bytes is refused for this reason.
fn refused_as_bytes(kind: Corrupt, change: impl FnOnce(&mut Vec<u8>)) {
    let device = Device::new();
    let bundle = device.workshop.forged(|parts| change(&mut parts.manifest));
    device.refuses_untouched(&["install", &bundle], Exit::NotAuthentic, &kind.to_string());
}

/// What forges here makes good bundles too: unchanged, its manifest is the writer's.
#[test]
fn the_forge_itself_is_good() {
    let device = Device::new();
    let bundle = device.workshop.restated(|_| ());
    let [forged, good] =
        [bundle.as_str(), &device.workshop.bundle_text(2)].map(|path| BundleParts::of(&std::fs::read(path).unwrap()));
    assert_eq!((forged.manifest, forged.records), (good.manifest, good.records));
    device.does(&["install", &bundle]);
}

#[test]
fn manifest_encoding() {
    refused_as_bytes(Corrupt::ManifestEncoding, |bytes| bytes.truncate(bytes.len() - 1));
    refused_as_bytes(Corrupt::ManifestEncoding, |bytes| bytes.truncate(0));
    // A string that claims more than there is.
    refused_as_bytes(Corrupt::ManifestEncoding, |bytes| bytes[1] = 0x7f);
    // A string that is not UTF-8.
    refused(Corrupt::ManifestEncoding, |manifest| manifest.version = vec![0xff, 0xfe]);
}

#[test]
fn manifest_too_many() {
    refused(Corrupt::ManifestTooMany, |manifest| manifest.compatible = vec![b"x".to_vec(); 9]);
    refused(Corrupt::ManifestTooMany, |manifest| manifest.payloads = vec![manifest.payloads[0].clone(); 9]);
    refused(Corrupt::ManifestTooMany, |manifest| manifest.extensions = (0..9).map(|id| (id, vec![])).collect());
    // A list that claims as many as 32 bits can say costs no more: whichever rule comes first in the bytes ends it.
    refused_as_bytes(Corrupt::ManifestEncoding, |bytes| {
        bytes.splice(..1, [0xff, 0xff, 0xff, 0xff, 0x0f]);
    });
}

#[test]
fn manifest_trailing_bytes() {
    refused_as_bytes(Corrupt::ManifestTrailingBytes, |bytes| bytes.push(0));
}

/// The count of compatibles as two bytes where one says it.
#[test]
fn manifest_not_canonical() {
    refused_as_bytes(Corrupt::ManifestNotCanonical, |bytes| {
        bytes.splice(..1, [0x81, 0x00]);
    });
}

#[test]
fn manifest_name() {
    let long = vec![b'x'; 65];
    for name in [&b""[..], b"1 0", b"1/0", b"\x1b[2J", "1\u{202e}0".as_bytes(), &long] {
        refused(Corrupt::ManifestName, |manifest| manifest.version = name.to_vec());
    }
    refused(Corrupt::ManifestName, |manifest| manifest.compatible.push(b"no good".to_vec()));
    refused(Corrupt::ManifestName, |manifest| manifest.payloads[0].role = b"../root".to_vec());
}

#[test]
fn manifest_empty_list() {
    refused(Corrupt::ManifestEmptyList, |manifest| manifest.compatible.clear());
    refused(Corrupt::ManifestEmptyList, |manifest| manifest.payloads.clear());
}

#[test]
fn manifest_duplicate_role() {
    refused(Corrupt::ManifestDuplicateRole, |manifest| manifest.payloads.push(manifest.payloads[0].clone()));
}

#[test]
fn manifest_salt() {
    refused(Corrupt::ManifestSalt, |manifest| manifest.payloads[0].salt = vec![1; 257]);
}

/// Zero blocks, one too many, one too few, and a length that no disk has.
#[test]
fn manifest_image_length() {
    let lengths = |image_len, data_blocks| {
        refused(Corrupt::ManifestImageLength { image_len, data_blocks }, |manifest| {
            manifest.payloads[0].image_len = image_len;
            manifest.payloads[0].data_blocks = data_blocks;
        });
    };
    lengths(0, 0);
    lengths(4096, 0);
    lengths(4096, 2);
    lengths(4097, 1);
    lengths(1 << 48, 1 << 36);
    lengths(u64::MAX, 1 << 52);
}

#[test]
fn manifest_payload_encoding() {
    refused(Corrupt::ManifestPayloadEncoding { encoding: 2 }, |manifest| manifest.payloads[0].encoding = 2);
}

#[test]
fn manifest_first_page() {
    refused(Corrupt::ManifestFirstPage, |manifest| manifest.payloads[0].first_page[31] = 1);
}

#[test]
fn manifest_extension() {
    refused(Corrupt::ManifestExtension, |manifest| manifest.extensions.push((1, vec![0; 1025])));
}

#[test]
fn manifest_duplicate_extension() {
    refused(Corrupt::ManifestDuplicateExtension, |manifest| manifest.extensions = vec![(1, vec![]), (1, vec![0])]);
}

/// A compressed payload in a bundle that does not say so in its prefix, and the other way about.
#[test]
fn manifest_features() {
    refused(Corrupt::ManifestFeatures, |manifest| manifest.payloads[0].encoding = 1);
    let device = Device::new();
    let bundle = device.workshop.forged(|parts| parts.prefix[16] = 1);
    device.refuses_untouched(&["install", &bundle], Exit::NotAuthentic, &Corrupt::ManifestFeatures.to_string());
}

/// The extension with the size of frames is there without its bit, the bit without it, both without compression, or it names no size.
#[test]
fn manifest_features_of_frames() {
    let device = Device::new();
    let refused = |bit: u8, extension: Option<&[u8]>, why: Corrupt| {
        let bundle = device.workshop.forged(|parts| {
            parts.prefix[16] = bit;
            let mut manifest = RawManifest::of(&parts.manifest);
            manifest.extensions.extend(extension.map(|bytes| (4, bytes.to_vec())));
            parts.manifest = manifest.encode();
        });
        device.refuses_untouched(&["install", &bundle], Exit::NotAuthentic, &why.to_string());
    };
    refused(8, None, Corrupt::ManifestFeatures);
    refused(0, Some(&[16]), Corrupt::ManifestFeatures);
    refused(8, Some(&[16]), Corrupt::ManifestFeatures);
    let image = device.workshop.put_new("raw", &[7; 9000]);
    let bundle =
        device.workshop.release(2).image(&image).with(&["--compression", "zstd", "--frame-size", "64"]).create();
    for bytes in [&[0][..], &[2], &[12], &[255], &[], &[16, 16]] {
        let forged = device.workshop.forged_from(&bundle, |parts| {
            let mut manifest = RawManifest::of(&parts.manifest);
            manifest.extensions = vec![(4, bytes.to_vec())];
            parts.manifest = manifest.encode();
        });
        device.refuses_untouched(&["install", &forged], Exit::NotAuthentic, &Corrupt::ManifestExtension.to_string());
    }
}

/// A fraction of devices that is none, which `install` does not ask for.
#[test]
fn manifest_extension_of_a_rollout() {
    let device = Device::new();
    for bytes in [&[1][..], &[0xe9, 3], &[0, 0, 0]] {
        let bundle = device.workshop.restated(|manifest| manifest.extensions.push((3, bytes.to_vec())));
        device.run(&["verify", &bundle]).exits(Exit::NotAuthentic).says(&Corrupt::ManifestExtension.to_string());
    }
    let bundle = device.workshop.restated(|manifest| manifest.extensions.push((3, vec![0xe8, 3])));
    device.does(&["verify", &bundle]);
}

/// An extension that nobody knows is no reason to refuse.
#[test]
fn an_unknown_extension_is_ignored() {
    let device = Device::new();
    let bundle = device.workshop.restated(|manifest| manifest.extensions.push((0x7fff, b"later".to_vec())));
    device.does(&["install", &bundle]);
    assert_eq!(device.state("b"), "trial");
}

/// The image of another length, or of another number of levels, or the root hash of another payload: what is signed is not what is carried.
#[test]
fn a_root_hash_of_another_payload_is_refused_when_its_tree_comes() {
    let device = Device::new();
    let workshop = &device.workshop;
    let other = RawManifest::of(&BundleParts::of(&std::fs::read(workshop.bundle(1)).unwrap()).manifest);
    let bundle = workshop.restated(|manifest| manifest.payloads[0].root_hash = other.payloads[0].root_hash);
    let why = Corrupt::HashBlock { level: 1, index: 0 }.to_string();
    device.refuses(&["install", &bundle], Exit::NotAuthentic, &why);
    let bundle = workshop.restated(|manifest| manifest.payloads[0] = other.payloads[0].clone());
    device.refuses(&["install", &bundle], Exit::NotAuthentic, &why);
    // Without shipped levels it is the data that do not fit.
    let bundle = workshop.forged_from(workshop.bundle(3), |parts| {
        let mut manifest = RawManifest::of(&parts.manifest);
        manifest.payloads[0].root_hash = other.payloads[0].root_hash;
        parts.manifest = manifest.encode();
    });
    device.refuses(&["install", &bundle], Exit::NotAuthentic, &Corrupt::Chunk { chunk: 0 }.to_string());
    assert_eq!(device.state("b"), "disarmed");
}
