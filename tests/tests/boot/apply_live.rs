//! `apply-live` on a real kernel: the version of the other slot over `/usr` of the system that runs, and a reboot gives back what the table says.

use serde_json::Value;
use tests::answer::Exit;
use tests::guest::{Machine, in_order};
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{Board, Cargo, Release, Suite};
use tests::pack::Pack;
use tests::schema::Cases;

const BOARD: Board =
    Board { boot: "var = \"data\"\noverlay = true\n", more: "[packs]\nmerge = \"own\"\n", ..Board::CLOUD };
const OLD: Cargo = Cargo::Files(&[("usr/share/gone", "old")]);
const IMAGE: &str = "guest: new:  hotfix: the image's other: the image's gone: old etc: .";

/// A disk with release 2.0 good, and another one staged in the other slot.
fn staged(cargo: Cargo) -> GuestDisk {
    let disk = GuestDisk::provisioned(BOARD, &Release::of("2.0").with_cargo(OLD));
    disk.format_data();
    let next = Release::of("2.1").with_cargo(cargo);
    disk.cli(&["install", "--no-activate", &disk.bundle(&next)]).exits(Exit::Done);
    disk
}

/// The document of an act.
fn told(said: &str, act: &str) -> Value {
    let line = said
        .lines()
        .find_map(|line| line.split_once(&format!("guest: {act} ended with 0 and said ")))
        .expect("the act was done");
    let document: Value = serde_json::from_str(line.1).expect("it is a document");
    let mut cases = Cases::default();
    cases.add("apply-live", document.clone());
    assert_eq!(cases.faults(), "", "{document}");
    document
}

#[test]
fn what_is_added_is_seen_at_once_and_gone_with_the_boot() {
    let disk =
        staged(Cargo::Files(&[("usr/share/gone", "old"), ("usr/share/new", "new"), ("etc/new.conf", "default")]));
    let said = Machine::does(
        "mark-good,apply-dry,usr,apply,usr,apply,status,apply-reset,usr,apply,edit-etc,apply-reset,usr,off",
    )
    .run(&disk);
    let both = "guest: new: new hotfix: the image's other: the image's gone: old etc: default.";
    let edited = "guest: new:  hotfix: the image's other: the image's gone: old etc: edited.";
    in_order(&said, &["guest: as it was", IMAGE, both, "guest: apply ended with 7", IMAGE, edited]);
    // The prediction is what comes.
    let (mut dry, mut done) = (told(&said, "apply-dry"), told(&said, "apply"));
    assert_eq!((&dry["dry_run"], &done["dry_run"]), (&true.into(), &false.into()));
    dry["dry_run"] = Value::Null;
    done["dry_run"] = Value::Null;
    assert_eq!(dry, done);
    assert_eq!((&done["how"], &done["added"], &done["memory_bytes"]), (&"below".into(), &1.into(), &0.into()));
    assert_eq!(
        (&done["slot"], &done["version"], &done["defaults"]),
        (&"b".into(), &"2.1".into(), &serde_json::json!(["/etc/new.conf"]))
    );
    assert!(said.contains("version 2.1 of slot b is applied over /usr"), "{said}");
    // Neither slot, no bit: the next boot is of the version that the table names.
    let said = Machine::does("usr,mark-good,off").run(&disk);
    in_order(&said, &["guest: release 2.0 runs", IMAGE]);
    assert_eq!(disk.status()["slots"][1]["state"], "staged");
}

#[test]
fn what_is_changed_or_removed_has_to_be_asked_for() {
    let disk = staged(Cargo::Files(&[("usr/share/other", "new"), ("usr/share/new", "new")]));
    let said =
        Machine::does("mark-good,apply,usr,apply-only,usr,apply-reset,apply-force,usr,apply-reset,usr,off").run(&disk);
    let only = "guest: new:  hotfix: the image's other: new gone: old etc: .";
    let forced = "guest: new: new hotfix: the image's other: new gone:  etc: .";
    in_order(&said, &["changed 1, removed 1", "guest: apply ended with 3", IMAGE, only, forced, IMAGE]);
    assert_eq!(told(&said, "apply-only")["how"], "copied");
    let forced = told(&said, "apply-force");
    assert_eq!(
        (&forced["how"], &forced["removed"], &forced["reboot_needed"]),
        (&"above".into(), &1.into(), &false.into())
    );
}

/// A slot that is laid is not written, and what is laid is one overlay with packs and overlays.
#[test]
fn it_goes_with_packs_and_overlays_and_keeps_its_slot() {
    let disk = staged(Cargo::Files(&[("usr/share/gone", "old"), ("usr/share/new", "new")]));
    let pack = Pack::named("hotfix-a", 1).fits(2).for_guests(disk.kit());
    let acts = "mark-good,apply,pack-install,overlay-none,usr,mounts,install,apply-reset,usr,off";
    let said = Machine { bundle: Some(pack), ..Machine::does(acts) }.run(&disk);
    let all = "guest: new: new hotfix: hotfix-a other: overlay gone: old etc: .";
    let left = "guest: new:  hotfix: hotfix-a other: overlay gone: old etc: .";
    in_order(
        &said,
        &[
            "guest: apply ended with 0",
            "guest: pack-install ended with 0",
            "guest: overlay-none ended with 0",
            all,
            left,
        ],
    );
    let mounts = said.lines().find(|line| line.contains("guest: mounts: ")).expect("the guest was asked");
    assert_eq!(mounts.split(' ').filter(|at| *at == "/usr").count(), 1, "{mounts}");
}

/// A kernel that differs is what a reboot is for.
#[test]
fn another_kernel_is_refused() {
    let disk = staged(Cargo::Files(&[("usr/share/gone", "old"), ("usr/lib/modules/9/x.ko", "module")]));
    let said = Machine::does("mark-good,apply-dry,apply,usr,off").run(&disk);
    in_order(&said, &["guest: apply-dry ended with 0", "or kexec its kernel", "guest: apply ended with 3", IMAGE]);
    let dry = told(&said, "apply-dry");
    assert_eq!((&dry["kernel_changed"], &dry["reboot_needed"]), (&true.into(), &true.into()));
}

/// A daemon of systemd runs the new version's program, and the old one's once it is taken back, by hand or since a health check fails.
#[test]
fn systemd_restarts_the_daemon_that_differs_and_no_other() {
    let debian = |version| Release::of(version).with_cargo(Cargo::Debian(Suite::Bookworm));
    let disk = GuestDisk::provisioned(BOARD, &debian("2.0").acts("10-root,applied"));
    disk.cli(&["install", "--no-activate", &disk.bundle(&debian("2.1").acts("10-root,applied,newer"))])
        .exits(Exit::Done);
    let said = Machine { devices: &["-smp", "2", "-m", "1024"], ..Machine::default() }.run(&disk);
    let image = "guest: the daemon is the image's";
    let story = [
        image,
        "guest: boot of release 2.0",
        "guest: dry run ended with 0",
        "guest: the same daemon",
        "guest: apply ended with 0",
        "guest: another daemon",
        "guest: reset ended with 0",
        "guest: unhealthy apply ended with 12, 0 applied",
        "guest: powers off",
    ];
    in_order(&said, &story);
    let dry = told(&said, "dry run");
    let services = dry["services"].as_array().expect("it is a list");
    assert_eq!(services.len(), 1, "{dry}");
    assert_eq!((&services[0]["unit"], &services[0]["done"]), (&"hotfixed.service".into(), &Value::Null));
    // At the start, applied, taken back, applied, and taken back.
    assert_eq!(said.matches(image).count(), 5, "{said}");
}
