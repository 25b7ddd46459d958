//! Bundles whose envelope breaks a rule of `docs/FORMAT.md`, section 5, one for each rule. All are refused before the first write.

use crate::words::Corrupt;
use libupdate::error::Incompatible;
use tests::answer::Exit;
use tests::bundle_parts::{BundleParts, PREFIX, RECORD};
use tests::cli::Cli;
use tests::device::Device;
use tests::workshop::{MAKER, Workshop};

/// The bundle with other bytes is refused for this reason.
fn refused(exit: Exit, why: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let device = Device::new();
    let bundle = device.workshop.altered(change);
    device.refuses_untouched(&["install", &bundle], exit, why);
}

fn corrupt(kind: Corrupt, change: impl FnOnce(&mut Vec<u8>)) {
    refused(Exit::NotAuthentic, &kind.to_string(), change);
}

fn too_new(kind: Incompatible, change: impl FnOnce(&mut Vec<u8>)) {
    refused(Exit::Refused, &kind.to_string(), change);
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, field: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&field);
}

/// A file without the magic is taken for a raw image; on a pipe it is a bundle or nothing.
#[test]
fn envelope_magic() {
    let device = Device::new();
    let bundle = device.workshop.altered(|bytes| bytes[7] = b'F');
    device.refuses_untouched(&["install", &bundle], Exit::NotAuthentic, "it is no bundle");
    let before = device.bytes();
    let why = Corrupt::EnvelopeMagic.to_string();
    let bytes = std::fs::read(&bundle).unwrap();
    device.cli(&["install", "-", "--json"]).run_with_input(&bytes, &[4096]).fails(Exit::NotAuthentic, &why);
    assert!(before == device.bytes(), "the disk was written");
}

#[test]
fn format_version() {
    too_new(Incompatible::FormatVersion { found: 2 }, |bytes| put(bytes, 8, [2, 0]));
}

/// A newer bundle says so even where the rest of its prefix means something else by then.
#[test]
fn format_version_is_judged_before_the_rest() {
    too_new(Incompatible::FormatVersion { found: 7 }, |bytes| {
        bytes[10..40].fill(0xff);
        put(bytes, 8, [7, 0]);
    });
}

#[test]
fn required_features() {
    let unknown = 0x8000_0000_0000_0100_u64;
    too_new(Incompatible::RequiredFeatures { unknown }, |bytes| put(bytes, 16, unknown.to_le_bytes()));
}

#[test]
fn updater_too_old() {
    let needed = [0xffff, 2, 3];
    too_new(Incompatible::UpdaterTooOld { needed }, |bytes| put(bytes, 24, [0xff, 0xff, 2, 0, 3, 0]));
}

#[test]
fn envelope_prefix_length() {
    corrupt(Corrupt::EnvelopePrefixLength { found: 48 }, |bytes| put(bytes, 10, [48, 0]));
}

#[test]
fn envelope_reserved() {
    for at in [30, 31, 32, 39] {
        corrupt(Corrupt::EnvelopeReserved, |bytes| bytes[at] = 1);
    }
}

#[test]
fn envelope_too_long() {
    for claimed in [8149, u32::MAX] {
        corrupt(Corrupt::EnvelopeTooLong { claimed }, |bytes| put(bytes, 12, claimed.to_le_bytes()));
    }
}

#[test]
fn too_many_signatures() {
    let claimed = u16::MAX;
    corrupt(Corrupt::TooManySignatures { claimed }, |bytes| {
        let at = BundleParts::of(bytes).block_at();
        put(bytes, at, claimed.to_le_bytes());
    });
}

#[test]
fn signature_reserved() {
    corrupt(Corrupt::SignatureReserved, |bytes| {
        let at = BundleParts::of(bytes).block_at();
        put(bytes, at + 2, [1]);
    });
}

/// One bit of each byte in turn, over all of the envelope: nothing that was changed is ever taken.
#[test]
fn no_flipped_bit_of_the_envelope_is_taken() {
    let workshop = Workshop::shared();
    let good = std::fs::read(workshop.bundle(2)).unwrap();
    let end = BundleParts::of(&good).payload_at();
    assert_eq!((end - PREFIX) % RECORD, (BundleParts::of(&good).manifest.len() + 4) % RECORD);
    let (key, path) = (workshop.text(&format!("{MAKER}.pub")), workshop.put_new("bundle", &good));
    let verify = || Cli::new(&["--trust", &key, "--quiet", "verify"]).and(&[&path]).run();
    verify().exits(Exit::Done);
    // Format version, features and updater version say "too new"; all the rest is damage.
    let mut newer = Vec::new();
    for at in 0..end {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        std::fs::write(&path, &bad).unwrap();
        let answer = verify();
        if answer.code() == Some(Exit::Refused.code()) {
            newer.push(at);
        } else {
            drop(answer.exits(Exit::NotAuthentic));
        }
    }
    // The first of the feature bits is known.
    assert_eq!(newer, (8..10).chain(17..30).collect::<Vec<_>>());
}
