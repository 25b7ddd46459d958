//! RAUC's own client, which knows nothing of this project: it installs, marks and shows.

use serde_json::Value;
use tests::bus::Bus;
use tests::device::Device;

/// `rauc status --output-format=json`, by the names of the slots.
fn status(bus: &Bus) -> Value {
    let line = ["rauc", "status", "--detailed", "--output-format=json"];
    serde_json::from_str(&bus.client(&line).well()).expect("RAUC's client prints JSON")
}

fn slot<'s>(status: &'s Value, name: &str) -> &'s Value {
    let slots = status["slots"].as_array().expect("slots is a list");
    slots.iter().find_map(|slot| slot.get(name)).unwrap_or_else(|| panic!("no {name} in {status}"))
}

#[test]
fn it_shows_what_status_shows() {
    let device = Device::new().booted("a");
    let bus = Bus::for_device(&device);
    let seen = status(&bus);
    assert_eq!([&seen["compatible"], &seen["booted"], &seen["boot_primary"]], ["test-box", "a", "root.0"]);
    let booted = slot(&seen, "root.0");
    let facts = ["class", "type", "bootname", "state", "boot_status", "device"].map(|key| &booted[key]);
    assert_eq!(facts, ["root", "raw", "a", "booted", "good", "/dev/disk/by-partlabel/root-a"]);
    assert_eq!(booted["slot_status"]["bundle"]["version"], "1.0");
    let other = slot(&seen, "root.1");
    assert_eq!([&other["state"], &other["boot_status"]], ["inactive", "bad"]);
    let shell = bus.client(&["rauc", "status", "--output-format=shell"]).well();
    assert!(shell.contains("RAUC_BOOT_PRIMARY='root.0'\n"), "{shell}");
}

#[test]
fn it_installs_and_hears_every_step() {
    let device = Device::new().booted("a");
    let bus = Bus::for_device(&device);
    let bundle = device.workshop.bundle_text(2);
    let heard = bus.client(&["rauc", "install", &bundle]).well();
    for step in ["installing\n", "write\n", "read back\n", "100% Installing done.\n", "succeeded\n"] {
        assert!(heard.contains(step), "no {step:?} in {heard}");
    }
    let seen = status(&bus);
    assert_eq!(seen["boot_primary"], "root.1");
    assert_eq!(slot(&seen, "root.1")["slot_status"]["bundle"]["version"], "2.0");
    assert_eq!((device.state("b"), device.next()), ("trial".to_owned(), "b".to_owned()));
    // What is there already is installed, for a client.
    bus.client(&["rauc", "install", &bundle]).well();
}

#[test]
fn it_reads_why_a_bundle_is_refused() {
    let device = Device::new().booted("a");
    let bus = Bus::for_device(&device);
    let bad = device.workshop.altered(|bytes| *bytes.last_mut().expect("it is not empty") ^= 1);
    let heard = bus.client(&["rauc", "install", &bad]);
    assert!(!heard.done && heard.out.contains("LastError: "), "{heard:?}");
    assert!(heard.out.contains("does not match the hash tree"), "{heard:?}");
    assert_eq!(device.next(), "a");
    bus.client(&["rauc", "install", "--ignore-compatible", &bad]).refused("");
    // The next one is not held up.
    bus.client(&["rauc", "install", &device.workshop.bundle_text(2)]).well();
}

#[test]
fn its_marks_are_the_verbs() {
    let device = Device::new().booted("a");
    device.installs(2);
    let bus = Bus::for_device(&device);
    let marks = |line: &[&str]| bus.client(&[&["rauc", "status"], line].concat());
    assert!(marks(&["mark-active", "booted"]).well().contains("activated slot root.0"));
    assert_eq!(device.next(), "a");
    assert!(marks(&["mark-bad", "other"]).well().contains("marked slot root.1 as bad"));
    assert_eq!(device.state("b"), "failed");
    assert!(marks(&["mark-good"]).well().contains("marked slot root.0 as good"));
    marks(&["mark-active", "root.1"]).refused("slot b is not good");
    marks(&["mark-bad", "booted"]).refused("");
    marks(&["mark-good", "root.7"]).refused("means 0 slots");
    device.does(&["install", "--no-activate", "--retry-failed", &device.workshop.bundle_text(2)]);
    marks(&["mark-active", "root.1"]).well();
    assert_eq!((device.state("b"), device.next()), ("trial".to_owned(), "b".to_owned()));
}
