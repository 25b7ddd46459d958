//! After every act of the program, foreign tools accept the disk, read the slot bits that `status` shows, and find every partition
//! where it was. On disks of 512 and of 4096-byte sectors.

use std::collections::BTreeMap;
use std::fs::OpenOptions;

use libupdate::BlockSize;
use tests::answer::Exit;
use tests::device::Device;
use tests::table_oracle::{ENTRIES, Partition, TableOracle};

const SECTORS: [BlockSize; 2] = [BlockSize::B512, BlockSize::B4096];
/// Attribute bits that are not ours: 57 and the ends of the word.
const FOREIGN: [&str; 3] = ["0", "57", "60"];

/// What tools and `status` agree on after each act.
struct Judge {
    partitions: BTreeMap<String, Partition>,
}

impl Judge {
    fn of(device: &Device) -> Self {
        let oracle = TableOracle::of(device);
        oracle.finds_no_problem();
        let partitions = oracle.partitions();
        assert_eq!(partitions.len(), 3, "{partitions:?}");
        Self { partitions }
    }

    /// Slots a and b are in these states, with these bits.
    fn accepts(&self, device: &Device, expected: [(&str, [u64; 3]); 2]) {
        let status = device.status();
        assert_eq!((&status["gpt"]["primary"], &status["gpt"]["backup"]), (&"valid".into(), &"valid".into()));
        let oracle = TableOracle::of(device);
        oracle.finds_no_problem();
        assert_eq!(oracle.partitions(), self.partitions);
        for ((slot, entry), (state, bits)) in ENTRIES.into_iter().zip(expected) {
            let row = device.slot(slot);
            assert_eq!((row.state.as_str(), row.bits), (state, bits), "slot {slot}");
            assert_eq!(oracle.bits(entry), bits, "slot {slot} by cgpt");
        }
    }
}

/// A device whose slot entries carry bits of others.
fn device(sectors: BlockSize) -> Device {
    let device = Device::with_sectors(sectors);
    let oracle = TableOracle::of(&device);
    for (_, entry) in ENTRIES {
        for bit in FOREIGN {
            oracle.sgdisk(&["-A", &format!("{entry}:set:{bit}")]);
        }
    }
    device
}

#[test]
fn every_act_leaves_a_table_that_foreign_tools_accept() {
    for sectors in SECTORS {
        let device = device(sectors);
        let judge = Judge::of(&device);
        let foreign = &judge.partitions["1"].attributes;
        assert!(foreign.iter().any(|bit| bit == "57"), "the foreign bits were not set: {foreign:?}");
        judge.accepts(&device, [("good", [1, 3, 1]), ("empty", [0, 0, 0])]);
        device.installs(2);
        judge.accepts(&device, [("good", [1, 3, 1]), ("trial", [2, 3, 0])]);
        let device = device.boots();
        assert_eq!(device.booted_slot(), "b");
        judge.accepts(&device, [("good", [1, 3, 1]), ("trial", [2, 2, 0])]);
        device.does(&["mark-good"]);
        judge.accepts(&device, [("good", [1, 3, 1]), ("good", [2, 3, 1])]);
        device.does(&["rollback"]);
        judge.accepts(&device, [("good", [3, 3, 1]), ("good", [2, 3, 1])]);
        let device = device.boots();
        assert_eq!(device.booted_slot(), "a");
        judge.accepts(&device, [("good", [3, 2, 1]), ("good", [2, 3, 1])]);
        device.does(&["mark-good"]);
        device.does(&["mark-bad", "--slot", "b"]);
        judge.accepts(&device, [("good", [3, 3, 1]), ("failed", [0, 0, 0])]);
        device.does(&["install", "--no-activate", &device.workshop.bundle_text(3)]);
        judge.accepts(&device, [("good", [3, 3, 1]), ("staged", [0, 3, 0])]);
        device.does(&["activate"]);
        judge.accepts(&device, [("good", [3, 3, 1]), ("trial", [4, 3, 0])]);
        device.does(&["repair"]);
        judge.accepts(&device, [("good", [3, 3, 1]), ("trial", [4, 3, 0])]);
    }
}

#[test]
fn tries_run_out_and_the_good_slot_takes_over() {
    let device = Device::new();
    let judge = Judge::of(&device);
    device.installs(2);
    for left in [2, 1, 0] {
        assert_eq!(device.next(), "b");
        device.does(&["choose", "--spend"]);
        judge.accepts(&device, [("good", [1, 3, 1]), (if left > 0 { "trial" } else { "exhausted" }, [2, left, 0])]);
    }
    assert_eq!(device.next(), "a");
    let fallback = &device.status()["last_fallback"];
    assert_eq!((&fallback["slot"], &fallback["version"]), (&"b".into(), &"2.0".into()));
    for left in [2, 1, 0, 0] {
        device.does(&["choose", "--spend"]);
        judge.accepts(&device, [("good", [1, left, 1]), ("exhausted", [2, 0, 0])]);
    }
    assert_eq!(device.does(&["choose"])["check_all"], true);
}

#[test]
fn priorities_over_the_top_are_compressed_as_cgpt_reads_them() {
    let device = Device::new();
    let judge = Judge::of(&device);
    TableOracle::of(&device).set_bits(1, [15, 3, 1]);
    device.installs(2);
    let [a, b] = ["a", "b"].map(|slot| device.slot(slot).bits[0]);
    assert!(a > 0 && a < b && b <= 15, "priorities {a} and {b}");
    judge.accepts(&device, [("good", [a, 3, 1]), ("trial", [b, 3, 0])]);
}

#[test]
fn what_cgpt_writes_is_what_status_shows() {
    for sectors in SECTORS {
        let device = Device::with_sectors(sectors);
        device.installs(2);
        let device = device.boots();
        device.does(&["mark-good"]);
        for (bits, state, next) in [
            ([15, 15, 1], "good", "b"),
            ([1, 0, 1], "good", "a"),
            ([9, 7, 0], "trial", "b"),
            ([0, 5, 0], "staged", "a"),
            ([0, 0, 0], "failed", "a"),
            ([3, 0, 1], "good", "b"),
        ] {
            TableOracle::of(&device).set_bits(2, bits);
            let row = device.slot("b");
            assert_eq!((row.bits, row.state.as_str()), (bits, state));
            assert_eq!(device.next(), next, "{bits:?}");
        }
    }
}

#[test]
fn repair_heals_either_copy_and_moves_the_backup_of_a_grown_disk() {
    for sectors in SECTORS {
        let device = Device::with_sectors(sectors);
        let judge = Judge::of(&device);
        let expected = [("good", [1, 3, 1]), ("empty", [0, 0, 0])];
        let block = sectors.bytes_u64();
        let last = u64::try_from(device.bytes().len()).unwrap() - block;
        for (copy, at) in [("primary", block), ("backup", last)] {
            device.flip(at + 20);
            assert_eq!(device.status()["gpt"][copy], "corrupt");
            assert_eq!(device.does(&["repair"])["repaired"], copy);
            judge.accepts(&device, expected);
        }
        let grown = last + block + (4 << 20);
        OpenOptions::new().write(true).open(device.disk()).unwrap().set_len(grown).unwrap();
        assert_eq!(device.does(&["repair"])["backup"], "moved");
        assert_eq!(device.does(&["repair"])["repaired"], serde_json::Value::Null);
        device.installs(2);
        let oracle = TableOracle::of(&device);
        oracle.finds_no_problem_but_the_mbr();
        assert_eq!(oracle.partitions(), judge.partitions);
    }
}

#[test]
fn provision_makes_the_profiles_table() {
    for sectors in SECTORS {
        let device = Device::with_sectors(sectors);
        let Judge { partitions } = Judge::of(&device);
        let field = |number: &str, name: &str| partitions[number].fields[name].clone();
        let names = ["1", "2", "3"].map(|number| field(number, "name"));
        assert_eq!(names, ["root-a", "root-b", "data"]);
        for number in ["1", "2"] {
            assert_eq!(field(number, "type"), "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709");
            assert_eq!(field(number, "size"), (6 << 20 >> sectors.bytes().trailing_zeros()).to_string());
            assert_eq!(partitions[number].attributes, ["63"]);
        }
        let provision = ["provision", &device.workshop.bundle_text(2)];
        device.run(&provision).exits(Exit::Disk).says("not empty");
        let sectors = sectors.bytes().to_string();
        device.does(&["--sector-size", &sectors, "provision", "--danger-overwrite", &device.workshop.bundle_text(2)]);
        Judge::of(&device).accepts(&device, [("good", [1, 3, 1]), ("empty", [0, 0, 0])]);
        assert_eq!(device.slot("a").version.as_deref(), Some("2.0"));
    }
}
