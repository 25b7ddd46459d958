//! Guests with systemd as init: Debian on a read-only root, with the real units, from the trial boot to the mark or the fall back.

use tests::guest::Machine;
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{Board, Cargo, Release};

const ONE: Release = Release::of("1.0").with_cargo(Cargo::Debian).acts("10-root");

/// A device with 1.0 good on slot a, and a release on trial on slot b.
fn with_trial(release: &Release) -> GuestDisk {
    let disk = GuestDisk::provisioned(Board::default(), &ONE);
    disk.install(release);
    disk
}

fn runs(disk: &GuestDisk) -> String {
    Machine { devices: &["-smp", "2", "-m", "1024"], ..Machine::default() }.run(disk)
}

#[test]
fn systemd_marks_an_update_good_once_the_boot_is_complete_and_healthy() {
    let disk = with_trial(&ONE.version("2.0"));
    let said = runs(&disk);
    let lines = [
        "updater: slot b boots: version 2.0, trial, 2 tries left",
        "health: 10-root: good",
        "healthy: 1 checks",
        "guest: release 2.0 runs",
        "guest: its root: /dev/dm-0 / squashfs ro",
        "guest: boot-complete.target is active",
        "guest: updater-mark-good.service is active",
        "guest: updater-fall-back.service is inactive",
        "guest: failed units: 0",
        "guest: systemd-analyze verify ended with 0 and said ''",
        r#""booted":"b""#,
    ];
    for line in lines {
        assert!(said.contains(line), "{line}\n{said}");
    }
    assert_eq!((disk.bits('a'), disk.bits('b')), ([1, 3, 1], [2, 3, 1]));
    assert_eq!(disk.status()["slots"][1]["state"], "good");
}

#[test]
fn systemd_restarts_a_trial_that_is_not_healthy_until_the_old_slot_boots() {
    let disk = with_trial(&ONE.version("2.0").acts("10-root,15-hangs,20-fails"));
    // One of its three tries less, to save time.
    disk.set_bits('b', [2, 2, 0]);
    let said = runs(&disk);
    for left in ["1", "0"] {
        assert!(said.contains(&format!("updater: slot b boots: version 2.0, trial, {left} tries left")), "{said}");
    }
    let lines = [
        "health: 15-hangs: no answer in 5 s",
        "health: 20-fails: failed",
        "not healthy: 15-hangs",
        "updater: this slot is on trial and not healthy: restart",
    ];
    for line in lines {
        assert_eq!(said.matches(line).count(), 2, "{line}\n{said}");
    }
    assert!(said.contains("updater: slot b is passed over: its tries ran out without a good boot"), "{said}");
    assert!(said.contains("updater: slot a boots: version 1.0, counted"), "{said}");
    assert!(said.contains("guest: release 1.0 runs"), "{said}");
    // The old slot's own boot is healthy, and marked.
    assert_eq!((disk.bits('a'), disk.bits('b')), ([1, 3, 1], [2, 0, 0]));
    let fallback = &disk.status()["last_fallback"];
    assert_eq!(fallback["reason"], "a health check failed");
    assert_eq!(fallback["detail"], "15-hangs: no answer in 5 s");
}

#[test]
fn a_restart_by_an_operator_during_a_trial_is_told() {
    let disk = with_trial(&ONE.version("2.0").acts("30-restarts"));
    disk.set_bits('b', [2, 1, 0]);
    let said = runs(&disk);
    let why = "the system was restarted before it was marked good";
    let told = format!("slot b, version 2.0, is on trial and not marked good: {why}; its tries are spent");
    assert!(said.contains(&told), "{said}");
    assert!(!said.contains("not healthy: restart"), "{said}");
    assert!(said.contains(&format!("its tries ran out without a good boot ({why})")), "{said}");
    assert_eq!(disk.status()["last_fallback"]["reason"], why);
}
