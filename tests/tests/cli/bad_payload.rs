//! Bundles whose payload is cut short, too long, or not what was signed: `docs/FORMAT.md`, section 7. The envelope is good, so the
//! target is disarmed and partly written when the fault is found; the booted slot never is.

use std::fs;
use std::path::PathBuf;

use crate::words::Corrupt;
use tests::answer::Exit;
use tests::bundle_parts::BundleParts;
use tests::cli::Cli;
use tests::device::Device;
use tests::packed_bundle::{PackedBundle, ROW, ROWS_AT};
use tests::raw_manifest::RawManifest;
use tests::root_image::noise;
use tests::workshop::{MAKER, Workshop};

const CHUNK: usize = 512 << 10;

/// The install of these bytes fails for this reason, and the target cannot boot.
fn refused(device: &Device, bundle: &str, kind: Corrupt) {
    device.refuses(&["install", bundle], Exit::NotAuthentic, &kind.to_string());
    assert_eq!((device.state("b").as_str(), device.next().as_str()), ("disarmed", "a"), "{kind:?}");
}

/// `verify` says the same of a bundle as `install`, and is quicker.
fn verify_refuses(workshop: &Workshop, bundle: &str, kind: Corrupt) {
    let key = workshop.text(&format!("{MAKER}.pub"));
    Cli::new(&["--trust", &key, "--quiet", "verify", bundle]).run().exits(Exit::NotAuthentic).says(&kind.to_string());
}

/// An image with a chunk of text, one of zeros, one of noise, and the start of one more: each codec of a compressed bundle.
fn mixed_image(workshop: &Workshop) -> PathBuf {
    let text = b"all work and no play makes jack a dull boy\n".repeat(CHUNK / 43 + 1);
    let image = [&text[..CHUNK], &vec![0; CHUNK], &noise("mixed", CHUNK), &text[..10_000]].concat();
    workshop.put_new("image", &image)
}

fn packed(workshop: &Workshop) -> PackedBundle {
    let image = mixed_image(workshop);
    PackedBundle::of(&workshop.release(2).image(&image).with(&["--compression", "zstd"]).create())
}

/// Writes a compressed bundle that was broken and signed again.
fn forged(workshop: &Workshop, packed: PackedBundle) -> String {
    let bundle = packed.into_parts().signed(&[workshop.maker()]).joined();
    workshop.put_new("bundle", &bundle).to_str().unwrap().to_owned()
}

#[test]
fn truncated() {
    let device = Device::new();
    let workshop = &device.workshop;
    let good = fs::read(workshop.bundle(2)).unwrap();
    let parts = BundleParts::of(&good);
    let (block, payload, end) = (parts.block_at(), parts.payload_at(), good.len());
    let inside = [8, 39, 40, 41, block - 1, block, block + 1, block + 3, block + 4, block + 40, payload - 1];
    let data = payload + 4096;
    let behind =
        [payload, payload + 1, data - 1, data, data + 1, data + CHUNK - 1, data + CHUNK, end / 2, end - 4096, end - 1];
    for len in inside.into_iter().chain(behind) {
        verify_refuses(workshop, &workshop.altered(|bytes| bytes.truncate(len)), Corrupt::Truncated);
    }
    for len in [8, 40, block, payload - 1] {
        let bundle = workshop.altered(|bytes| bytes.truncate(len));
        device.refuses_untouched(&["install", &bundle], Exit::NotAuthentic, &Corrupt::Truncated.to_string());
    }
    for len in [payload, data - 1, data, data + CHUNK, end - 1] {
        refused(&device, &workshop.altered(|bytes| bytes.truncate(len)), Corrupt::Truncated);
    }
    // What was right of them is there already when the whole one comes.
    let kept = device.installs(2)["kept_bytes"].as_u64().unwrap();
    assert!(kept > 0, "nothing was kept");
}

/// Fewer bytes than the magic: no bundle in a file, a truncated one on a pipe.
#[test]
fn truncated_before_the_magic_is_complete() {
    let device = Device::new();
    for len in [0, 1, 7] {
        let bundle = device.workshop.altered(|bytes| bytes.truncate(len));
        device.refuses_untouched(&["install", &bundle], Exit::NotAuthentic, "it is no bundle");
        let bytes = fs::read(&bundle).unwrap();
        let answer = device.cli(&["install", "-", "--json"]).run_with_input(&bytes, &[3]);
        answer.fails(Exit::NotAuthentic, &Corrupt::Truncated.to_string());
    }
}

#[test]
fn trailing_bytes() {
    let device = Device::new();
    let workshop = &device.workshop;
    for more in [1, 4096] {
        let bundle = workshop.altered(|bytes| bytes.extend(vec![0; more]));
        verify_refuses(workshop, &bundle, Corrupt::TrailingBytes);
        refused(&device, &bundle, Corrupt::TrailingBytes);
    }
    let bytes = [fs::read(workshop.bundle(2)).unwrap(), b"LUBUNDLE".to_vec()].concat();
    let answer = device.cli(&["install", "-", "--json"]).run_with_input(&bytes, &[70_000]);
    answer.fails(Exit::NotAuthentic, &Corrupt::TrailingBytes.to_string());
}

#[test]
fn hash_block() {
    let device = Device::new();
    let workshop = &device.workshop;
    let at = BundleParts::of(&fs::read(workshop.bundle(2)).unwrap()).payload_at();
    // A digest of each chunk, and the zeros behind them.
    for within in [0, 31, 32, 5 * 32 - 1, 5 * 32, 4095] {
        let bundle = workshop.altered(|bytes| bytes[at + within] ^= 0x40);
        verify_refuses(workshop, &bundle, Corrupt::HashBlock { level: 1, index: 0 });
    }
    let bundle = workshop.altered(|bytes| bytes[at] ^= 1);
    refused(&device, &bundle, Corrupt::HashBlock { level: 1, index: 0 });
}

#[test]
fn chunk() {
    let workshop = Workshop::shared();
    let good = fs::read(workshop.bundle(2)).unwrap();
    let data = BundleParts::of(&good).payload_at() + 4096;
    let last = good.len() - 1;
    for at in [data, data + 4095, data + CHUNK - 1, data + CHUNK, data + 2 * CHUNK + 70_001, last - 4096, last] {
        let bundle = workshop.altered(|bytes| bytes[at] ^= 0x08);
        let chunk = u64::try_from((at - data) / CHUNK).unwrap();
        verify_refuses(&workshop, &bundle, Corrupt::Chunk { chunk });
    }
    for at in [data, data + CHUNK + 5, last] {
        let bundle = workshop.altered(|bytes| bytes[at] ^= 0x80);
        let chunk = u64::try_from((at - data) / CHUNK).unwrap();
        refused(&Device::new(), &bundle, Corrupt::Chunk { chunk });
    }
    // Two chunks that are both right, in each other's place.
    let bundle = workshop.altered(|bytes| {
        let (first, second) = bytes[data..data + 2 * CHUNK].split_at_mut(CHUNK);
        first.swap_with_slice(second);
    });
    refused(&Device::new(), &bundle, Corrupt::Chunk { chunk: 0 });
}

/// A chunk that the target holds already is not read from the bundle, so that damage in it harms nobody.
#[test]
fn a_damaged_chunk_is_passed_over_where_the_target_has_it() {
    let device = Device::new();
    let end = fs::read(device.workshop.bundle(2)).unwrap().len();
    let first = device.workshop.altered(|bytes| bytes[end - 1] ^= 1);
    refused(&device, &first, Corrupt::Chunk { chunk: 4 });
    let second = device.workshop.altered(|bytes| bytes[end / 2] ^= 1);
    assert_eq!(device.does(&["install", &second])["kept_bytes"], 4 * CHUNK);
    assert!(device.partition("b").starts_with(&device.workshop.image(2).padded()));
}

/// A good one first: text, zeros and noise come back as they were.
#[test]
fn each_codec_is_unpacked() {
    let device = Device::new();
    let packed = packed(&device.workshop);
    let codecs = [0, 1, 2, 3].map(|row| packed.page[ROWS_AT + row * ROW]);
    assert_eq!(codecs, [2, 0, 1, 2]);
    device.does(&["install", &forged(&device.workshop, packed)]);
    let mut image = fs::read(mixed_image(&device.workshop)).unwrap();
    image.resize(image.len().next_multiple_of(4096), 0);
    assert!(device.partition("b").starts_with(&image));
}

/// A page that was changed, and whose digest in the manifest was not.
#[test]
fn page_digest() {
    let device = Device::new();
    let packed = packed(&device.workshop);
    let bundle = packed.parts.joined();
    let page = packed.parts.payload_at() + packed.levels.len();
    let kind = Corrupt::PageDigest { page: 0 };
    for within in [0, 8, 12, 16, 48, ROWS_AT, ROWS_AT + 4, ROWS_AT + 8, ROWS_AT + 4 * ROW, 4095] {
        let mut bad = bundle.clone();
        bad[page + within] ^= 2;
        let path = device.workshop.put_new("bundle", &bad).to_str().unwrap().to_owned();
        verify_refuses(&device.workshop, &path, kind);
    }
    let mut bad = bundle;
    bad[page] ^= 1;
    refused(&device, device.workshop.put_new("bundle", &bad).to_str().unwrap(), kind);
}

/// A page that was changed, with its digest in a manifest that was signed again.
fn repaged(kind: Corrupt, change: impl FnOnce(&mut PackedBundle)) {
    let device = Device::new();
    let mut packed = packed(&device.workshop);
    change(&mut packed);
    refused(&device, &forged(&device.workshop, packed), kind);
}

#[test]
fn page_magic() {
    repaged(Corrupt::PageMagic { page: 0 }, |packed| packed.page[7] = b'2');
}

#[test]
fn page_count() {
    repaged(Corrupt::PageCount { page: 0 }, |packed| packed.page[8] = 5);
    repaged(Corrupt::PageCount { page: 0 }, |packed| packed.page[8..12].fill(0xff));
}

#[test]
fn page_reserved() {
    for at in [12, 80, 95, ROWS_AT + 4 * ROW, 4095] {
        repaged(Corrupt::PageReserved { page: 0 }, |packed| packed.page[at] = 1);
    }
}

/// A digest of hints where the bundle may have none.
#[test]
fn page_reserved_without_hints() {
    let device = Device::new();
    let mut packed = packed(&device.workshop);
    packed.parts.prefix[16] &= !4;
    refused(&device, &forged(&device.workshop, packed), Corrupt::PageReserved { page: 0 });
}

/// Hints that were changed, and whose digest in the page was not.
#[test]
fn hints() {
    let workshop = Workshop::shared();
    let refuses = |change: fn(&mut PackedBundle)| {
        let mut packed = packed(&workshop);
        change(&mut packed);
        verify_refuses(&workshop, &forged(&workshop, packed), Corrupt::Hints { page: 0 });
    };
    refuses(|packed| packed.hints[0] ^= 1);
    refuses(|packed| *packed.hints.last_mut().unwrap() ^= 1);
    refuses(|packed| packed.page[48] ^= 1);
}

/// Hints that a trusted key vouches for, and that are of other blocks: whoever only checks says so, and an installation needs none.
#[test]
fn hints_of_other_blocks() {
    let device = Device::new();
    let mut packed = packed(&device.workshop);
    packed.hint(|hints| hints[17] ^= 1);
    let path = forged(&device.workshop, packed);
    verify_refuses(&device.workshop, &path, Corrupt::Hints { page: 0 });
    device.does(&["install", &path]);
}

#[test]
fn page_next() {
    repaged(Corrupt::PageNext { page: 0 }, |packed| packed.page[16] = 1);
}

#[test]
fn page_row() {
    let bad = |row: usize, at: usize, field: &'static [u8]| {
        repaged(Corrupt::PageRow { page: 0, row }, move |packed| {
            packed.page[ROWS_AT + row * ROW + at..][..field.len()].copy_from_slice(field);
        });
    };
    // A codec that is none, zeros that are none, a length that its codec does not have, a digest where none belongs.
    bad(0, 0, &[5]);
    bad(1, 2, &[1]);
    bad(0, 4, &[0, 0, 8, 0]);
    bad(0, 4, &[0xff; 4]);
    bad(1, 4, &[1]);
    bad(2, 4, &[0, 0, 0, 0]);
    bad(2, 39, &[1]);
}

#[test]
fn carried_digest() {
    let device = Device::new();
    for chunk in [0, 3] {
        let mut packed = packed(&device.workshop);
        let middle = packed.carried[chunk].len() / 2;
        packed.carried[chunk][middle] ^= 1;
        let kind = Corrupt::CarriedDigest { chunk: u64::try_from(chunk).unwrap() };
        refused(&device, &forged(&device.workshop, packed), kind);
    }
}

/// Carried bytes that a trusted key vouches for, and that are no frame of exactly their chunk.
#[test]
fn decompress() {
    let short = |packed: &mut PackedBundle| packed.carry(0, &packed.carried[3].clone());
    let bomb = |packed: &mut PackedBundle| packed.carry(3, &packed.carried[0].clone());
    let garbage = |packed: &mut PackedBundle| packed.carry(0, &noise("garbage", 1000));
    let cut = |packed: &mut PackedBundle| {
        let whole = packed.carried[0].clone();
        packed.carry(0, &whole[..whole.len() - 1]);
    };
    let two = |packed: &mut PackedBundle| packed.carry(0, &[&packed.carried[0][..], &packed.carried[3]].concat());
    let more = |packed: &mut PackedBundle| packed.carry(0, &[&packed.carried[0][..], &[0]].concat());
    repaged(Corrupt::Decompress { chunk: 0 }, short);
    repaged(Corrupt::Decompress { chunk: 3 }, bomb);
    repaged(Corrupt::Decompress { chunk: 0 }, garbage);
    repaged(Corrupt::Decompress { chunk: 0 }, cut);
    repaged(Corrupt::Decompress { chunk: 0 }, two);
    repaged(Corrupt::Decompress { chunk: 0 }, more);
}

/// A frame of the right length with other bytes in it gets past everything but the tree.
#[test]
fn chunk_of_a_frame_that_unpacks_to_other_bytes() {
    let device = Device::new();
    let mut packed = packed(&device.workshop);
    packed.page[ROWS_AT..][..ROW].fill(0);
    packed.carried[0].clear();
    refused(&device, &forged(&device.workshop, packed), Corrupt::Chunk { chunk: 0 });
}

/// Two pages and three levels: 129 chunks, nearly all of them zeros.
#[test]
fn a_second_page_and_a_third_level_are_checked_too() {
    let workshop = Workshop::shared();
    let image = workshop.put_new("image", b"start");
    fs::OpenOptions::new().write(true).open(&image).unwrap().set_len(128 * 524_288 + 1).unwrap();
    let bundle = workshop.release(2).image(&image).with(&["--compression", "zstd"]).create();
    let key = workshop.text(&format!("{MAKER}.pub"));
    Cli::new(&["--trust", &key, "verify"]).and(&[&bundle]).run().exits(Exit::Done);
    let good = fs::read(&bundle).unwrap();
    let payload = BundleParts::of(&good).payload_at();
    let pages: Vec<usize> =
        good.windows(8).enumerate().filter(|(_, bytes)| *bytes == b"LUPAGE01").map(|(at, _)| at).collect();
    let [first, second] = pages[..] else { panic!("{} pages", pages.len()) };
    assert_eq!(first, payload + 3 * 4096);
    let cases = [
        (payload, Corrupt::HashBlock { level: 2, index: 0 }),
        (payload + 4096, Corrupt::HashBlock { level: 1, index: 0 }),
        (payload + 2 * 4096, Corrupt::HashBlock { level: 1, index: 1 }),
        (first + 17, Corrupt::PageDigest { page: 0 }),
        (second, Corrupt::PageDigest { page: 1 }),
        (second + 4095, Corrupt::PageDigest { page: 1 }),
    ];
    for (at, kind) in cases {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&bundle, &bad).unwrap();
        verify_refuses(&workshop, bundle.to_str().unwrap(), kind);
    }
    // The first page names no second one.
    let mut parts = BundleParts::of(&good);
    let page = 3 * 4096;
    parts.payload[page + 16..page + 48].fill(0);
    let mut manifest = tests::raw_manifest::RawManifest::of(&parts.manifest);
    manifest.payloads[0].first_page = *libupdate::Digest::of(&[&parts.payload[page..page + 4096]]).as_bytes();
    parts.manifest = manifest.encode();
    fs::write(&bundle, parts.signed(&[workshop.maker()]).joined()).unwrap();
    verify_refuses(&workshop, bundle.to_str().unwrap(), Corrupt::PageNext { page: 0 });
}

/// What the reader does not look at (`docs/FORMAT.md`, 1 rule 1 and 2 rule 1): the end of the last block, and of the last hash block that
/// is carried. Whoever signed the root hash signed these bytes.
#[test]
fn what_the_signer_put_where_zeros_are_usual() {
    let workshop = Workshop::shared();
    let image = workshop.put_new("image", &noise("tail", 1_572_864));
    let parts = BundleParts::of(&fs::read(workshop.release(2).image(&image).create()).unwrap());
    let shorter = |image_len: u64| {
        let mut parts = parts.clone();
        let mut manifest = RawManifest::of(&parts.manifest);
        manifest.payloads[0].image_len = image_len;
        parts.manifest = manifest.encode();
        parts
    };
    let tail = shorter(1_572_863);
    let mut digests = parts.clone();
    digests.payload[4095] = 1;
    let mut manifest = RawManifest::of(&digests.manifest);
    let root = libupdate::Digest::of(&[&manifest.payloads[0].salt, &digests.payload[..4096]]);
    manifest.payloads[0].root_hash.copy_from_slice(root.as_bytes());
    digests.manifest = manifest.encode();
    for parts in [tail, digests] {
        let device = Device::new();
        let bundle = workshop.put_new("bundle", &parts.signed(&[workshop.maker()]).joined());
        device.does(&["install", bundle.to_str().unwrap()]);
        device.does(&["verify", "--slot", "b"]);
    }
    // But the blocks are as many as the length says.
    let wrong = shorter(1_568_768).signed(&[workshop.maker()]).joined();
    let wrong = workshop.put_new("bundle", &wrong);
    let device = Device::new();
    device.run(&["install", wrong.to_str().unwrap()]).exits(Exit::NotAuthentic).says("data blocks");
}
