//! Clients that are in each other's way, gone, without rights, or wrong; and a program that dies.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tests::bus::{Bus, IDLE_SECONDS, NAMES, Said, eventually};
use tests::device::Device;
use tests::tool;

fn rauc(bus: &Bus, method: &str, arguments: &[&str]) -> Said {
    let method = format!("de.pengutronix.rauc.Installer.{method}");
    let line = ["gdbus", "call", "--system", "-d", "de.pengutronix.rauc", "-o", "/", "-m", &method];
    bus.client(&[&line, arguments].concat())
}

/// A bundle that comes as slowly as the test likes.
struct Pipe(PathBuf, Vec<u8>);

impl Pipe {
    fn new(device: &Device) -> Self {
        let path = device.put_file("pipe", b"");
        fs::remove_file(&path).expect("it was just made");
        tool::run("mkfifo", &[&path]);
        Self(path, fs::read(device.workshop.bundle(2)).expect("the bundle was made"))
    }

    fn text(&self) -> &str {
        self.0.to_str().expect("paths of tests are UTF-8")
    }

    /// Waits for the reader, and gives it half of the bundle.
    fn half(&self) -> fs::File {
        let mut pipe = fs::OpenOptions::new().write(true).open(&self.0).expect("it is there");
        std::io::Write::write_all(&mut pipe, &self.1[..self.1.len() / 2]).expect("somebody reads it");
        pipe
    }

    fn rest(&self, mut pipe: fs::File) {
        std::io::Write::write_all(&mut pipe, &self.1[self.1.len() / 2..]).expect("somebody reads it");
    }
}

#[test]
fn a_second_installation_is_refused_while_one_runs() {
    let device = Device::new().booted("a");
    let bus = Bus::for_device(&device);
    let pipe = Pipe::new(&device);
    rauc(&bus, "Install", &[pipe.text()]).well();
    let writer = pipe.half();
    rauc(&bus, "Install", &[&device.workshop.bundle_text(2)]).refused("org.libupdate.Error.Busy");
    rauc(&bus, "Mark", &["good", "booted"]).refused("org.libupdate.Error.Busy");
    let operation = ["gdbus", "call", "--system", "-d", "de.pengutronix.rauc", "-o", "/", "-m"];
    let get = ["org.freedesktop.DBus.Properties.Get", "de.pengutronix.rauc.Installer", "Operation"];
    assert_eq!(bus.client(&[&operation[..], &get].concat()).well().trim(), "(<'installing'>,)");
    // The client that asked for it is gone since its call; nobody calls for longer than the service waits.
    std::thread::sleep(Duration::from_secs(IDLE_SECONDS + 1));
    pipe.rest(writer);
    eventually("the first one ends well", || device.state("b") == "trial");
    eventually("the next one may begin", || rauc(&bus, "Install", &[&device.workshop.bundle_text(2)]).done);
}

#[test]
fn an_installation_can_be_stopped() {
    let device = Device::new().booted("a");
    let bus = Bus::for_device(&device);
    let pipe = Pipe::new(&device);
    rauc(&bus, "Install", &[pipe.text()]).well();
    let writer = pipe.half();
    let line = ["gdbus", "call", "--system", "-d", "org.libupdate.Updater1", "-o", "/org/libupdate/Updater1", "-m"];
    bus.client(&[&line[..], &["org.libupdate.Updater1.Stop"]].concat()).well();
    eventually("it has stopped", || {
        let get = ["org.freedesktop.DBus.Properties.Get", "de.pengutronix.rauc.Installer", "LastError"];
        let line = ["gdbus", "call", "--system", "-d", "de.pengutronix.rauc", "-o", "/", "-m"];
        bus.client(&[&line[..], &get].concat()).well().contains("Interrupted")
    });
    drop(writer);
    assert_eq!(device.next(), "a");
}

#[test]
fn a_program_that_dies_is_a_failed_installation() {
    let device = Device::new().booted("a");
    let dies = device.put_file("dies", b"#!/bin/sh\necho '{\"schema\":1,' && kill -9 $$\n");
    fs::set_permissions(&dies, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let bus = Bus::with_program(&device, &dies);
    rauc(&bus, "GetSlotStatus", &[]).refused("org.libupdate.Error.Program");
    rauc(&bus, "Install", &["/x"]).well();
    eventually("another one may begin", || rauc(&bus, "Install", &["/x"]).done);
}

#[test]
fn a_caller_without_rights_gets_nothing() {
    let device = Device::new().booted("a");
    let before = device.bytes();
    let bus = Bus::for_device(&device);
    let bundle = device.workshop.bundle_text(2);
    let installer = "de.pengutronix.rauc.Installer";
    let (rauc, own) = (["de.pengutronix.rauc", "/"], ["org.libupdate.Updater1", "/org/libupdate/Updater1"]);
    let calls: [(&[&str; 2], String, &[&str]); 8] = [
        (&rauc, format!("{installer}.Install"), &[&bundle]),
        (&rauc, format!("{installer}.InstallBundle"), &[&bundle, "{}"]),
        (&rauc, format!("{installer}.Info"), &[&bundle]),
        (&rauc, format!("{installer}.Mark"), &["good", "booted"]),
        (&rauc, format!("{installer}.GetSlotStatus"), &[]),
        (&own, "org.libupdate.Updater1.Status".to_owned(), &[]),
        (&own, "org.libupdate.Updater1.Stop".to_owned(), &[]),
        (&own, "org.libupdate.Updater1.Rollback".to_owned(), &["''"]),
    ];
    for ([name, path], method, arguments) in calls {
        let line = ["gdbus", "call", "--system", "-d", name, "-o", path, "-m", &method];
        bus.nobody(&[&line, arguments].concat()).refused("org.freedesktop.DBus.Error.AccessDenied");
    }
    let request = "org.freedesktop.DBus.RequestName";
    let line = ["gdbus", "call", "--system", "-d", "org.freedesktop.DBus", "-o", "/", "-m", request, NAMES[0], "4"];
    bus.nobody(&line).refused("org.freedesktop.DBus.Error.AccessDenied");
    assert!(before == device.bytes(), "the disk was written");
}

#[test]
fn wrong_words_are_refused_by_name_and_the_service_goes_on() {
    let device = Device::new().booted("a");
    let bus = Bus::for_device(&device);
    let wrong = "org.freedesktop.DBus.Error.InvalidArgs";
    let long = format!("/{}", "x".repeat(100_000));
    for source in ["-", "--help", "relative", "file:///x", &long] {
        rauc(&bus, "Install", &["--", source]).refused(wrong);
    }
    for options in
        ["{'later': <1>}", "{'ignore-compatible': <'yes'>}", "{'ignore-compatible': <true>}", "{'tls-ca': <[1, 2]>}"]
    {
        rauc(&bus, "InstallBundle", &["/x", options]).refused(wrong);
    }
    rauc(&bus, "Mark", &["ugly", "booted"]).refused(wrong);
    rauc(&bus, "Mark", &["good", &long]).refused(wrong);
    rauc(&bus, "Mark", &["good", "\u{202e}\u{7}\u{1b}[2J"]).refused("means 0 slots");
    // An option cannot become another one.
    let own = ["gdbus", "call", "--system", "-d", "org.libupdate.Updater1", "-o", "/org/libupdate/Updater1", "-m"];
    let sly = ["org.libupdate.Updater1.Install", "/x", "{'trial': <'auto --danger-booted'>}"];
    bus.client(&[&own[..], &sly].concat()).well();
    eventually("the service answers", || rauc(&bus, "GetPrimary", &[]).well().contains("root.0"));
}

#[test]
fn it_ends_when_nobody_calls_and_a_call_starts_it_again() {
    let device = Device::new().booted("a");
    let bus = Bus::for_device(&device);
    assert!(!bus.owned(NAMES[0]) && !bus.owned(NAMES[1]), "nobody has called yet");
    let called = Instant::now();
    rauc(&bus, "GetPrimary", &[]).well();
    assert!(bus.owned(NAMES[0]) && bus.owned(NAMES[1]));
    eventually("it ends", || !bus.owned(NAMES[0]) && !bus.owned(NAMES[1]));
    assert!(called.elapsed() >= Duration::from_secs(IDLE_SECONDS), "it ends too early");
    rauc(&bus, "GetPrimary", &[]).well();
}
