//! The real polkit decides for a user without rights.

use tests::bus::{Bus, Said, shipped};
use tests::device::Device;

fn nobody(bus: &Bus, method: &str, arguments: &[&str]) -> Said {
    let method = format!("org.libupdate.Updater1.{method}");
    let line = ["gdbus", "call", "--system", "-d", "org.libupdate.Updater1", "-o", "/org/libupdate/Updater1", "-m"];
    bus.nobody(&[&line[..], &[&method], arguments].concat())
}

#[test]
fn everybody_may_read_and_only_an_administrator_acts() {
    let device = Device::new().booted("a");
    let bus = Bus::with_polkit(&device, &shipped("org.libupdate.updater.policy"));
    assert!(nobody(&bus, "Status", &[]).well().contains("\"booted\":\"a\""));
    nobody(&bus, "Install", &["/x", "{}"]).refused("org.libupdate.updater.install: polkit does not allow it");
    nobody(&bus, "Stop", &[]).refused("org.libupdate.updater.install: polkit does not allow it");
    nobody(&bus, "Rollback", &["''"]).refused("org.libupdate.updater.mark: polkit does not allow it");
}

#[test]
fn what_polkit_allows_reaches_the_program() {
    let device = Device::new().booted("a");
    device.installs(2);
    let policy = shipped("org.libupdate.updater.policy");
    let bus =
        Bus::with_polkit(&device, &policy.replace("<allow_any>auth_admin</allow_any>", "<allow_any>yes</allow_any>"));
    nobody(&bus, "Cancel", &["''"]).well();
    assert_eq!(device.next(), "a");
}
