//! Packs that break a rule of their own, signed as if all were well, and bundles of the other kind than the verb is for.

use std::path::Path;

use libupdate::BlockSize;
use libupdate::error::Rejected;
use tests::answer::Exit;
use tests::bundle_parts::BundleParts;
use tests::device::Device;
use tests::loop_board::Board;
use tests::pack::Pack;
use tests::raw_manifest::RawManifest;

use crate::words::Corrupt;

/// The pack with another extension of a pack, and what `pack check` says.
fn refused(change: impl FnOnce(&mut Vec<u8>), rule: Corrupt) {
    let board = Board::new(BlockSize::B512);
    let workshop = &board.device.workshop;
    let options = ["--supersedes", "one", "--supersedes", "two", "--restart", "x.service"];
    let good = Pack::named("hotfix", 2).with(&options).make(workshop);
    let bad = workshop.forged_from(Path::new(&good), |parts| restated(parts, change));
    for verb in ["check", "install"] {
        let told = board.run(&["--booted", "a", "pack", verb, &bad]).exits(Exit::NotAuthentic);
        drop(told.says(&rule.to_string()));
    }
}

fn restated(parts: &mut BundleParts, change: impl FnOnce(&mut Vec<u8>)) {
    let mut manifest = RawManifest::of(&parts.manifest);
    let extension = manifest.extensions.iter_mut().find(|(id, _)| *id == 5).unwrap();
    change(&mut extension.1);
    parts.manifest = manifest.encode();
}

/// Puts a text of the same length in the place of another.
fn replaced(bytes: &mut [u8], text: &str, by: &str) {
    let at = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    bytes[at..at + text.len()].copy_from_slice(by.as_bytes());
}

#[test]
fn pack_form() {
    refused(|bytes| bytes.push(0), Corrupt::PackForm);
}

#[test]
fn pack_form_of_level_zero() {
    refused(|bytes| bytes[..4].fill(0), Corrupt::PackForm);
}

#[test]
fn pack_name() {
    refused(|bytes| replaced(bytes, "hotfix", "../fix"), Corrupt::PackName);
}

#[test]
fn pack_unit() {
    refused(|bytes| replaced(bytes, "x.service", "/.service"), Corrupt::PackUnit);
}

#[test]
fn pack_supersedes() {
    refused(|bytes| replaced(bytes, "two", "one"), Corrupt::PackSupersedes);
}

/// The role of an image is the name of a folder, too.
#[test]
fn pack_name_of_an_image() {
    let board = Board::new(BlockSize::B512);
    let workshop = &board.device.workshop;
    let good = Pack::named("hotfix", 2).make(workshop);
    let bad = workshop.forged_from(Path::new(&good), |parts| {
        let mut manifest = RawManifest::of(&parts.manifest);
        manifest.payloads[0].role = b"..".to_vec();
        parts.manifest = manifest.encode();
    });
    let told = board.run(&["--booted", "a", "pack", "install", &bad]).exits(Exit::NotAuthentic);
    drop(told.says(&Corrupt::PackName.to_string()));
}

/// The extension without its bit, and the bit without it.
#[test]
fn manifest_features_of_a_pack() {
    let board = Board::new(BlockSize::B512);
    let workshop = &board.device.workshop;
    let pack = Pack::named("hotfix", 2).make(workshop);
    let no_bit = workshop.forged_from(Path::new(&pack), |parts| parts.prefix[16] &= !16);
    let no_extension = workshop.forged(|parts| parts.prefix[16] |= 16);
    for bad in [&no_bit, &no_extension] {
        for verb in [&["pack", "check"][..], &["install"]] {
            let told = board.run(&[&["--booted", "a"], verb, &[bad]].concat()).exits(Exit::NotAuthentic);
            drop(told.says(&Corrupt::ManifestFeatures.to_string()));
        }
    }
}

/// A pack goes into no slot, by whatever verb.
#[test]
fn pack() {
    let device = Device::new();
    let pack = Pack::named("hotfix", 2).make(&device.workshop);
    for verb in [&["install"][..], &["check"], &["update"]] {
        device.refuses_untouched(&[verb, &[&pack]].concat(), Exit::Refused, &Rejected::Pack.to_string());
    }
    let before = std::fs::read(device.disk()).unwrap();
    let told = device.run(&["provision", "--danger-overwrite", &pack]).exits(Exit::Refused);
    drop(told.says(&Rejected::Pack.to_string()));
    assert!(std::fs::read(device.disk()).unwrap() == before, "it was written to");
}

#[test]
fn no_pack() {
    let board = Board::new(BlockSize::B512);
    let release = board.device.workshop.bundle_text(2);
    for verb in ["check", "install"] {
        let told = board.run(&["--booted", "a", "pack", verb, &release]).exits(Exit::Refused);
        drop(told.says(&Rejected::NoPack.to_string()).says("install it with `install`"));
    }
}
