//! Guests with systemd as init: Debian on a read-only root, with the real units, from the trial boot to the mark or the fall back.

use tests::guest::Machine;
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{Board, Cargo, Release, Suite};

const ONE: Release = Release::of("1.0").with_cargo(Cargo::Debian(Suite::Bookworm)).acts("10-root");
/// It boots in a second or two, where only the fall back itself is to be seen.
const SMALL: Release = Release::of("1.0").acts("json,off");
/// Its watchdog would reset it five times while `idle` lasts.
const WATCHED: Board = Board { more: "[boot.watchdog]\ntimeout-seconds = 10\n", ..Board::CLOUD };

/// A device with 1.0 good on slot a, and a release on trial on slot b.
fn with_trial(release: &Release) -> GuestDisk {
    let disk = GuestDisk::provisioned(Board::default(), &ONE);
    disk.install(release);
    disk
}

/// Two processors and the memory that systemd takes.
fn machine(words: &'static str) -> Machine {
    Machine { devices: &["-smp", "2", "-m", "1024"], words, ..Machine::default() }
}

fn runs(disk: &GuestDisk) -> String {
    machine("").run(disk)
}

#[test]
fn systemd_marks_an_update_good_once_everything_is_up_and_healthy_and_takes_over_from_the_hook() {
    let disk = GuestDisk::provisioned(WATCHED, &SMALL);
    disk.install(&ONE.version("2.0").acts("10-root,10-system,20-late,late"));
    let said = machine("guest.idle=55").run(&disk);
    let lines = [
        "updater: slot b boots: version 2.0, trial, 2 tries left",
        "health: 10-root: good",
        // They wait for everything, and find what starts last.
        "health: 10-system: good",
        "health: 20-late: good",
        "healthy: 3 checks",
        "guest: release 2.0 runs",
        "guest: its root: /dev/dm-0 / squashfs ro",
        "guest: a panic restarts after 1 s, an oops is one: 1",
        "guest: logind is active",
        "guest: boot-complete.target is active",
        "guest: updater-mark-good.service is active",
        "guest: updater-fall-back.service is inactive",
        "guest: failed units: 0",
        "guest: systemd-analyze verify ended with 0 and said ''",
        r#""booted":"b""#,
        r#""watchdog":{"device":"/dev/watchdog0","state":"fed","timeout_seconds":10}"#,
        "guest: doctor ended with 0 and said {",
        r#"{"name":"hook-config","state":"ok","detail":"the running initramfs has this profile and these keys""#,
        r#"{"name":"watchdog","state":"ok","detail":"/dev/watchdog0 runs, and is fed""#,
        r#"{"name":"kernel-panic","state":"ok""#,
        "guest: without a restart doctor ended with 12 and said {",
        r#"{"name":"kernel-panic","state":"error","detail":"kernel.panic = 0, kernel.panic_on_oops = 1; the profile has 1 and 1"#,
        "guest: idled for 55 s",
    ];
    for line in lines {
        assert!(said.contains(line), "{line}\n{said}");
    }
    assert!(!said.contains("nobody feeds"), "{said}");
    all_is_well(&said);
    assert_eq!(said.matches(" boots: version ").count(), 1, "{said}");
    assert_eq!((disk.bits('a'), disk.bits('b')), ([1, 3, 1], [2, 3, 1]));
    assert_eq!(disk.status()["slots"][1]["state"], "good");
}

/// Every check of `doctor` that can be made in the running system is as it should be.
fn all_is_well(said: &str) {
    let (_, document) = said.split_once("guest: doctor ended with 0 and said ").expect("the guest asks it");
    let document: serde_json::Value = serde_json::from_str(document.lines().next().expect("a line")).expect("JSON");
    let states = document["checks"].as_array().expect("a list").iter();
    let states: Vec<_> = states.map(|row| (row["name"].as_str().expect("a name"), &row["state"])).collect();
    for (name, state) in &states {
        // Its initramfs was made on another machine.
        let wanted = if *name == "hook-config-file" { "skipped" } else { "ok" };
        assert_eq!(*state, wanted, "{name}: {document}");
    }
    assert!(states.len() >= 24, "{document}");
}

/// A profile of `hardware-profiles` boots, restarts as everything does that asks systemd to, and finds its `/var` again.
fn restarts(shipped: &'static str) {
    let disk = GuestDisk::provisioned(Board { shipped, ..Board::CLOUD }, &ONE);
    let said = machine("guest.restarts").run(&disk);
    let lines = [
        "updater: /var: /dev/vda",
        "updater: /var: data was empty and holds the image's /var now",
        "guest: restarts",
        "guest: has restarted",
        "guest: failed units: 0",
    ];
    for line in lines {
        assert_eq!(said.matches(line).count(), 1, "{line}\n{said}");
    }
    for line in ["guest: logind is active", "guest: the image's /var has of the image", "healthy: 1 checks"] {
        assert_eq!(said.matches(line).count(), 2, "{line}\n{said}");
    }
    assert!(!said.contains("in memory") && !said.contains("nobody feeds"), "{said}");
}

/// A test for each profile, so that they run side by side; and one that each has its test.
macro_rules! each_shipped {
    ($($test:ident: $name:literal),+ $(,)?) => {
        $(
            #[test]
            fn $test() {
                restarts($name);
            }
        )+

        #[test]
        fn each_shipped_profile_restarts() {
            let folder = std::fs::read_dir(tests::tree::root().join("hardware-profiles")).expect("it is part of the project");
            let names = folder.map(|entry| entry.expect("it can be read").file_name().into_string().expect("UTF-8"));
            let mut shipped: Vec<_> = names.filter_map(|name| name.strip_suffix(".toml").map(str::to_owned)).collect();
            shipped.sort();
            assert_eq!(shipped, [$($name),+]);
        }
    };
}

each_shipped! {
    the_profile_of_a_chromebook_restarts: "chromebook",
    the_profile_of_a_pc_restarts: "generic-x86_64-uefi",
    the_profile_of_an_emulated_arm_board_restarts: "qemu-aarch64",
    the_profile_of_an_emulated_pc_restarts: "qemu-x86_64",
    the_profile_of_a_raspberry_pi_restarts: "raspberrypi4",
}

/// The trial of a release that never comes to its health checks ends in the old slot.
fn never_up(acts: &'static str) {
    let disk = GuestDisk::provisioned(Board::default(), &SMALL);
    disk.install(&ONE.version("2.0").acts(acts));
    disk.set_bits('b', [2, 1, 0]);
    let said = runs(&disk);
    for line in ["updater: this slot is on trial and not healthy: restart", "updater: slot a boots: version 1.0"] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    assert!(!said.contains("healthy: 1 checks"), "{said}");
    assert_eq!(disk.bits('b'), [2, 0, 0]);
    assert_eq!(disk.status()["last_fallback"]["detail"], "the boot did not complete, and no check was run");
}

#[test]
fn a_trial_that_ends_in_the_emergency_shell_falls_back() {
    never_up("10-root,unmountable");
}

#[test]
fn a_trial_in_which_a_service_never_comes_up_falls_back() {
    never_up("10-root,never-up");
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
