//! An operating system that does not play along: read-only and full file systems, disks that somebody else is at work on, paths that
//! are no disks.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use libupdate::BlockSize;
use rustix::process::Signal;
use tests::answer::Exit;
use tests::cli::Running;
use tests::device::Device;
use tests::mounted::Mounted;
use tests::witness::Witness;
use tests::workshop::Workshop;

/// Every verb that writes to a disk.
fn writing(bundle: &str) -> Vec<Vec<String>> {
    let lines: [&[&str]; 9] = [
        &["install", bundle],
        &["install", "--no-activate", bundle],
        &["mark-good"],
        &["mark-bad", "--slot", "b"],
        &["rollback"],
        &["activate"],
        &["repair"],
        &["choose", "--spend"],
        &["provision", "--danger-overwrite", bundle],
    ];
    lines.iter().map(|line| line.iter().map(|word| (*word).to_owned()).collect()).collect()
}

/// Every verb that only reads one.
const READING: [&[&str]; 3] = [&["status"], &["choose"], &["verify", "--slot", "a"]];

#[test]
fn a_read_only_disk_is_read_and_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let writable = Device::at(folder.path().join("disk.img"), BlockSize::B512);
    let mounted = Mounted::read_only(folder.path());
    let device = writable.on(&mounted.path().join("disk.img"));
    let before = device.bytes();
    for line in writing(&device.workshop.bundle_text(2)) {
        let answer = device.run(&line).exits(Exit::Io);
        assert!(answer.stderr().contains("Read-only file system"), "{answer}");
    }
    device.refuses_untouched(&["install", &device.workshop.bundle_text(2)], Exit::Io, "Read-only file system");
    for verb in READING {
        device.does(verb);
    }
    device.does(&["install", "--dry-run", &device.workshop.bundle_text(2)]);
    assert!(before == device.bytes());
}

/// The disk image is a sparse file on a file system that is full before the image is written. With more room the next run resumes.
#[test]
fn a_full_file_system_under_the_disk() {
    let mounted = Mounted::tmpfs(3000);
    let device = Device::at(mounted.path().join("disk.img"), BlockSize::B512);
    let bundle = device.workshop.bundle_text(2);
    device.refuses(&["install", &bundle], Exit::NoSpace, "No space left on device");
    assert_eq!((device.state("b").as_str(), device.next().as_str()), ("disarmed", "a"));
    mounted.grow(20_000);
    let done = device.installs(2);
    assert!(done["bytes_kept"].as_u64().unwrap() > 0, "{done}");
    assert!(device.partition("b").starts_with(&device.workshop.image(2).padded()));
}

#[test]
fn a_full_file_system_under_a_new_bundle() {
    let mounted = Mounted::tmpfs(500);
    let workshop = Workshop::shared();
    let out = mounted.path().join("x.bundle");
    let image = workshop.image(2).path.to_str().unwrap().to_owned();
    let line =
        ["bundle", "create", "--image", &image, "--version", "1", "--compatible", "x", "-o", out.to_str().unwrap()];
    tests::cli::Cli::new(&line).run().exits(Exit::NoSpace).says("No space left on device");
    assert_eq!(fs::read_dir(mounted.path()).unwrap().count(), 0, "half a bundle was left behind");
}

/// An installation that holds its disk and waits for its bundle.
fn holder(device: &Device) -> Running {
    let bundle = fs::read(device.workshop.bundle(2)).unwrap();
    let mut running = device.cli(&["install", "-", "--json"]).start();
    running.feed(&bundle[..1 << 20]);
    running
}

#[test]
fn of_two_installations_one_is_told_at_once_who_has_the_disk() {
    let device = Device::new();
    let bundle = fs::read(device.workshop.bundle(2)).unwrap();
    let witness = Witness::of(&device);
    let mut first = holder(&device);
    let name = format!("process {} (updater-cli)", first.pid());
    for line in writing(&device.workshop.bundle_text(3)) {
        let since = Instant::now();
        let answer = device.run(&line).exits(Exit::Busy).says(&name);
        assert!(since.elapsed() < Duration::from_secs(5), "{:?}\n{answer}", since.elapsed());
    }
    device.cli(&["install", &device.workshop.bundle_text(3), "--json"]).run().fails(Exit::Busy, &name);
    // Who only looks is not kept out.
    for verb in READING {
        device.does(verb);
    }
    device.does(&["install", "--dry-run", &device.workshop.bundle_text(3)]);
    assert_eq!(device.state("b"), "disarmed");
    first.feed(&bundle[1 << 20..]);
    first.wait().exits(Exit::Done);
    witness.testifies(&device);
    assert_eq!((device.next().as_str(), device.slot("b").version.as_deref()), ("b", Some("2.0")));
}

#[test]
fn the_lock_goes_with_the_process() {
    let device = Device::new();
    let first = holder(&device);
    device.run(&["mark-good"]).exits(Exit::Busy);
    first.signal(Signal::KILL);
    first.wait_with_stdin_open().killed_by(9);
    device.does(&["mark-good"]);
}

/// A boot must not stay unmarked because something else is at work.
#[test]
fn a_boot_service_waits_for_the_lock() {
    let device = Device::new();
    let first = holder(&device);
    let waits = device.cli(&["mark-good", "--unattended"]).start();
    sleep(Duration::from_secs(2));
    first.signal(Signal::KILL);
    first.wait_with_stdin_open().killed_by(9);
    let answer = waits.wait().exits(Exit::Done);
    assert!(answer.stderr().contains("waiting for at most 600 s"), "{answer}");

    let first = holder(&device);
    let waits = device.cli(&["mark-good", "--unattended"]).start();
    waits.catches_signals();
    waits.signal(Signal::TERM);
    waits.wait_with_stdin_open().exits(Exit::Interrupted);
    first.signal(Signal::KILL);
    first.wait_with_stdin_open().killed_by(9);
}

/// Another program that has the disk image locked: an emulator, say.
struct Foreign(Child);

impl Foreign {
    fn locks(disk: &Path) -> Self {
        let script = "echo held; exec sleep 60";
        let mut command = Command::new("flock");
        command.arg("--no-fork").arg(disk).args(["sh", "-c", script]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("flock is part of util-linux: install it");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        Self(child)
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        self.0.kill().unwrap_or_default();
        drop(self.0.wait());
    }
}

#[test]
fn a_disk_that_another_program_has_locked_is_busy() {
    let device = Device::new();
    let foreign = Foreign::locks(device.disk());
    let name = format!("process {}", foreign.0.id());
    device.refuses_untouched(&["install", &device.workshop.bundle_text(2)], Exit::Busy, &name);
    drop(foreign);
    device.installs(2);
}

#[test]
fn no_disk_and_no_bundle_where_the_path_leads() {
    let device = Device::new();
    for path in ["/dev/null", "/usr"] {
        let before = device.bytes();
        device.run(&["install", path]).exits(if path == "/usr" { Exit::Io } else { Exit::NotAuthentic });
        assert!(before == device.bytes());
        let other = device.on(Path::new(path));
        other.run(&["status"]).exits(Exit::Disk);
    }
}
