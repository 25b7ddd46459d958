//! Trials that a person confirms, and what is said of a trial that was not marked good: on the console, in the report, and in `status`
//! on the slot that takes over.

use tests::answer::Exit;
use tests::guest::Machine;
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{Board, Flaw, Release};

const ONE: Release = Release::of("1.0");
const TWO: Release = Release::of("2.0");

/// A device with 1.0 good on slot a, and a release on slot b whose trial a person has so long to confirm.
fn asking(release: &Release, seconds: &str) -> GuestDisk {
    let disk = GuestDisk::provisioned(Board::default(), &ONE.acts("json,off"));
    disk.cli(&["install", "--trial", "manual", "--within", seconds, &disk.bundle(release)]).exits(Exit::Done);
    assert_eq!(disk.bits('b'), [2, 3, 0]);
    assert_eq!(disk.status()["slots"][1]["confirm_seconds"], seconds.parse::<u32>().unwrap());
    disk
}

#[test]
fn a_person_confirms_while_the_service_waits() {
    let disk = asking(&TWO, "600");
    let said = Machine::does("confirm,json,off").run(&disk);
    assert!(said.contains("updater: slot b waits for a person: `updater-cli mark-good` within 600 s"), "{said}");
    assert!(said.contains("warning: slot b waits for a person"), "{said}");
    assert!(said.contains(r#""confirm_seconds":600"#), "{said}");
    let (marked, waited) = (said.find("guest: mark-good ended with 0"), said.find("guest: unattended ended with 0"));
    assert!(marked.is_some() && marked < waited, "{said}");
    assert_eq!(disk.bits('b'), [2, 3, 1]);
}

#[test]
fn where_nobody_confirms_the_old_slot_boots() {
    let disk = asking(&TWO.acts("unattended,reboot"), "2");
    let said = Machine::default().run(&disk);
    assert!(said.contains("guest: unattended ended with 3"), "{said}");
    assert!(said.contains("updater: slot a boots: version 1.0, counted"), "{said}");
    assert_eq!(disk.bits('b'), [0, 0, 0]);
    let fallback = &disk.status()["last_fallback"];
    assert_eq!((&fallback["slot"], &fallback["reason"]), (&"b".into(), &"nobody confirmed it in time".into()));
    assert_eq!(fallback["detail"], "within 2 s");
    // It is remembered.
    disk.cli(&["install", &disk.bundle(&TWO.acts("unattended,reboot"))]).exits(Exit::Refused);
}

#[test]
fn a_power_cut_while_a_person_is_waited_for_asks_again() {
    let disk = asking(&TWO.acts("unattended,reboot"), "600");
    for left in ["2", "1"] {
        let guest = Machine::default().start(&disk);
        guest.says("warning: slot b waits for a person", 1);
        let said = guest.cut();
        assert!(said.contains(&format!("updater: slot b boots: version 2.0, trial, {left} tries left")), "{said}");
    }
    assert_eq!(disk.bits('b'), [2, 1, 0]);
}

#[test]
fn a_restart_before_mark_good_is_told_everywhere() {
    let disk = GuestDisk::provisioned(Board::default(), &ONE.acts("json,off"));
    disk.install(&TWO.acts("restarted,reboot"));
    disk.set_bits('b', [2, 2, 0]);
    let said = Machine::default().run(&disk);
    let why = "the system was restarted before it was marked good";
    assert!(said.contains(&format!("is on trial and not marked good: {why}; 1 try is left")), "{said}");
    assert!(said.contains(&format!("updater: slot b was not marked good in an earlier boot: {why}")), "{said}");
    assert!(said.contains(r#""earlier":{"reason":"restarted","detail":""}"#), "{said}");
    let exhausted = format!("updater: slot b is passed over: its tries ran out without a good boot ({why})");
    assert!(said.contains(&exhausted), "{said}");
    assert!(said.contains(&format!(r#"{{"slot":"b","reason":"exhausted","detail":"{why}"}}"#)), "{said}");
    assert_eq!(disk.bits('b'), [2, 0, 0]);
    let fallback = &disk.status()["last_fallback"];
    assert_eq!(fallback["reason"], why);
    // The guest's clock runs.
    assert!(fallback["time"].is_string(), "{fallback}");
}

#[test]
fn a_good_slot_that_is_passed_over_is_told_by_status_on_the_other() {
    let disk = GuestDisk::provisioned(Board::default(), &ONE.acts("json,off"));
    disk.install(&TWO.flaw(Flaw::NoInit));
    disk.set_bits('b', [2, 3, 1]);
    let said = Machine::default().run(&disk);
    assert!(said.contains("updater: slot b is passed over: its root file system has no init"), "{said}");
    // It may heal: it stays in the boot order.
    assert_eq!(disk.bits('b'), [2, 2, 1]);
    let told = r#""last_fallback":{"slot":"b","version":"2.0","reason":"its root file system has no init""#;
    assert!(said.contains(told), "{said}");
}
