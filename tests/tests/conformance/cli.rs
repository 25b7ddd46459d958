//! Catalogue of cases, letter L: the command line.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use libupdate::BlockSize;
use tests::answer::Exit;
use tests::cli::Cli;
use tests::device::Device;
use tests::tool;

/// Acts that change bits, with the arguments that make them do something after an installation.
const ACTS: [&[&str]; 4] = [&["activate"], &["mark-bad", "--slot", "b"], &["rollback"], &["repair"]];

/// The first and last sectors of both copies, damaged.
fn without_a_table(device: &Device) {
    let len = u64::try_from(device.bytes().len()).unwrap();
    device.put(512, &[0; 512]);
    device.put(len - 512, &[0; 512]);
}

/// Runs the program so that the mode of a file counts, for root too. Returns its exit code and what it printed.
fn bound_by_modes(device: &Device, arguments: &[&str]) -> (Option<i32>, String) {
    let program = tests::cli::binary().to_str().unwrap();
    let profile = device.workshop.text("profile.toml");
    let mut line = vec!["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override", program];
    if !rustix::process::geteuid().is_root() {
        line.drain(..3);
    }
    line.extend(["--profile", &profile, "--disk", device.disk().to_str().unwrap()]);
    line.extend(arguments);
    let output = tool::output(line[0], &line[1..]);
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// L1, vboot: on a disk that may only be read every act fails and nothing changes; `status` and `choose` work.
#[test]
fn l1_a_disk_that_cannot_be_written() {
    let device = Device::new();
    device.does(&["install", "--no-activate", &device.workshop.bundle_text(2)]);
    let before = device.bytes();
    fs::set_permissions(device.disk(), fs::Permissions::from_mode(0o444)).unwrap();
    let bundle = device.workshop.bundle_text(3);
    for act in [
        &["activate"][..],
        &["mark-bad", "--slot", "b"],
        &["mark-good"],
        &["repair"],
        &["choose", "--spend"],
        &["install", &bundle],
    ] {
        let (code, _) = bound_by_modes(&device, act);
        assert_eq!(code, Some(Exit::Io.code()), "{act:?}");
    }
    let (code, chosen) = bound_by_modes(&device, &["choose"]);
    assert!(code == Some(0) && chosen.contains('a'), "{chosen}");
    let (code, status) = bound_by_modes(&device, &["status"]);
    assert!(code == Some(0) && status.contains("staged"), "{status}");
    assert!(device.bytes() == before);
}

/// L2: a disk that is not there.
#[test]
fn l2_a_disk_that_is_not_there() {
    let device = Device::new();
    let profile = device.workshop.text("profile.toml");
    for verb in
        [&["status"][..], &["choose"], &["repair"], &["activate"], &["install", &device.workshop.bundle_text(2)]]
    {
        let answer = Cli::new(&["--profile", &profile, "--disk", "/nonexistent/disk"]).and(verb).run();
        answer.exits(Exit::Disk).says("/nonexistent/disk");
    }
    assert!(!std::path::Path::new("/nonexistent").exists(), "nothing is made");
}

/// L3: a file is a disk, with sectors of either size.
#[test]
fn l3_a_file_is_a_disk() {
    for size in [BlockSize::B512, BlockSize::B4096] {
        let device = Device::with_sectors(size);
        device.installs(2);
        let device = device.boots();
        device.does(&["mark-good"]);
        assert_eq!((device.state("a").as_str(), device.state("b").as_str()), ("good", "good"));
    }
}

/// L4: on a disk without a table every act fails (`cgpt prioritize` gives 0 there). Where the goal is reached already, `mark-good` and
/// `repair` give 0, since units run them at every boot, and `activate` refuses: no slot is staged.
#[test]
fn l4_nothing_done_is_not_zero() {
    let device = Device::new();
    device.installs(2);
    let device = device.boots();
    device.does(&["mark-good"]);
    let before = device.bytes();
    for (act, code) in [(&["mark-good"][..], Exit::Done), (&["repair"], Exit::Done), (&["activate"], Exit::Refused)] {
        drop(device.run(act).exits(code));
    }
    assert!(device.bytes() == before);
    without_a_table(&device);
    for act in ACTS {
        drop(device.run(act).exits(Exit::Disk));
    }
}

/// L4, the other half: with one damaged copy the act is done, where `cgpt prioritize` prints a hint and does nothing.
#[test]
fn l4_a_damaged_copy_is_repaired_and_the_act_done() {
    let device = Device::new();
    device.does(&["install", "--no-activate", &device.workshop.bundle_text(2)]);
    device.put(512, &[0; 512]);
    device.does(&["activate"]);
    assert_eq!(device.next(), "b");
    let gpt = &device.status()["gpt"];
    assert_eq!((gpt["primary"].as_str(), gpt["backup"].as_str()), (Some("valid"), Some("valid")));
}

/// L5, Bottlerocket's Display bug: the labels are right when b is the booted one.
#[test]
fn l5_labels_when_b_is_booted() {
    let device = Device::new();
    device.installs(2);
    let device = device.boots();
    let status = device.status();
    assert_eq!(status["booted"], "b");
    let versions = [("a", "1.0"), ("b", "2.0")];
    for (name, version) in versions {
        assert_eq!(device.slot(name).version.as_deref(), Some(version));
        let rows = status["slots"].as_array().unwrap();
        let row = rows.iter().find(|row| row["name"] == name).unwrap();
        assert_eq!(row["partitions"][0]["label"].as_str(), Some(format!("root-{name}").as_str()));
    }
}

/// L6: two at once: the second one is busy, and the first one finishes.
#[test]
fn l6_concurrent_acts_are_serialised() {
    let device = Device::new();
    let bundle = fs::read(device.workshop.bundle(2)).unwrap();
    let mut running = device.cli(&["install", "-"]).start();
    let half = bundle.len() / 2;
    running.feed(&bundle[..half]);
    for act in [&["mark-bad", "--slot", "b"][..], &["install", &device.workshop.bundle_text(3)], &["repair"]] {
        drop(device.run(act).exits(Exit::Busy));
    }
    running.feed(&bundle[half..]);
    drop(running.wait().exits(Exit::Done));
    assert_eq!(device.next(), "b");
}
