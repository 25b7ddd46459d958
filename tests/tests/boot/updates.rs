//! Boots on a real kernel: the first one, an update, its trial, three updates in a row, and slots that the command line names. Disks are made by the program, and
//! looked at from outside by `cgpt` and `status`.

use libupdate::BlockSize;
use tests::guest::Machine;
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{Board, Release};

const ONE: Release = Release::of("1.0");
const TWO: Release = Release::of("2.0");

fn version(disk: &GuestDisk, slot: usize) -> String {
    disk.status()["slots"][slot]["version"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_fresh_disk_boots_its_first_slot() {
    let disk = GuestDisk::provisioned(Board::default(), &ONE);
    let said = Machine::does("json,off").run(&disk);
    assert!(said.contains("updater: slot a boots: version 1.0, counted, 2 tries left"), "{said}");
    assert!(said.contains("guest: release 1.0 runs"), "{said}");
    assert!(said.contains(r#""slot":"a","kind":"counted","version":"1.0""#), "{said}");
    // `status` inside the guest learns from the report which slot runs.
    assert!(said.contains(r#""booted":"a""#), "{said}");
    assert_eq!(disk.bits('a'), [1, 2, 1]);
    let phases = said.lines().find(|line| line.contains(" ms: mounts ")).expect("the profile is verbose");
    eprintln!("result: {}", phases.trim());
}

#[test]
fn an_update_is_tried_marked_good_from_inside_and_stays() {
    let disk = GuestDisk::provisioned(Board::default(), &ONE);
    disk.install(&TWO);
    assert_eq!(disk.bits('b'), [2, 3, 0]);
    let said = Machine::does("mark-good,off").run(&disk);
    assert!(said.contains("updater: slot b boots: version 2.0, trial, 2 tries left"), "{said}");
    assert!(said.contains("guest: mark-good ended with 0"), "{said}");
    assert_eq!((disk.bits('a'), disk.bits('b')), ([1, 3, 1], [2, 3, 1]));
    let said = Machine::does("rollback,off").run(&disk);
    assert!(said.contains("updater: slot b boots: version 2.0, counted, 2 tries left"), "{said}");
    assert!(said.contains("guest: rollback ended with 0"), "{said}");
    let said = Machine::does("off").run(&disk);
    assert!(said.contains("updater: slot a boots: version 1.0, counted"), "{said}");
}

#[test]
fn a_guest_installs_its_own_updates_three_in_a_row() {
    let disk = GuestDisk::provisioned(Board::default(), &ONE);
    for (old, version, slot) in [("1.0", "2.0", 'b'), ("2.0", "3.0", 'a'), ("3.0", "4.0", 'b')] {
        // What the running slot holds is what each is made from.
        let release = Release::of(version);
        let bundle = Some(disk.delta(&release, &Release::of(old)).into());
        let said = Machine { bundle, ..Machine::does("mark-good,install,off") }.run(&disk);
        assert!(said.contains("guest: install ended with 0"), "{said}");
        let said = Machine::does("mark-good,off").run(&disk);
        assert!(said.contains(&format!("updater: slot {slot} boots: version {version}, trial")), "{said}");
        assert!(said.contains("guest: mark-good ended with 0"), "{said}");
    }
    assert_eq!((version(&disk, 0), version(&disk, 1)), ("3.0".to_owned(), "4.0".to_owned()));
}

#[test]
fn sectors_of_4096_bytes() {
    let disk = GuestDisk::with_sectors(Board::default(), &ONE, BlockSize::B4096);
    disk.install(&TWO);
    let said = Machine::does("mark-good,off").run(&disk);
    assert!(said.contains("updater: slot b boots: version 2.0, trial, 2 tries left"), "{said}");
    assert_eq!(disk.bits('b'), [2, 3, 1]);
}

#[test]
fn the_same_image_in_both_slots() {
    let disk = GuestDisk::provisioned(Board::default(), &ONE);
    disk.install(&ONE);
    let said = Machine::does("mark-good,off").run(&disk);
    assert!(said.contains("updater: slot b boots: version 1.0, trial"), "{said}");
    assert_eq!((disk.bits('a'), disk.bits('b')), ([1, 3, 1], [2, 3, 1]));
}

#[test]
fn the_hook_marks_good_where_the_profile_says_so() {
    let board = Board { boot: "mark-good = \"hook\"\n", ..Board::default() };
    let disk = GuestDisk::provisioned(board, &ONE);
    disk.install(&TWO);
    let said = Machine::does("off").run(&disk);
    assert!(said.contains("updater: slot b boots: version 2.0, trial"), "{said}");
    assert_eq!(disk.bits('b'), [2, 3, 1]);
}

#[test]
fn a_boot_loader_that_chose_has_spent_the_try() {
    let board = Board { boot: "spends-try = \"boot-loader\"\n", ..Board::default() };
    let disk = GuestDisk::provisioned(board, &ONE);
    let said = Machine { words: "updater.slot=a", ..Machine::does("json,off") }.run(&disk);
    assert!(said.contains("updater: slot a boots: version 1.0, named, 3 tries left"), "{said}");
    assert_eq!(disk.bits('a'), [1, 3, 1]);
}

/// A wrong word in a boot loader's configuration keeps no device from booting. What runs is not sure of itself then, and says so.
#[test]
fn a_slot_that_the_profile_lacks_is_refused_and_another_one_chosen() {
    let disk = GuestDisk::provisioned(Board::default(), &ONE);
    let said = Machine { words: "updater.slot=h", ..Machine::does("mark-good,json,off") }.run(&disk);
    assert!(said.contains("updater: the command line's updater.slot=h is refused: the profile has only ab"), "{said}");
    assert!(said.contains("updater: slot a boots: version 1.0, counted, 2 tries left"), "{said}");
    assert!(said.contains("guest: mark-good ended with 3"), "{said}");
    assert!(said.contains("/proc/cmdline says that slot h is booted, and the profile has only a, b"), "{said}");
    assert_eq!(disk.bits('a'), [1, 2, 1]);
}
