//! Disks whose partition table breaks a rule: one copy of it, both, or the partitions in it.
//!
//! With one bad copy everything works, `status` says which one, and the next commit repairs it. With two bad copies nothing does.

use std::fs::{self, OpenOptions};
use std::path::Path;

use libupdate::error::{NoSpace, TableFault};
use libupdate::{BlockCount, BlockSize, ByteLen, Lba, SlotId};
use tests::answer::{Answer, Exit};
use tests::device::Device;
use tests::gpt_copy::{GptCopy, Which};
use tests::table_oracle::TableOracle;

mod grown;
mod words;

const BOTH: [Which; 2] = [Which::Primary, Which::Backup];

fn word(which: Which) -> &'static str {
    if which == Which::Primary { "primary" } else { "backup" }
}

/// A change that breaks this rule of one copy, which is tried on the primary, on the backup, and on both: what the program does and
/// says. Every value that breaks a rule is the conformance catalogue's.
fn broken(fault: TableFault, change: impl Fn(GptCopy) -> GptCopy) {
    for which in BOTH {
        let device = Device::new();
        let partitions = TableOracle::of(&device).partitions();
        change(GptCopy::read(&device, which)).write(&device);
        works_and_is_repaired(&device, which, &format!("{fault:?}"));
        assert_eq!(TableOracle::of(&device).partitions(), partitions, "{fault:?}");
    }
    let device = Device::new();
    BOTH.map(|which| change(GptCopy::read(&device, which))).iter().for_each(|copy| copy.write(&device));
    let bundle = device.workshop.bundle_text(2);
    let why = TableFault::NoValidCopy.to_string();
    for arguments in
        [vec!["install", &bundle], vec!["mark-good"], vec!["repair"], vec!["choose", "--spend"], vec!["status"]]
    {
        device.refuses_untouched(&arguments, Exit::Disk, &why);
    }
}

/// Reading verbs work and say which copy is bad; they write nothing. The first commit repairs it and says so.
fn works_and_is_repaired(device: &Device, which: Which, rule: &str) {
    let before = device.bytes();
    let shown = device.status()["gpt"][word(which)].clone();
    assert!(shown == "corrupt" || shown == "missing", "{rule} of the {which:?}: {shown}");
    assert_eq!(device.next(), "a");
    device.does(&["install", "--dry-run", &device.workshop.bundle_text(2)]);
    assert!(before == device.bytes(), "{rule} of the {which:?}: a reading verb wrote");
    let note = format!("repaired the {} copy of the partition table", word(which));
    device.run(&["install", &device.workshop.bundle_text(2)]).exits(Exit::Done).says(&note);
    TableOracle::of(device).finds_no_problem();
    assert_eq!((device.next().as_str(), device.state("b").as_str()), ("b", "trial"));
}

#[test]
fn signature() {
    broken(TableFault::Signature, |copy| copy.with(0, b"EFI PORT").header_summed());
}

#[test]
fn revision() {
    broken(TableFault::Revision { found: 0x20000 }, |copy| copy.with(8, &[0, 0, 2, 0]).header_summed());
}

#[test]
fn header_size() {
    broken(TableFault::HeaderSize { found: 91 }, |copy| copy.with(12, &[91]).header_summed());
}

#[test]
fn header_crc() {
    broken(TableFault::HeaderCrc, |copy| copy.with(16, &[0, 0, 0, 0]));
}

#[test]
fn reserved() {
    broken(TableFault::Reserved, |copy| copy.with(20, &[1]).header_summed());
}

#[test]
fn entry_size() {
    broken(TableFault::EntrySize { found: 256 }, |copy| copy.with(84, &[0, 1]).header_summed());
}

#[test]
fn entry_count() {
    broken(TableFault::EntryCount { found: 0 }, |copy| copy.with(80, &[0; 4]).header_summed());
    // What sgdisk makes and the kernel reads; and what the message says makes it one that we read.
    let device = device_after(&["--resize-table=2048"]);
    let answer = tells(&device, "LBA 1: the GPT has 2048 entries, not 1 to 1024");
    assert!(answer.stderr().contains("sgdisk --resize-table=128 "), "{answer}");
    TableOracle::of(&device).sgdisk(&["--resize-table=128"]);
    assert_eq!(device.next(), "a");
}

/// `status` for people says this, and names the new table last, with what it costs.
fn tells(device: &Device, line: &str) -> Answer {
    let answer = device.run(&["status"]).exits(Exit::Disk).says(line);
    let next = answer.stderr().lines().find(|line| line.starts_with("next: ")).expect("what to do next").to_owned();
    let (first, last) = next.split_once("; as the last resort, ").expect("the last resort comes last");
    assert!(!first.contains("provision") && last.contains("destroys what is on the disk"), "{answer}");
    answer
}

#[test]
fn my_lba() {
    broken(TableFault::MyLba { found: Lba::new(2), at: Lba::new(1) }, |copy| copy.with(24, &[2, 0]).header_summed());
}

#[test]
fn entries_lba() {
    broken(TableFault::EntriesLba { found: Lba::new(1) }, |copy| copy.with(72, &1_u64.to_le_bytes()).header_summed());
}

#[test]
fn usable_range() {
    // The last usable block before the first.
    broken(TableFault::UsableRange, |copy| copy.with(48, &[1, 0, 0]).header_summed());
}

/// The last usable block past the disk's end: what a table says that was made for a larger disk, and an image that was not copied whole.
#[test]
fn disk_too_short() {
    let fault = TableFault::DiskTooShort { needs: BlockCount::new(1 << 56), has: BlockCount::new(40_960) };
    broken(fault, |copy| copy.with(48, &[0xff; 7]).header_summed());
    let device = Device::new();
    resize(&device, -(1 << 20));
    let answer = device.refuses_untouched(&["status"], Exit::Disk, &TableFault::NoValidCopy.to_string());
    assert_eq!(answer.json()["error"]["details"].as_array().map(Vec::len), Some(2), "{answer}");
    tells(&device, "LBA 1: the GPT was made for a disk of 40960 sectors or more, this one has 38912")
        .says("LBA 38911: no GPT signature")
        .says("copy the image again, whole");
}

/// Makes the disk larger or smaller.
fn resize(device: &Device, by: i64) {
    let file = OpenOptions::new().write(true).open(device.disk()).unwrap();
    let len = file.metadata().unwrap().len();
    file.set_len(len.checked_add_signed(by).unwrap()).unwrap();
}

#[test]
fn entries_crc() {
    broken(TableFault::EntriesCrc, |copy| copy.with_entry(3, 60, b"x"));
}

#[test]
fn entry_range() {
    let outside = |copy: GptCopy| copy.with_entry(2, 40, &0x00ff_ffff_u64.to_le_bytes()).summed();
    broken(TableFault::EntryRange { entry: 2 }, outside);
}

#[test]
fn overlap() {
    broken(TableFault::Overlap { entry: 2, other: 1 }, |copy| {
        let last = copy.entry_field(1, 40);
        copy.with_entry(2, 32, &last.to_le_bytes()).summed()
    });
}

/// The primary is good and names a place where no backup can stand.
#[test]
fn alternate_lba() {
    for found in [0_u64, u64::MAX] {
        let device = Device::new();
        GptCopy::read(&device, Which::Primary).with(32, &found.to_le_bytes()).header_summed().write(&device);
        let status = device.status();
        let copies = [&status["gpt"]["primary"], &status["gpt"]["backup"]];
        let fault = TableFault::AlternateLba { found: Lba::new(found) };
        assert!(copies.iter().any(|copy| **copy != "valid"), "{fault:?}: {copies:?}");
        device.installs(2);
        device.does(&["repair"]);
        TableOracle::of(&device).finds_no_problem();
        assert_eq!(device.next(), "b");
    }
}

/// Both copies are good and not the same: the primary counts, and the backup is made like it.
#[test]
fn a_backup_that_differs_gives_way() {
    let device = Device::new();
    let bits = |word: u64| word | 0xf << 48;
    let backup = GptCopy::read(&device, Which::Backup);
    let other = bits(backup.entry_field(2, 48));
    backup.with_entry(2, 48, &other.to_le_bytes()).summed().write(&device);
    assert_eq!(device.status()["gpt"]["backup"], "differs");
    assert_eq!((device.next().as_str(), device.slot("b").bits), ("a", [0, 0, 0]));
    device.installs(2);
    TableOracle::of(&device).finds_no_problem();
    assert_eq!(device.slot("b").bits, [2, 3, 0]);
}

#[test]
fn no_valid_copy() {
    let device = Device::new();
    let why = TableFault::NoValidCopy.to_string();
    // A disk without any, and one whose ends somebody wiped.
    let edge = vec![0; 1 << 20];
    let end = u64::try_from(device.bytes().len()).unwrap();
    device.put(0, &edge);
    device.put(end - (1 << 20), &edge);
    for verb in [vec!["install", &device.workshop.bundle_text(2)], vec!["status"], vec!["choose"], vec!["repair"]] {
        device.refuses_untouched(&verb, Exit::Disk, &why);
    }
    OpenOptions::new().write(true).open(device.disk()).unwrap().set_len(0).unwrap();
    OpenOptions::new().write(true).open(device.disk()).unwrap().set_len(end).unwrap();
    device.refuses_untouched(&["status"], Exit::Disk, &why);
    tells(&device, "primary copy, LBA 1: no GPT signature");
}

#[test]
fn disk_too_small() {
    let device = Device::new();
    for bytes in [0, 511, 512, 5 * 512] {
        fs::write(device.disk(), vec![0; bytes]).unwrap();
        device.refuses_untouched(&["status"], Exit::Disk, &TableFault::DiskTooSmall.to_string());
    }
}

/// A table for sectors of 4096 bytes, and the header of one for 512 that somebody left behind.
#[test]
fn ambiguous_sector_size() {
    let device = Device::with_sectors(BlockSize::B4096);
    let len = u64::try_from(device.bytes().len()).unwrap();
    device.put(512, &GptCopy::read(&device, Which::Primary).header_for(BlockSize::B512, len));
    let why = "both";
    let bundle = device.workshop.bundle_text(2);
    for arguments in [vec!["status"], vec!["install", &bundle]] {
        let answer = device.refuses_untouched(&arguments, Exit::Disk, "");
        assert!(answer.stderr().contains("--sector-size"), "{answer}, {why}");
    }
    device.does(&["--sector-size", "4096", "install", &bundle]);
    assert_eq!(device.does(&["--sector-size", "4096", "choose"])["slot"], "b");
}

/// Has sgdisk change the table of a new device.
fn device_after(sgdisk: &[&str]) -> Device {
    let device = Device::new();
    TableOracle::of(&device).sgdisk(sgdisk);
    device
}

#[test]
fn partition_missing() {
    let kind = TableFault::PartitionMissing { slot: SlotId::B };
    // It is gone; it has another type; it has another label.
    for sgdisk in [["--delete=2"], ["--typecode=2:8300"], ["--change-name=2:root-c"]] {
        let device = device_after(&sgdisk);
        for verb in [vec!["install", &device.workshop.bundle_text(2)], vec!["status"], vec!["mark-good"]] {
            device.refuses_untouched(&verb, Exit::Disk, &kind.to_string());
        }
    }
}

#[test]
fn partition_ambiguous() {
    let kind = TableFault::PartitionAmbiguous { slot: SlotId::B };
    let device = device_after(&["--typecode=3:4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "--change-name=3:root-b"]);
    for verb in [vec!["install", &device.workshop.bundle_text(2)], vec!["status"]] {
        device.refuses_untouched(&verb, Exit::Disk, &kind.to_string());
    }
    device.run(&["status"]).exits(Exit::Disk).says("partition 2: label root-b").says("partition 3: label root-b");
}

/// Makes the partition of slot b smaller, at the same place.
fn shrunk(bytes: u64) -> Device {
    let device = Device::new();
    let first = device.slot("b").start / 512;
    let last = first + bytes / 512 - 1;
    let make = ["--delete=2", &format!("--new=2:{first}:{last}"), "--change-name=2:root-b"];
    let kind = "--typecode=2:4f68bce3-e8cd-4db1-96e7-fbcaf984b709";
    TableOracle::of(&device).sgdisk(&[&make[..], &[kind]].concat());
    device
}

#[test]
fn partition_too_small_for_the_image() {
    let device = shrunk(1 << 20);
    let answer = device.refuses_untouched(
        &["install", &device.workshop.bundle_text(2)],
        Exit::NoSpace,
        "image and hash tree need",
    );
    assert!(answer.stderr().contains("make the image smaller, or the partition larger"), "{answer}");
    // One that is large enough for another image takes that.
    device.installs(3);
    assert_eq!(device.state("b"), "trial");
}

#[test]
fn partition_without_room_for_a_trailer() {
    let device = shrunk(32 << 10);
    let kind = NoSpace::NoTrailerRegion { size: ByteLen::new(32 << 10) };
    device.refuses_untouched(&["install", &device.workshop.bundle_text(3)], Exit::NoSpace, &kind.to_string());
    assert_eq!((device.state("a").as_str(), device.next().as_str()), ("good", "a"));
}

/// A disk whose sectors are said to be of another size than its table's.
#[test]
fn a_table_for_other_sectors_is_none() {
    let device = Device::new();
    device.refuses_untouched(&["--sector-size", "4096", "status"], Exit::Disk, &TableFault::NoValidCopy.to_string());
}

/// Somebody changes the slot's bits while it is being written: whoever that was is not overruled.
#[test]
fn changed_under_us() {
    let device = Device::new();
    let bundle = fs::read(device.workshop.bundle(2)).unwrap();
    let (first, rest) = bundle.split_at(bundle.len() - 1000);
    let mut running = device.cli(&["install", "-", "--json"]).start();
    running.feed(first);
    TableOracle::of(&device).set_bits(2, [5, 5, 0]);
    running.feed(rest);
    running.wait().fails(Exit::Disk, &TableFault::ChangedUnderUs.to_string());
    assert_eq!(device.slot("b").bits, [5, 5, 0]);
}

#[test]
fn a_path_that_is_no_disk() {
    let device = Device::new();
    let bundle = device.workshop.bundle_text(2);
    for (disk, exit) in [("/nowhere", Exit::Disk), ("/dev/null", Exit::Disk), ("/usr", Exit::Disk)] {
        device.on(Path::new(disk)).run(&["install", &bundle]).exits(exit);
    }
}
