//! Disks that are damaged, or on which nothing is bootable: they boot all the same.

use tests::answer::Exit;
use tests::guest::Machine;
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{Board, Release};
use tests::guest_medium::Medium;

const ONE: Release = Release::of("1.0");
const TWO: Release = Release::of("2.0");

/// A device with two good slots.
fn with_two(board: Board) -> GuestDisk {
    let disk = GuestDisk::provisioned(board, &ONE);
    disk.install(&TWO);
    disk.cli(&["mark-good", "--slot", "b", "--danger-untried"]).exits(Exit::Done);
    disk
}

/// The kernel has found no partition then, and reads the table again (BLKRRPART) when it is repaired.
#[test]
fn a_wiped_primary_table_is_repaired_and_the_slot_boots() {
    let disk = with_two(Board::default());
    disk.wipe(0, 34 * 512);
    let said = Machine::does("off").run(&disk);
    assert!(said.contains("updater: the primary copy of the partition table was damaged and is repaired"), "{said}");
    assert!(said.contains("updater: slot b boots: version 2.0, counted, 2 tries left"), "{said}");
    let gpt = &disk.status()["gpt"];
    assert_eq!((&gpt["primary"], &gpt["backup"]), (&"valid".into(), &"valid".into()));
    assert_eq!(disk.bits('b'), [2, 2, 1]);
}

/// Reading the table again is of no use here: the kernel finds none, and gets each partition from the hook, one by one (BLKPG).
#[test]
fn a_primary_table_that_cannot_be_written_anew_leaves_the_kernel_its_partitions() {
    let disk = with_two(Board::default());
    disk.wipe(0, 34 * 512);
    let said = Machine { medium: Medium::FailsHeader, ..Machine::does("read,off") }.run(&disk);
    assert!(said.contains("updater: a copy of the partition table is damaged and stays so: "), "{said}");
    assert!(said.contains("updater: the try of slot b could not be spent: "), "{said}");
    assert!(said.contains("updater: slot b boots: version 2.0, counted"), "{said}");
    assert!(said.contains("guest: read ended with 0"), "{said}");
    assert_eq!(disk.status()["gpt"]["primary"], "missing");
}

#[test]
fn a_wiped_backup_table_is_repaired() {
    let disk = with_two(Board::default());
    disk.wipe(-33 * 512, 33 * 512);
    let said = Machine::does("off").run(&disk);
    assert!(said.contains("updater: the backup copy of the partition table was damaged and is repaired"), "{said}");
    assert!(said.contains("updater: slot b boots"), "{said}");
    assert_eq!(disk.status()["gpt"]["backup"], "valid");
}

#[test]
fn a_disk_without_a_table_says_so_and_starts_over() {
    let board = Board { boot: "disk-seconds = 1\n", ..Board::default() };
    let disk = with_two(board);
    disk.wipe(0, 34 * 512);
    disk.wipe(-33 * 512, 33 * 512);
    let guest = Machine::does("off").start(&disk);
    guest.says("updater: nothing can be booted; restart in 1 s", 2);
    let said = guest.cut();
    assert!(said.contains("no disk under /sys/block matches the profile"), "{said}");
}

#[test]
fn a_good_slot_that_rots_is_passed_over_at_once_where_its_trailer_is_bad() {
    let disk = with_two(Board::default());
    disk.damage('b', 16 + 60 - 65536);
    let said = Machine::does("json,off").run(&disk);
    assert!(said.contains("updater: slot b is passed over: its trailer"), "{said}");
    assert!(said.contains("updater: slot a boots: version 1.0, counted"), "{said}");
    // It may heal: it stays in the boot order, with one boot less that nobody confirmed.
    assert_eq!(disk.bits('b'), [2, 2, 1]);
}

#[test]
fn a_good_slot_whose_boots_are_never_confirmed_is_read_in_full() {
    let disk = with_two(Board::default());
    disk.set_bits('b', [2, 0, 1]);
    let said = Machine::does("off").run(&disk);
    assert!(said.contains("updater: slot b boots: version 2.0, suspect, 0 tries left"), "{said}");
    let image = std::fs::metadata(disk.bundle(&TWO).replace(".bundle", ".image")).unwrap().len();
    disk.damage('b', i64::try_from(image / 2).unwrap());
    let said = Machine::does("json,off").run(&disk);
    assert!(said.contains("updater: slot b is passed over: a block does not match the hash tree"), "{said}");
    assert!(said.contains("updater: slot a boots: version 1.0, counted"), "{said}");
    // It has lost its success, and is exhausted.
    assert_eq!(disk.bits('b'), [2, 0, 0]);
    assert_eq!(disk.status()["last_fallback"]["reason"], "a block does not match the hash tree");
}

#[test]
fn where_all_tries_ran_out_the_last_resort_boots() {
    let disk = with_two(Board::default());
    disk.set_bits('a', [1, 0, 0]);
    disk.set_bits('b', [2, 0, 0]);
    let said = Machine::does("off").run(&disk);
    assert!(said.contains("updater: no slot boots; as a last resort, every block of each is checked"), "{said}");
    assert!(said.contains("updater: slot b boots: version 2.0, last-resort, 0 tries left"), "{said}");
    let image = std::fs::metadata(disk.bundle(&TWO).replace(".bundle", ".image")).unwrap().len();
    disk.damage('b', i64::try_from(image / 2).unwrap());
    let said = Machine::does("off").run(&disk);
    assert!(said.contains("updater: slot a boots: version 1.0, last-resort, 0 tries left"), "{said}");
}

#[test]
fn where_all_tries_ran_out_the_recovery_partition_boots() {
    let more = "[[partition]]\nlabel = \"rescue\"\ntype = \"0fc63daf-8483-4772-8e79-3d69d8477de4\"\nsize = \"8M\"\n";
    let board = Board { boot: "on-exhausted = \"recovery\"\nrecovery = \"rescue\"\n", more, ..Board::default() };
    let disk = with_two(board);
    disk.set_bits('a', [1, 0, 0]);
    disk.set_bits('b', [2, 0, 0]);
    disk.copy_image(&Release::of("0.1"), "rescue");
    let said = Machine::does("off").run(&disk);
    assert!(said.contains("updater: no slot boots; the recovery partition takes over"), "{said}");
    assert!(said.contains("guest: release 0.1 runs"), "{said}");
}

#[test]
fn where_all_tries_ran_out_the_machine_starts_over_if_that_is_wanted() {
    let disk = with_two(Board { boot: "on-exhausted = \"reboot\"\n", ..Board::default() });
    disk.set_bits('a', [1, 0, 0]);
    disk.set_bits('b', [2, 0, 0]);
    let guest = Machine::does("off").start(&disk);
    guest.says("updater: nothing can be booted; restart in 1 s", 2);
    let said = guest.cut();
    assert!(!said.contains("guest: release"), "{said}");
}
