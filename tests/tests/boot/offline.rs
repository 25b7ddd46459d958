//! Guests with systemd that update while nothing else runs: the rules of systemd.offline-updates(7), with the real units, on roots that cannot be
//! written and on one that can. The order of acts is the plan in `tests/guest/debian/offline/life`.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use tests::guest::{Machine, in_order};
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{Board, Cargo, Kit, Release, Root, Suite};

use crate::cuts::chance;

const ONE: Release = Release::of("1.0").with_cargo(Cargo::Debian(Suite::Bookworm)).acts("10-root,offline");
const BOARD: Board = Board { boot: "var = \"data\"", ..Board::CLOUD };
const UPDATES: &str = "guest: update boot for ";

/// A device with 1.0, and 2.0 on a second disk.
fn device() -> (GuestDisk, PathBuf) {
    let disk = GuestDisk::provisioned(BOARD, &ONE);
    let bundle = disk.bundle(&ONE.version("2.0"));
    (disk, bundle.into())
}

fn machine(words: &'static str, bundle: PathBuf) -> Machine {
    Machine { devices: &["-smp", "2", "-m", "1024"], words, bundle: Some(bundle), ..Machine::default() }
}

fn has(said: &str, lines: &[&str]) {
    for line in lines {
        assert!(said.contains(line), "{line}\n{said}");
    }
}

/// A crash right after the first act, a program that is not there, and a success: one attempt each, then the usual boot.
#[test]
fn an_offline_update_is_tried_once_and_then_the_boot_is_as_usual() {
    let (disk, bundle) = device();
    let said = machine("guest.plan=crash,missing,none", bundle).run(&disk);
    let story = [
        "guest: usual boot of release 1.0, ",
        r#"guest: offline status: {"schema":1,"prepared":null,"triggered":null,"then":null,"last":null}"#,
        "guest: systemd-analyze verify ended with 0 and said ''",
        "guest: prepare ended with 0",
        "guest: trigger ended with 0",
        "guest: restarts for crash",
        // What is ordered before it sees the request; the program's first act is to remove it.
        "guest: before the update: var/lib/updater/offline",
        "guest: update boot for crash: system-update.target",
        "guest: usual boot of release 1.0, ",
        r#""triggered":null,"then":null,"last":{"version":"2.0","began":"#,
        r#""code":null,"class":null,"why":"it was cut short"#,
        "guest: restarts for missing",
        "guest: update boot for missing: system-update.target",
        "guest: usual boot of release 1.0, ",
        "guest: restarts for none",
        "guest: update boot for none: system-update.target",
        "guest: the program ended with 0",
        "updater: slot b boots: version 2.0, trial",
        "guest: usual boot of release 2.0, ",
        r#"guest: offline status: {"schema":1,"prepared":null,"triggered":null,"then":null,"last":{"version":"2.0","#,
        r#""code":0,"class":"done","why":"""#,
        "guest: powers off",
    ];
    in_order(&said, &story);
    assert_eq!(said.matches(UPDATES).count(), 3, "{said}");
    has(
        &said,
        &["DefaultDependencies=no", "FailureAction=reboot", "system-update-pre.target", "Requires=sysinit.target"],
    );
    // The boot that updated has spent a try of the old slot, which did not boot again.
    assert_eq!((disk.bits('a'), disk.bits('b')), ([1, 2, 1], [2, 3, 1]));
}

/// The same with systemd 257.
#[test]
fn debian_13_updates_offline_too() {
    const THIRTEEN: Release = ONE.with_cargo(Cargo::Debian(Suite::Trixie));
    let disk = GuestDisk::provisioned(BOARD, &THIRTEEN);
    let bundle = disk.bundle(&THIRTEEN.version("2.0"));
    let said = machine("guest.plan=crash,none", bundle.into()).run(&disk);
    let story = [
        "guest: systemd 257",
        "guest: systemd-analyze verify ended with 0 and said ''",
        "guest: before the update: var/lib/updater/offline",
        "guest: update boot for crash: system-update.target",
        "guest: usual boot of release 1.0, ",
        r#""why":"it was cut short"#,
        "guest: update boot for none: system-update.target",
        "guest: usual boot of release 2.0, ",
        r#""code":0,"class":"done","why":"""#,
        "guest: powers off",
    ];
    in_order(&said, &story);
    assert_eq!(said.matches(UPDATES).count(), 2, "{said}");
    // The boot that updated has spent a try of the old slot, which did not boot again.
    assert_eq!((disk.bits('a'), disk.bits('b')), ([1, 2, 1], [2, 3, 1]));
}

/// A system on a disk of its own, without the hook: the link is where systemd itself looks, and systemd's generator finds it.
#[test]
fn a_root_that_can_be_written_has_the_request_where_systemd_looks() {
    let (disk, bundle) = device();
    let other = Kit::shared().root_disk(&BOARD, &ONE.version("0.9").on(Root::Ext4));
    let twin = disk.path().with_extension("root");
    std::fs::copy(other, &twin).expect("the folder can be written");
    let initramfs = Some(Kit::shared().other_initramfs(&BOARD));
    // As a boot loader says it that chooses by itself.
    let words = "updater.slot=a guest.plan=crash,missing,none";
    let before = disk.bits('a');
    let said = Machine { twin: Some(twin), initramfs, ..machine(words, bundle) }.run(&disk);
    let story = [
        "guest: usual boot of release 0.9, ",
        "guest: the request is /system-update",
        "guest: before the update: var/lib/updater/offline",
        "guest: update boot for crash: system-update.target",
        "guest: usual boot of release 0.9, ",
        r#""triggered":null,"then":null,"last":{"version":"2.0","began":"#,
        r#""why":"it was cut short"#,
        "guest: update boot for missing: system-update.target",
        "guest: usual boot of release 0.9, ",
        "guest: update boot for none: system-update.target",
        "guest: the program ended with 0",
        "guest: usual boot of release 0.9, ",
        r#""code":0,"class":"done","why":"""#,
        "guest: powers off",
    ];
    in_order(&said, &story);
    assert_eq!(said.matches(UPDATES).count(), 3, "{said}");
    assert_eq!((disk.bits('a'), disk.bits('b')[1..].to_vec()), (before, vec![3, 0]));
}

/// One that hangs is ended, one that has no memory left is, too; and who asked for the power off gets it whatever becomes of the update.
#[test]
fn an_offline_update_that_hangs_or_is_killed_is_tried_once_and_a_power_off_is_one() {
    let (disk, bundle) = device();
    let words = "guest.plan=freeze,oom,kill-off";
    let said = machine(words, bundle.clone()).run(&disk);
    let story = [
        "guest: update boot for freeze: system-update.target",
        "guest: usual boot of release 1.0, ",
        "guest: update boot for oom: system-update.target",
        "guest: usual boot of release 1.0, ",
        "guest: restarts for kill-off",
        "guest: update boot for kill-off: system-update.target",
        "guest: powers off after it",
    ];
    in_order(&said, &story);
    assert_eq!(said.matches(UPDATES).count(), 3, "{said}");
    let said = machine(words, bundle).run(&disk);
    in_order(&said, &["guest: usual boot of release 1.0, ", r#""why":"it was cut short"#, "guest: powers off"]);
    assert!(!said.contains(UPDATES), "{said}");
    assert_eq!(disk.bits('a'), [1, 3, 1]);
}

/// Power cuts at random moments of the update: the old release boots or the new one, and no third.
#[test]
fn a_power_cut_in_an_offline_update_leaves_the_old_release_or_the_new_one() {
    const CUTS: usize = 3;
    let mut chance = chance("offline");
    let (first, bundle) = device();
    let words = "guest.plan=none";
    // The same update under each cut.
    let guest = machine(words, bundle.clone()).start(&first);
    guest.says("guest: restarts for none", 1);
    guest.says("updater: slot a boots: version 1.0", 2);
    drop(guest.cut());
    for _ in 0..CUTS {
        let disk = first.copy();
        let guest = machine(words, bundle.clone()).start(&disk);
        guest.says(UPDATES, 1);
        sleep(Duration::from_millis(u64::try_from(chance.below(9000)).unwrap()));
        drop(guest.cut());
        let said = machine(words, bundle.clone()).run(&disk);
        let attempts = said.matches(UPDATES).count();
        // A request that was still there is one of which nothing was done.
        assert!(attempts <= 1, "{said}");
        has(&said, &["guest: usual boot of release ", "guest: powers off"]);
        assert!(disk.bits('a')[2] == 1, "{said}");
    }
}

/// A request of another program: success, and nothing is written. It cannot be removed here: the machine is cut.
#[test]
fn the_request_of_another_program_is_left_to_it() {
    let disk = GuestDisk::provisioned(BOARD, &ONE.acts("10-root,offline-foreign"));
    let before = (disk.content(), disk.bits('a'));
    let bundle = disk.bundle(&ONE.version("2.0"));
    let guest = machine("", bundle.into()).start(&disk);
    guest.says("guest: the program ended with ", 1);
    let said = guest.cut();
    has(
        &said,
        &[
            "/system-update leads to /var/lib/PackageKit: another program updates in this boot",
            "guest: the program ended with 0",
        ],
    );
    assert_eq!(disk.status()["slots"][1]["state"], "empty");
    // The boot itself has spent a try.
    assert_eq!((before.1, disk.bits('a')), ([1, 3, 1], [1, 2, 1]));
}

/// A request of ours that cannot be removed is no loop: nothing is installed, and the system starts as usual. With `systemd.unit=` there is no update either.
#[test]
fn a_request_that_stays_begins_no_loop() {
    let disk = GuestDisk::provisioned(BOARD, &ONE.acts("10-root,offline-stays"));
    let bundle: PathBuf = disk.bundle(&ONE.version("2.0")).into();
    let said = machine("guest.plan=", bundle.clone()).run(&disk);
    has(
        &said,
        &[
            "cannot be removed, and nothing is installed",
            "guest: the program ended with 8",
            "the system starts as usual",
            "guest: usual boot of release 1.0, ",
        ],
    );
    assert_eq!(said.matches(UPDATES).count(), 1, "{said}");
    let said = machine("guest.plan= systemd.unit=multi-user.target", bundle).run(&disk);
    has(&said, &["guest: usual boot of release 1.0, "]);
    assert!(!said.contains(UPDATES), "{said}");
}
