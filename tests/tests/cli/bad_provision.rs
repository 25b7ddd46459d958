//! `provision` with a bundle or a disk that will not do. A disk that is refused is bit for bit what it was; one that was begun is begun
//! again.

use std::fs;
use std::path::PathBuf;

use crate::words::Corrupt;
use libupdate::BlockSize;
use libupdate::error::Rejected;
use rustix::process::Signal;
use tests::answer::{Answer, Exit};
use tests::cli::Cli;
use tests::device::Device;
use tests::root_image::noise;
use tests::table_oracle::TableOracle;
use tests::tool;
use tests::workshop::{DISK_BYTES, OTHER_COMPATIBLE, SLOT_BYTES, STRANGER};

/// A disk image file that is yet to be made, of a device's board.
fn unmade(device: &Device) -> (Device, PathBuf) {
    let disk = device.disk().with_file_name("new.img");
    (device.on(&disk), disk)
}

/// The disk cannot be made; what there was of one, or was not, stays so.
fn refused(device: &Device, bundle: &str, exit: Exit, why: &str) {
    let before = device.bytes();
    let provision = ["provision", "--danger-overwrite", bundle];
    device.run(&provision).exits(exit).says(why);
    assert!(before == device.bytes(), "the disk was written: {why}");
    let (new, path) = unmade(device);
    new.run(&["provision", "--size", &DISK_BYTES.to_string(), bundle]).exits(exit).says(why);
    if path.exists() {
        assert!(fs::read(&path).unwrap().iter().all(|byte| *byte == 0), "a disk was begun: {why}");
        fs::remove_file(path).unwrap();
    }
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_bundle_that_will_not_do_touches_no_disk() {
    let device = Device::new();
    let workshop = &device.workshop;
    let stranger = workshop.release(1).keys(&[STRANGER]).create();
    let why = Corrupt::NotEnoughSignatures { valid: 0, threshold: 1 }.to_string();
    refused(&device, text(&stranger), Exit::NotAuthentic, &why);
    let other = workshop.release(1).compatible(OTHER_COMPATIBLE).create();
    refused(&device, text(&other), Exit::Refused, &Rejected::Compatible.to_string());
    refused(&device, &workshop.altered(|bytes| bytes.truncate(100)), Exit::NotAuthentic, "ends too early");
    let image = workshop.put_new("image", &noise("large", usize::try_from(SLOT_BYTES).unwrap()));
    let large = workshop.release(1).image(&image).create();
    refused(&device, text(&large), Exit::NoSpace, "image and hash tree need");
    let boot = format!("boot={}", text(&image));
    let roles = workshop.release(1).with(&["--payload", &boot]).create();
    refused(&device, text(&roles), Exit::NotAuthentic, &Corrupt::Roles.to_string());
    refused(&device, "/nowhere", Exit::Usage, "No such file");
}

#[test]
fn a_disk_that_will_not_do_is_left_alone() {
    let device = Device::new();
    let bundle = device.workshop.bundle_text(1);
    let (new, path) = unmade(&device);
    new.run(&["provision", &bundle]).exits(Exit::Usage).says("--size");
    for size in ["0", "4097", "-1", "many", "99999999T"] {
        new.run(&["provision", "--size", size, &bundle]).exits(Exit::Usage);
        assert!(!path.exists(), "{size}");
    }
    new.run(&["provision", "--size", "4M", &bundle]).exits(Exit::NoSpace).says("the profile's partitions need");
    assert!(!path.exists(), "a disk that is too small was left behind");
    // Anything at either end of a disk is somebody's.
    for at in [0, 510, 4096, DISK_BYTES - 1] {
        fs::write(&path, vec![0; usize::try_from(DISK_BYTES).unwrap()]).unwrap();
        new.put(at, &[0x55]);
        let before = new.bytes();
        new.run(&["provision", &bundle]).exits(Exit::Disk).says("not empty");
        assert!(before == new.bytes(), "byte {at}");
    }
    Cli::new(&["--profile", &device.workshop.text("profile.toml"), "provision", &bundle]).run().exits(Exit::Usage);
}

/// One that was cut short is told from one that is in use, and goes on where it was.
#[test]
fn a_provision_that_was_interrupted_runs_again() {
    for sectors in [BlockSize::B512, BlockSize::B4096] {
        let device = Device::with_sectors(sectors);
        let (new, _) = unmade(&device);
        let size = [sectors.bytes().to_string(), DISK_BYTES.to_string()];
        let line = |bundle: &'static str| {
            ["--sector-size", &size[0], "provision", "--size", &size[1], bundle].map(str::to_owned)
        };
        let bundle = fs::read(device.workshop.bundle(2)).unwrap();
        let mut running = new.cli(&line("-")).start();
        running.feed(&bundle[..1_500_000]);
        running.signal(Signal::INT);
        running.wait_with_stdin_open().exits(Exit::Interrupted).says("run the same command again");
        assert_eq!(new.state("a"), "disarmed");
        new.run(&["choose"]).exits(Exit::Disk);
        // What another partition got meanwhile is nobody's to destroy.
        let data = 18 << 20;
        new.put(data, b"precious");
        let answer: Answer = new.cli(&line("-")).run_with_input(&bundle, &[65_536]);
        answer.exits(Exit::Done);
        assert_eq!((new.state("a").as_str(), new.next().as_str()), ("good", "a"));
        assert_eq!(new.range(data, 8), b"precious");
        assert!(new.partition("a").starts_with(&device.workshop.image(2).padded()));
        if sectors == BlockSize::B512 {
            TableOracle::of(&new).finds_no_problem();
        }
        // Now it is in use.
        new.run(&line("/dev/null")).exits(Exit::NotAuthentic);
        new.cli(&line("-")).run_with_input(&bundle, &[65_536]).exits(Exit::Disk).says("not empty");
    }
}

/// Cut between the trailer and the commit that makes the first slot good; and slots of a disk in use that somebody took out of the order.
#[test]
fn what_a_cut_leaves_is_told_from_what_somebody_left() {
    let device = Device::new();
    let bundle = device.workshop.bundle_text(2);
    device.does(&["provision", "--danger-overwrite", &bundle]);
    let oracle = TableOracle::of(&device);
    let sealed = device.bytes();
    oracle.set_bits(1, [0, 1, 0]);
    device.run(&["provision", &device.workshop.bundle_text(3)]).exits(Exit::Disk).says("not empty");
    device.run(&["provision", &bundle]).exits(Exit::Done);
    assert_eq!(device.state("a"), "good");
    for bits in [[0, 3, 1], [0, 0, 0], [1, 0, 0], [1, 3, 0]] {
        device.put(0, &sealed);
        oracle.set_bits(1, bits);
        let before = device.bytes();
        device.run(&["provision", &bundle]).exits(Exit::Disk).says("not empty");
        assert!(before == device.bytes(), "{bits:?}");
    }
}

/// A disk whose slots are empty, but which was laid out otherwise.
#[test]
fn a_foreign_layout_is_not_taken_for_an_interrupted_one() {
    let device = Device::new();
    let bundle = device.workshop.bundle_text(2);
    let cut = device.workshop.altered(|bytes| bytes.truncate(1 << 20));
    device.run(&["provision", "--danger-overwrite", &cut]).exits(Exit::NotAuthentic).says("ends too early");
    TableOracle::of(&device).sgdisk(&["--change-name=3:home"]);
    device.run(&["provision", &bundle]).exits(Exit::Disk).says("not empty");
    TableOracle::of(&device).sgdisk(&["--change-name=3:data"]);
    device.run(&["provision", &bundle]).exits(Exit::Done);
    assert_eq!(device.slot("a").version.as_deref(), Some("2.0"));
}

/// A file that was made and in which no disk was begun is gone again; one that was there is not.
#[test]
fn a_disk_that_is_too_small_leaves_no_file() {
    let device = Device::new();
    let (new, path) = unmade(&device);
    let bundle = device.workshop.bundle_text(1);
    let small = (8 << 20).to_string();
    new.run(&["provision", "--size", &small, &bundle]).exits(Exit::NoSpace).says("the profile's partitions need");
    assert!(!path.exists());
    let limited = ["prlimit", "--fsize=1000000"];
    new.cli(&["provision", "--size", &small, &bundle])
        .under(&limited)
        .run()
        .exits(Exit::NoSpace)
        .says("File too large");
    assert!(!path.exists());
    fs::write(&path, vec![0; 8 << 20]).unwrap();
    new.run(&["provision", "--size", &small, &bundle]).exits(Exit::NoSpace);
    new.run(&["provision", "--size", "16M", &bundle]).exits(Exit::Usage).says("a disk of 8388608 bytes");
    assert_eq!(fs::metadata(&path).unwrap().len(), 8 << 20);
    fs::remove_file(&path).unwrap();
    // A link that leads to no file yet says where the disk is to be.
    let real = path.with_file_name("real.img");
    std::os::unix::fs::symlink(&real, &path).unwrap();
    new.run(&["provision", "--size", &DISK_BYTES.to_string(), &bundle]).exits(Exit::Done);
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    assert_eq!(fs::metadata(&real).unwrap().len(), DISK_BYTES);
}

/// A device is used, and provisioned again: nothing of its first life is told of its second.
#[test]
fn a_device_that_is_provisioned_again_has_no_past() {
    for sectors in [BlockSize::B512, BlockSize::B4096] {
        let device = Device::with_sectors(sectors);
        let bundle = device.workshop.bundle_text(1);
        let sector_size = sectors.bytes().to_string();
        device.installs(2);
        device.does(&["mark-bad", "--slot", "b", "--reason", "of the first life"]);
        device.does(&[
            "install",
            "--retry-failed",
            "--trial",
            "manual",
            "--within",
            "600",
            &device.workshop.bundle_text(2),
        ]);
        let provision = |bundle: &str| {
            device.run(&["--sector-size", &sector_size, "provision", "--danger-overwrite", bundle]).exits(Exit::Done)
        };
        provision(&bundle);
        new_life(&device);
        let b = device.slot("b");
        let region = device.range(b.start + b.size - 65_536, 65_536);
        assert!(region.iter().all(|byte| *byte == 0), "a record of slot b outlived its table");
        // The release that failed in the first life is nothing special, nor is the one that comes now.
        device.installs(2);
        device.does(&["mark-bad", "--slot", "b"]);
        provision(&device.workshop.bundle_text(2));
        new_life(&device);
    }
}

fn new_life(device: &Device) {
    let status = device.status();
    assert!(status["last_fallback"].is_null(), "{status}");
    assert_eq!((device.state("a").as_str(), device.state("b").as_str()), ("good", "empty"));
}

/// A disk whose ends somebody wiped, with the slots of a first life in it; cut between its new table and the end.
#[test]
fn old_records_are_gone_before_a_table_stands_where_none_was() {
    let device = Device::new();
    device.installs(2);
    let edge = vec![0; 1 << 20];
    device.put(0, &edge);
    device.put(DISK_BYTES - (1 << 20), &edge);
    let cut = device.workshop.altered(|bytes| bytes.truncate(1 << 20));
    device.run(&["provision", &cut]).exits(Exit::NotAuthentic);
    device.run(&["provision", &device.workshop.bundle_text(1)]).exits(Exit::Done);
    new_life(&device);
    device.installs(2);
}

/// An empty disk, which was somebody's until now.
fn blank(path: &std::path::Path) {
    fs::File::create(path).unwrap().set_len(DISK_BYTES).unwrap();
}

/// What `blkid` finds on the disk.
fn found(disk: &str) -> String {
    tool::run("blkid", &["--probe", "--output", "value", "--match-tag", "TYPE", disk]).trim().to_owned()
}

/// File systems and volumes that real makers put on a whole disk. `blkid` is asked whether they are there, before and after.
#[test]
fn a_disk_that_somebody_uses_without_a_table_is_refused() {
    let device = Device::new();
    let (new, path) = unmade(&device);
    let (bundle, disk) = (device.workshop.bundle_text(1), text(&path));
    let tree = tempfile::tempdir().unwrap();
    let key = tree.path().join("key");
    fs::write(&key, noise("key", 100_000)).unwrap();
    let luks = "echo secret | cryptsetup --batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000 luksFormat";
    let squash = format!(
        "mksquashfs {} \"$0\" -quiet -noappend -no-progress; truncate -s {DISK_BYTES} \"$0\"",
        text(tree.path())
    );
    for (kind, said, script) in [
        ("ext4", "ext2, ext3 or ext4", "mkfs.ext4 -q -F \"$0\""),
        ("swap", "swap", "mkswap --pagesize 4096 \"$0\""),
        ("swap", "swap", "mkswap --pagesize 65536 \"$0\""),
        ("minix", "data at byte 1024", "mkfs.minix \"$0\""),
        ("crypto_LUKS", "LUKS", &format!("{luks} --type luks1 \"$0\" -")),
        ("crypto_LUKS", "LUKS", &format!("{luks} --type luks2 \"$0\" -")),
        ("squashfs", "squashfs", &squash),
    ] {
        blank(&path);
        tool::run("sh", &["-c", script, disk]);
        assert_eq!(found(disk), kind);
        new.run(&["provision", &bundle]).exits(Exit::Disk).says("the disk is not empty: it holds ").says(said);
        assert_eq!(found(disk), kind);
    }
}

/// Signatures of what leaves the ends of a disk empty.
#[test]
fn signatures_far_from_the_ends_are_found() {
    let device = Device::new();
    let (new, path) = unmade(&device);
    for (at, magic, said) in [
        (65_536 + 64, &b"_BHRfS_M"[..], "btrfs"),
        (32_769, b"CD001", "ISO 9660"),
        (65_536 + 52, b"ReIsEr2Fs", "reiserfs"),
        (DISK_BYTES - 65_536, b"\xfc\x4e\x2b\xa9", "md"),
        (DISK_BYTES - (256 << 10) + (128 << 10) + 4096, b"\x0c\xb1\xba\0\0\0\0\0", "zfs"),
    ] {
        blank(&path);
        new.put(at, magic);
        let before = new.bytes();
        new.run(&["provision", &device.workshop.bundle_text(1)]).exits(Exit::Disk).says(said);
        assert!(before == new.bytes(), "{said}");
    }
}
