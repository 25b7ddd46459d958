//! Bundles and acts that are in order and that policy refuses, one for each rule, with what makes the rule give way. All are refused
//! before the first write.

use libupdate::ByteLen;
use libupdate::SlotId;
use libupdate::error::{Needed, NoSpace, Rejected};
use libupdate::verity::Geometry;
use tests::answer::Exit;
use tests::device::Device;
use tests::root_image::noise;
use tests::workshop::{OTHER_COMPATIBLE, SLOT_BYTES};

fn slot(name: &str) -> SlotId {
    SlotId::from_name(name).unwrap()
}

fn refused<A: AsRef<str>>(device: &Device, arguments: &[A], kind: Rejected) {
    device.refuses_untouched(arguments, Exit::Refused, &kind.to_string());
}

fn text(path: &std::path::Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn compatible() {
    let device = Device::new();
    let bundle = text(&device.workshop.release(2).compatible(OTHER_COMPATIBLE).create());
    refused(&device, &["install", &bundle], Rejected::Compatible);
    // One of several is enough.
    let both = device.workshop.release(2).compatible(OTHER_COMPATIBLE).with(&["--compatible", "test-box"]).create();
    device.does(&["install", &text(&both)]);
}

#[test]
fn downgrade() {
    let device = Device::new();
    for version in ["0.9", "1.0~rc1", "0.10"] {
        let bundle = text(&device.workshop.release(2).version(version).create());
        refused(&device, &["install", &bundle], Rejected::Downgrade);
    }
    let bundle = text(&device.workshop.release(2).version("0.9").create());
    device.does(&["install", "--allow-downgrade", &bundle]);
    assert_eq!(device.slot("b").version.as_deref(), Some("0.9"));
}

#[test]
fn rollback_index() {
    let device = Device::new();
    let workshop = device.workshop.clone();
    let indexed = |release, index| text(&workshop.release(release).with(&["--rollback-index", index]).create());
    device.does(&["provision", "--danger-overwrite", &indexed(1, "7")]);
    let low = indexed(2, "6");
    refused(&device, &["install", &low], Rejected::RollbackIndex { found: 6, floor: 7 });
    refused(&device, &["install", "--allow-downgrade", &low], Rejected::RollbackIndex { found: 6, floor: 7 });
    device.does(&["install", &indexed(2, "7")]);
    // The floor is that of good slots: a trial with a higher index raises it when it is marked good, and not before.
    device.does(&["install", "--slot", "b", &indexed(3, "9")]);
    device.does(&["install", "--slot", "b", &indexed(2, "8")]);
    let device = device.boots();
    device.does(&["mark-good"]);
    refused(&device, &["install", &indexed(3, "7")], Rejected::RollbackIndex { found: 7, floor: 8 });
}

#[test]
fn failed_before() {
    let device = Device::new();
    device.installs(2);
    device.does(&["mark-bad", "--slot", "b"]);
    let bundle = device.workshop.bundle_text(2);
    refused(&device, &["install", &bundle], Rejected::FailedBefore { slot: slot("b") });
    // The same image under another version is the same image.
    let renamed = text(&device.workshop.release(2).version("2.1").create());
    refused(&device, &["install", &renamed], Rejected::FailedBefore { slot: slot("b") });
    device.does(&["install", "--retry-failed", &bundle]);
    assert_eq!(device.state("b"), "trial");
}

#[test]
fn failed_before_by_running_out_of_tries() {
    let device = Device::new();
    device.installs(2);
    for _ in 0..3 {
        device.does(&["choose", "--spend"]);
    }
    assert_eq!(device.state("b"), "exhausted");
    refused(&device, &["install", &device.workshop.bundle_text(2)], Rejected::FailedBefore { slot: slot("b") });
    device.installs(3);
    assert_eq!((device.state("b").as_str(), device.next().as_str()), ("trial", "b"));
}

#[test]
fn booted_slot() {
    let device = Device::new();
    let bundle = device.workshop.bundle_text(2);
    refused(&device, &["install", "--slot", "a", &bundle], Rejected::BootedSlot { slot: slot("a") });
}

#[test]
fn trial_running() {
    let device = Device::new();
    device.installs(2);
    let device = device.boots();
    assert_eq!(device.booted_slot(), "b");
    let bundle = device.workshop.bundle_text(3);
    refused(&device, &["install", &bundle], Rejected::TrialRunning { slot: slot("b") });
    refused(&device, &["install", "--slot", "a", &bundle], Rejected::TrialRunning { slot: slot("b") });
    device.does(&["mark-good"]);
    device.installs(3);
    assert_eq!((device.state("a").as_str(), device.state("b").as_str()), ("trial", "good"));
}

/// The last try of the booted slot is spent: it is a trial all the same, as long as it runs.
#[test]
fn trial_running_with_its_last_try_spent() {
    let device = Device::new();
    device.installs(2);
    for _ in 0..3 {
        device.does(&["choose", "--spend"]);
    }
    let device = device.booted("b");
    // Its bits say that it would not boot again, so that the witness has nothing to say of it.
    let why = Rejected::TrialRunning { slot: slot("b") }.to_string();
    let before = device.bytes();
    device.cli(&["install", &device.workshop.bundle_text(3), "--json"]).run().fails(Exit::Refused, &why);
    assert!(before == device.bytes(), "the disk was written");
    device.does(&["mark-good"]);
    assert_eq!(device.state("b"), "good");
}

#[test]
fn last_good_slot() {
    let device = Device::new();
    let kind = Rejected::LastGoodSlot { slot: slot("a") };
    refused(&device, &["mark-bad"], kind);
    device.installs(2);
    // A trial is nothing to fall back to.
    refused(&device, &["mark-bad", "--slot", "a"], kind);
    refused(&device, &["--booted", "none", "install", "--slot", "a", &device.workshop.bundle_text(3)], kind);
}

#[test]
fn slot_state() {
    let device = Device::new();
    let needed = |name, needed| Rejected::SlotState { slot: slot(name), needed };
    refused(&device, &["rollback", "--slot", "b"], needed("b", Needed::Good));
    device.refuses_untouched(&["mark-good", "--slot", "b", "--danger-untried"], Exit::Refused, "slot b is not");
    device.refuses_untouched(&["activate", "--slot", "a"], Exit::Refused, "slot a is not");
    device.installs(2);
    refused(&device, &["rollback", "--slot", "b"], needed("b", Needed::Good));
    device.does(&["mark-bad", "--slot", "b"]);
    device.refuses_untouched(&["mark-good", "--slot", "b", "--danger-untried"], Exit::Refused, "slot b is not");
    device.refuses_untouched(&["activate", "--slot", "b"], Exit::Refused, "slot b is not");
}

/// A way back that is none says why, and which verb is meant.
#[test]
fn nothing_staged() {
    refused(&Device::new(), &["activate"], Rejected::NothingStaged);
}

#[test]
fn no_target() {
    let refused = |device: &Device, why: &str, next: &str| {
        let answer = device.refuses_untouched(&["rollback"], Exit::Refused, why);
        assert!(why.starts_with(&Rejected::NoTarget.to_string()) && answer.stderr().contains(next), "{answer}");
    };
    let device = Device::new();
    refused(&device, "no other slot is fit for it: slot b is empty, not good", "next: install a release");
    device.installs(2);
    refused(&device, "no other slot is fit for it: slot b is trial, not good", "next: `cancel` takes back");
    device.does(&["install", "--no-activate", "--slot", "b", &device.workshop.bundle_text(3)]);
    refused(&device, "no other slot is fit for it: slot b is staged, not good", "next: `cancel` takes back");
    device.does(&["mark-bad", "--slot", "b"]);
    refused(&device, "no other slot is fit for it: slot b is failed, not good", "next: install a release");
}

/// What never ran is not good because somebody says so.
#[test]
fn never_booted() {
    let device = Device::new();
    device.installs(2);
    let kind = Rejected::NeverBooted { slot: slot("b") };
    for line in [&["mark-good", "--slot", "b"][..], &["mark-good", "--slot", "b", "--booted", "a"]] {
        refused(&device, line, kind);
    }
    let booted_none = ["--booted", "none", "mark-good", "--slot"];
    device.cli(&[&booted_none[..], &["b", "--json"]].concat()).run().fails(Exit::Refused, &kind.to_string());
    // A slot that is good needs not run to get its boots back.
    device.does(&[&booted_none[..], &["a"]].concat());
    assert_eq!(device.state("b"), "trial");
    device.does(&["mark-good", "--slot", "b", "--danger-untried"]);
    assert_eq!(device.state("b"), "good");
}

#[test]
fn no_such_slot() {
    let device = Device::new();
    let kind = Rejected::NoSuchSlot { slot: slot("c") };
    let bundle = device.workshop.bundle_text(2);
    refused(&device, &["install", "--slot", "c", &bundle], kind);
    refused(&device, &["--booted", "c", "install", &bundle], kind);
    for verb in ["mark-good", "mark-bad", "rollback", "activate", "verify"] {
        refused(&device, &[verb, "--slot", "c"], kind);
    }
}

/// The largest image that fits is installed; one block more is refused.
#[test]
fn no_space_for_the_image() {
    let device = Device::new();
    let available = ByteLen::new(SLOT_BYTES - 65536);
    let end = |blocks: u64| Geometry::from_image_len(ByteLen::new(blocks * 4096)).unwrap().end().get();
    let most = (1..).take_while(|blocks| end(*blocks) <= available.get()).last().unwrap();
    let bundle = |blocks: u64| {
        let image = device.workshop.put_new("image", &noise("large", usize::try_from(blocks).unwrap() * 4096));
        text(&device.workshop.release(2).image(&image).create())
    };
    let kind = NoSpace::Image { needed: ByteLen::new(end(most + 1)), available };
    device.refuses_untouched(&["install", &bundle(most + 1)], Exit::NoSpace, &kind.to_string());
    device.refuses_untouched(&["install", "--dry-run", &bundle(most + 1)], Exit::NoSpace, &kind.to_string());
    device.does(&["install", &bundle(most)]);
    device.does(&["verify", "--slot", "b"]);
}

/// What the command line asks is judged in the order of `policy`: the device's own rules first.
#[test]
fn a_usage_error_changes_nothing() {
    let device = Device::new();
    let before = device.bytes();
    let bundle = device.workshop.bundle_text(2);
    for arguments in [
        vec!["install"],
        vec!["install", "--no-such-option", &bundle],
        vec!["install", "--slot", "1", &bundle],
        vec!["--booted", "x", "install", &bundle],
        vec!["--sector-size", "1024", "install", &bundle],
        vec!["--sector-size", "4096", "--profile", "/nowhere.toml", "install", &bundle],
        vec!["install", "--reboot", &bundle],
        vec!["install", "--no-activate", "--reboot", &bundle],
        vec!["install", "ftp://example.org/x.bundle"],
        vec!["install", "/nowhere/x.bundle"],
        vec!["--progress-fd", "99", "install", &bundle],
        vec!["--progress-fd", "3", "install", &bundle],
        vec!["--progress-fd", "4", "install", &bundle],
        vec!["--progress-fd", "0", "install", &bundle],
        vec!["--progress-fd", "1", "--json", "install", &bundle],
        vec!["--progress-fd", "4294967298", "install", &bundle],
        vec!["--booted", "none", "mark-good"],
        vec!["frobnicate"],
        vec![],
    ] {
        device.run(&arguments).exits(Exit::Usage);
        assert!(before == device.bytes(), "{arguments:?} wrote to the disk");
    }
}

/// Lines in the first blocks of the disk would be the end of its table.
#[test]
fn progress_goes_to_nothing_that_is_not_for_lines() {
    let device = Device::new();
    let before = device.bytes();
    let (disk, bundle) = (device.disk().to_str().unwrap().to_owned(), device.workshop.bundle_text(2));
    for (open, why) in [
        (format!("3<>{disk}"), "it is the disk"),
        (format!("3>>{disk}"), "it is the disk"),
        (format!("3<{bundle}"), "not open for writing"),
        ("3</".to_owned(), "not open for writing"),
        ("3>&-".to_owned(), ""),
    ] {
        let shell = format!("exec \"$@\" {open}");
        let answer =
            device.cli(&["--progress-fd", "3", "install", "--json", &bundle]).under(&["sh", "-c", &shell, "sh"]).run();
        answer.exits(Exit::Usage).says(why);
        assert!(before == device.bytes(), "{open}");
    }
}
