//! Roots of each file system, and slots with two partitions.

use tests::guest::Machine;
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{APP, Board, Release, Root};

const ONE: Release = Release::of("1.0");
const TWO: Release = Release::of("2.0");
/// Slots with a root and an application.
const TWO_PARTS: Board = Board { more: APP, ..Board::PLAIN };

fn boots(root: Root) {
    let disk = GuestDisk::provisioned(Board::PLAIN, &ONE);
    disk.install(&TWO.on(root));
    let said = Machine::does("read,mark-good,off").run(&disk);
    assert!(said.contains("updater: slot b boots: version 2.0, trial, 2 tries left"), "{said}");
    assert!(said.contains("guest: read ended with 0") && said.contains("guest: mark-good ended with 0"), "{said}");
    assert_eq!(disk.bits('b'), [2, 3, 1]);
}

#[test]
fn a_root_of_squashfs() {
    boots(Root::Squashfs);
}

#[test]
fn a_root_of_ext4_with_a_journal() {
    boots(Root::Ext4);
}

fn with_two_parts() -> GuestDisk {
    let disk = GuestDisk::provisioned(TWO_PARTS, &ONE);
    disk.install(&TWO);
    disk
}

#[test]
fn the_second_partition_of_a_slot_is_mapped_and_named_in_the_report() {
    let disk = with_two_parts();
    let said = Machine::does("app,mark-good,off").run(&disk);
    assert!(said.contains("updater: slot b boots: version 2.0, trial, 2 tries left"), "{said}");
    assert!(said.contains(r#""devices":{"root":"/dev/dm-0","app":"/dev/dm-1"}"#), "{said}");
    assert!(said.contains("guest: app 2.0 is mounted"), "{said}");
    assert_eq!(disk.bits('b'), [2, 3, 1]);
}

/// A flaw in the second partition of slot b, at a byte of it: slot a boots, with both of its own.
fn a_flaw_falls_back(at: i64, reason: &str) {
    let disk = with_two_parts();
    disk.damage_in('b', "app", at);
    let said = Machine::does("app,off").run(&disk);
    assert!(said.contains(&format!(r#""passed_over":[{{"slot":"b","reason":"{reason}""#)), "{said}");
    assert!(said.contains("guest: release 1.0 runs") && said.contains("guest: app 1.0 is mounted"), "{said}");
    assert_eq!(disk.bits('b'), [0, 0, 0], "{said}");
}

#[test]
fn a_damaged_trailer_of_the_second_partition() {
    a_flaw_falls_back(16 + 60 - 65536, "trailer");
}

#[test]
fn a_damaged_hash_tree_of_the_second_partition() {
    let disk = with_two_parts();
    let image = std::fs::metadata(disk.bundle(&TWO).replace(".bundle", ".app")).unwrap().len();
    // Behind the data and the superblock.
    a_flaw_falls_back(i64::try_from((image.div_ceil(4096) + 1) * 4096 + 5).unwrap(), "root-hash");
}

#[test]
fn a_damaged_beginning_of_the_second_partition() {
    a_flaw_falls_back(5, "corruption");
}
