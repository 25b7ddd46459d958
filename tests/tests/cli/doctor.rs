//! `doctor`: what is right, and what is broken, each with its row; and nothing is written. Guests show it in the system that runs
//! (`tests/boot/systemd.rs`, `fallback.rs`).

use libupdate::BlockSize;
use serde_json::Value;
use tests::answer::Exit;
use tests::device::Device;
use tests::loop_device::LoopDevice;

/// The row of a check.
fn row<'d>(document: &'d Value, name: &str) -> &'d Value {
    let mut rows = document["checks"].as_array().expect("a list of checks").iter();
    rows.find(|row| row["name"] == name).unwrap_or_else(|| panic!("no row {name}: {document}"))
}

/// The document of a run that ends so; no byte of the disk changes.
fn examined(device: &Device, arguments: &[&str], exit: Exit) -> Value {
    let before = device.bytes();
    let document = device.cli(&["--json", "doctor"]).and(arguments).run().exits(exit).json();
    assert!(before == device.bytes(), "the disk was written");
    for row in document["checks"].as_array().expect("a list of checks") {
        let next = matches!(row["state"].as_str(), Some("warning" | "error"));
        assert_eq!(next, row["next"].is_string(), "what to do next: {row}");
    }
    document
}

fn state<'d>(document: &'d Value, name: &str) -> &'d str {
    row(document, name)["state"].as_str().expect("a word")
}

#[test]
fn a_device_with_two_good_slots_is_well() {
    let device = Device::new();
    device.installs(2);
    let device = device.boots();
    let trial = examined(&device, &[], Exit::Done);
    assert_eq!((state(&trial, "running-slot"), state(&trial, "slots")), ("warning", "warning"), "{trial}");
    device.does(&["mark-good"]);
    let well = examined(&device, &[], Exit::Done);
    for name in
        ["profile", "keys", "table", "slots", "running-slot", "next-boot", "room", "sectors", "boot-loader", "clock"]
    {
        assert_eq!(state(&well, name), "ok", "{well}");
    }
    for name in ["boot-report", "hook-config", "watchdog", "kernel-panic"] {
        assert_eq!(state(&well, name), "skipped", "{well}");
    }
    let said = device.run(&["doctor"]).exits(Exit::Done);
    assert!(said.stdout().contains("\nkeys              ok       1 of 1 must sign: "), "{said}");
    assert!(said.stdout().contains(" checks: 0 errors, "), "{said}");
}

#[test]
fn what_is_broken_on_the_disk_has_its_row() {
    let device = Device::new();
    let only = examined(&device, &[], Exit::Done);
    assert!(row(&only, "slots")["detail"].as_str().is_some_and(|text| text.contains("slot b is empty")), "{only}");
    let last = u64::try_from(device.bytes().len()).unwrap() - 512;
    device.flip(last + 16);
    let broken = examined(&device, &[], Exit::Unfit);
    assert_eq!(state(&broken, "table"), "error", "{broken}");
    assert!(
        row(&broken, "table")["detail"].as_str().is_some_and(|text| text.starts_with("the backup copy")),
        "{broken}"
    );
    device.flip(512 + 16);
    let lost = examined(&device, &[], Exit::Unfit);
    assert_eq!(state(&lost, "table"), "error", "{lost}");
    assert_eq!(lost["checks"].as_array().unwrap().iter().filter(|row| row["name"] == "slots").count(), 0, "{lost}");
}

#[test]
fn a_slot_that_is_no_more_authentic_leaves_none_that_is_good() {
    let device = Device::new();
    let slot = device.slot("a");
    // Its trailer, 64 KiB before the partition's end.
    device.flip(slot.start + slot.size - 65_536 + 100);
    let broken = examined(&device, &["--booted", "a"], Exit::Unfit);
    assert_eq!((state(&broken, "slots"), state(&broken, "next-boot")), ("error", "error"), "{broken}");
}

#[test]
fn without_a_profile_or_a_key_the_rest_is_skipped() {
    let device = Device::new();
    let missing =
        tests::cli::Cli::new(&["--json", "--profile", "no-such-board", "doctor"]).run().exits(Exit::Unfit).json();
    assert_eq!((state(&missing, "profile"), state(&missing, "disk")), ("error", "skipped"), "{missing}");
    let key = device.put_file("no.pub", b"no key");
    let untrusted = examined(&device, &["--trust", key.to_str().unwrap()], Exit::Unfit);
    assert_eq!((state(&untrusted, "keys"), state(&untrusted, "disk")), ("error", "skipped"), "{untrusted}");
}

#[test]
fn a_block_device_that_is_read_only_is_an_error() {
    let writable = Device::new();
    let node = LoopDevice::over(writable.disk(), BlockSize::B512);
    let device = writable.on(node.text().as_ref());
    let unknown = device.cli(&["--json", "doctor"]).run().exits(Exit::Unfit).json();
    assert_eq!(state(&unknown, "boot-report"), "error", "{unknown}");
    let named = device.cli(&["--json", "doctor", "--booted", "a"]).run().exits(Exit::Done).json();
    assert_eq!((state(&named, "boot-report"), state(&named, "write-protection")), ("warning", "ok"), "{named}");
    let protected_node = LoopDevice::read_only(writable.disk());
    let device = writable.on(protected_node.text().as_ref());
    let protected = device.cli(&["--json", "doctor", "--booted", "a"]).run().exits(Exit::Unfit).json();
    assert_eq!(state(&protected, "write-protection"), "error", "{protected}");
}

#[test]
fn a_reset_needs_a_device_whose_system_runs() {
    let device = Device::new();
    device.refuses_untouched(&["reset", "--yes"], Exit::Usage, "no system runs from a disk image file");
}
