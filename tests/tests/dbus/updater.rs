//! The project's own interface: its documents are the command line's.

use serde_json::Value;
use tests::bus::{Bus, Said};
use tests::device::Device;

/// Calls a method with arguments in GVariant's text form.
fn call(bus: &Bus, method: &str, arguments: &[&str]) -> Said {
    let method = format!("org.libupdate.Updater1.{method}");
    let line =
        ["gdbus", "call", "--system", "-d", "org.libupdate.Updater1", "-o", "/org/libupdate/Updater1", "-m", &method];
    bus.client(&[&line, arguments].concat())
}

/// `('TEXT',)`, or `("TEXT",)` with escapes if there is an apostrophe in it: so gdbus prints a document.
fn document(said: Said) -> Value {
    let text = said.well();
    let inner = text.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(",)")).expect("one text");
    let plain = match inner.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        Some(plain) => plain.to_owned(),
        None => serde_json::from_str(inner).expect("escapes are JSON's"),
    };
    serde_json::from_str(&plain).expect("it is a document")
}

#[test]
fn its_documents_are_those_of_the_command_line() {
    let device = Device::new().booted("a");
    let bus = Bus::for_device(&device);
    assert_eq!(document(call(&bus, "Status", &[])), device.status());
    assert_eq!(document(call(&bus, "Log", &[]))["schema"], 1);
    assert!(document(call(&bus, "Doctor", &[]))["checks"].is_array());
}

#[test]
fn each_act_is_a_verb() {
    let device = Device::new().booted("a");
    device.does(&["install", "--no-activate", &device.workshop.bundle_text(2)]);
    let bus = Bus::for_device(&device);
    assert_eq!(document(call(&bus, "Activate", &["''"]))["next"], "b");
    assert_eq!(document(call(&bus, "Cancel", &["b"]))["next"], "a");
    call(&bus, "Cancel", &["''"]).refused("org.libupdate.Error.NothingToDo");
    call(&bus, "Rollback", &["''"]).refused("org.libupdate.Error.Refused");
    call(&bus, "Rollback", &["bb"]).refused("org.freedesktop.DBus.Error.InvalidArgs");
    call(&bus, "Stop", &[]).refused("no installation runs");
}

#[test]
fn it_tells_how_an_installation_goes() {
    let device = Device::new().booted("a");
    let bus = Bus::for_device(&device);
    let mut monitor = bus.starts(&["gdbus", "monitor", "--system", "-d", "org.libupdate.Updater1"]);
    // The monitor waits for the name, which this call brings.
    drop(document(call(&bus, "Status", &[])));
    std::thread::sleep(std::time::Duration::from_millis(500));
    let bundle = device.workshop.bundle_text(2);
    call(&bus, "Install", &[&bundle, "{'no-activate': <true>, 'slot': <'b'>}"]).well();
    tests::bus::eventually("the slot is staged", || device.state("b") == "staged");
    tests::bus::eventually("the service ends", || !bus.owned("org.libupdate.Updater1"));
    drop(bus);
    let output = {
        monitor.kill().expect("it runs, or has ended with its bus");
        monitor.wait_with_output().expect("it has ended")
    };
    let heard = String::from_utf8(output.stdout).expect("it is text");
    for signal in ["Updater1.Progress ('{\"schema\":1,\"phase\":\"write\"", "Updater1.Installed ('{\"schema\":1"] {
        assert!(heard.contains(signal), "no {signal} in {heard}");
    }
}
