//! Bundles that are not signed as the profile asks. All are refused before the first write.

use std::fs;

use crate::words::Corrupt;
use tests::answer::Exit;
use tests::bundle_parts::BundleParts;
use tests::cli::Cli;
use tests::device::Device;
use tests::workshop::{MAKER, SECOND, STRANGER, Workshop};

/// Order of the curve P-256.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

fn refused(device: &Device, bundle: &str, (valid, threshold): (usize, usize)) {
    let why = Corrupt::NotEnoughSignatures { valid, threshold }.to_string();
    device.refuses_untouched(&["install", bundle], Exit::NotAuthentic, &why);
}

fn signed_by(workshop: &Workshop, keys: &[&'static str]) -> String {
    workshop.release(2).keys(keys).create().to_str().unwrap().to_owned()
}

#[test]
fn not_enough_signatures_by_another_key() {
    let device = Device::new();
    refused(&device, &signed_by(&device.workshop, &[STRANGER]), (0, 1));
    refused(&device, &signed_by(&device.workshop, &[SECOND, STRANGER]), (0, 1));
}

#[test]
fn not_enough_signatures_where_there_is_none() {
    let device = Device::new();
    refused(&device, &signed_by(&device.workshop, &[]), (0, 1));
}

/// The trusted key signed, but something else.
#[test]
fn not_enough_signatures_over_this_manifest() {
    let device = Device::new();
    let workshop = &device.workshop;
    let other = BundleParts::of(&fs::read(workshop.bundle(3)).unwrap());
    let bundle = workshop.altered(|bytes| {
        let parts = BundleParts { records: other.records.clone(), ..BundleParts::of(bytes) };
        *bytes = parts.joined();
    });
    refused(&device, &bundle, (0, 1));
}

/// Two keys are needed: one of them is not enough, nor is the same one twice, nor a stranger beside it; both are.
#[test]
fn not_enough_signatures_at_threshold_two() {
    let device = Device::new();
    let workshop = device.workshop.clone();
    let installed = signed_by(&workshop, &[MAKER, SECOND]);
    // Slot a was provisioned by a profile that asks for one key: under this one it would not be authentic.
    let image = workshop.release(1).keys(&[MAKER, SECOND]).create();
    let device = device.profile("both.toml");
    device.does(&["provision", "--danger-overwrite", image.to_str().unwrap()]);
    refused(&device, &signed_by(&workshop, &[MAKER]), (1, 2));
    refused(&device, &signed_by(&workshop, &[SECOND]), (1, 2));
    refused(&device, &signed_by(&workshop, &[MAKER, STRANGER]), (1, 2));
    let twice = workshop.altered(|bytes| {
        let mut parts = BundleParts::of(bytes);
        parts.records.push(parts.records[0]);
        *bytes = parts.joined();
    });
    refused(&device, &twice, (1, 2));
    device.does(&["install", &installed]);
    assert_eq!(device.state("b"), "trial");
}

/// One of two keys is enough where the profile says so, and both, and one beside a stranger's.
#[test]
fn one_of_two_keys_is_enough_at_threshold_one() {
    for keys in [&[MAKER][..], &[SECOND], &[SECOND, MAKER], &[STRANGER, SECOND]] {
        let device = Device::new().profile("either.toml");
        device.does(&["install", &signed_by(&device.workshop, keys)]);
        assert_eq!(device.state("b"), "trial");
    }
}

/// The other form of the same signature: as valid for openssl, and another file.
#[test]
fn high_s() {
    let device = Device::new();
    let bundle = device.workshop.altered(|bytes| {
        let mut parts = BundleParts::of(bytes);
        let (_, s) = parts.records[0].split_at_mut(64);
        s.copy_from_slice(&minus(s));
        *bytes = parts.joined();
    });
    let why =
        Corrupt::HighS { key: *libupdate::bundle::writer::Signer::public_key(device.workshop.maker()).id().digest() };
    device.refuses_untouched(&["install", &bundle], Exit::NotAuthentic, &why.to_string());
}

/// Whether the signature holds is not asked then.
#[test]
fn high_s_of_nothing() {
    let device = Device::new();
    let maker = libupdate::bundle::writer::Signer::public_key(device.workshop.maker()).id();
    let bundle = device.workshop.altered(|bytes| {
        let mut parts = BundleParts::of(bytes);
        let mut record = parts.records[0];
        record[32..].fill(0xf0);
        parts.records.push(record);
        *bytes = parts.joined();
    });
    let why = Corrupt::HighS { key: *maker.digest() }.to_string();
    device.refuses_untouched(&["install", &bundle], Exit::NotAuthentic, &why);
}

/// Of a stranger's record nothing is read: it may hold anything, the other form too. Attaching leaves it as it is.
#[test]
fn high_s_by_a_key_that_is_not_trusted() {
    let device = Device::new();
    let workshop = &device.workshop;
    let both = signed_by(workshop, &[STRANGER, MAKER]);
    let mut parts = BundleParts::of(&fs::read(both).unwrap());
    let (_, s) = parts.records[0].split_at_mut(64);
    s.copy_from_slice(&minus(s));
    let bundle = workshop.put_new("bundle", &parts.joined());
    let made = [workshop.put_new("sig", &parts.records[0][32..]), workshop.put_new("sig", &parts.records[1][32..])];
    device.does(&["install", "--no-activate", bundle.to_str().unwrap()]);
    // A signature that was made in the other form is stored in the one that counts, and of the others nothing changes.
    for (signature, key, lower) in [(&made[1], MAKER, false), (&made[0], STRANGER, true)] {
        let key = workshop.text(&format!("{key}.pub"));
        let attach = ["bundle", "attach-signature", "--public-key", &key, "--signature", signature.to_str().unwrap()];
        Cli::new(&attach).and(&[&bundle]).run().exits(Exit::Done);
        let after = BundleParts::of(&fs::read(&bundle).unwrap());
        let record = after.records.iter().find(|record| record[..32] == parts.records[0][..32]).unwrap();
        assert_eq!(record[64..] == minus(&parts.records[0][64..]), lower);
        assert!(after.records.contains(&parts.records[1]));
    }
}

/// The order of the curve minus a number.
fn minus(number: &[u8]) -> [u8; 32] {
    let mut borrow = 0;
    let mut difference = [0; 32];
    for at in (0..32).rev() {
        let left = i16::from(ORDER[at]) - i16::from(number[at]) - borrow;
        borrow = i16::from(left < 0);
        difference[at] = u8::try_from(left + 256 * borrow).unwrap();
    }
    difference
}

/// `--trust` replaces the profile's keys, and does not add to them.
#[test]
fn trust_on_the_command_line_replaces_the_profiles() {
    let device = Device::new();
    let key = device.workshop.text(&format!("{STRANGER}.pub"));
    let bundle = signed_by(&device.workshop, &[STRANGER]);
    refused(&device, &bundle, (0, 1));
    let why = Corrupt::NotEnoughSignatures { valid: 0, threshold: 1 }.to_string();
    device
        .cli(&["--trust", &key, "verify"])
        .and(&[device.workshop.bundle(2)])
        .run()
        .exits(Exit::NotAuthentic)
        .says(&why);
    // Under the other key nothing of this disk is authentic, so that there is no good slot to fall back to.
    device.run(&["--trust", &key, "verify", &bundle]).exits(Exit::Done);
    assert_eq!(device.does(&["--trust", &key, "status"])["slots"][0]["state"], "unverified");
}

/// What lies in the trust folder beside the keys stops no verb, and is told; fewer keys than the threshold do.
#[test]
fn spare_files_in_the_trust_folder() {
    let device = Device::new();
    let workshop = device.workshop.clone();
    let trust = workshop.path("trust");
    fs::create_dir(&trust).unwrap();
    fs::copy(workshop.path(&format!("{MAKER}.pub")), trust.join("maker.pub")).unwrap();
    let named = format!("keys = [\"{MAKER}.pub\"]");
    let usual = fs::read_to_string(workshop.path("profile.toml")).unwrap();
    assert!(usual.contains(&named));
    workshop.put("folder.toml", usual.replace(&named, "folder = \"trust\"").as_bytes());
    let two = usual.replace(&named, "folder = \"trust\"").replace("threshold = 1", "threshold = 2");
    workshop.put("folder-two.toml", two.as_bytes());
    let device = device.profile("folder.toml");
    let clean = device.run(&["mark-good"]).exits(Exit::Done);
    assert!(!clean.stderr().contains("warning"), "{clean}");
    fs::copy(trust.join("maker.pub"), trust.join("copy.pub")).unwrap();
    fs::write(trust.join("._maker.pub"), [0, 5, 22, 7]).unwrap();
    fs::create_dir(trust.join("folder.pub")).unwrap();
    std::os::unix::fs::symlink("gone", trust.join("link.pub")).unwrap();
    tests::tool::run("mkfifo", &[trust.join("fifo.pub")]);
    let warned = device.run(&["mark-good"]).exits(Exit::Done);
    for name in ["maker.pub (its key", "._maker.pub", "folder.pub", "link.pub", "fifo.pub"] {
        assert!(warned.stderr().contains(name), "{name}\n{warned}");
    }
    device.profile("folder-two.toml").run(&["mark-good"]).exits(Exit::Usage).says("skipped");
}

#[test]
fn a_file_that_is_no_public_key_is_a_usage_error() {
    let device = Device::new();
    let private = device.workshop.text(&format!("{MAKER}.key"));
    let nonsense = device.workshop.put_new("pub", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
    for key in [private.as_str(), nonsense.to_str().unwrap(), "/dev/null", "/nowhere"] {
        let bundle = device.workshop.bundle_text(2);
        let before = device.bytes();
        device.run(&["--trust", key, "install", &bundle]).exits(Exit::Usage);
        Cli::new(&["--trust", key, "verify", &bundle]).run().exits(Exit::Usage);
        assert!(before == device.bytes());
    }
}
