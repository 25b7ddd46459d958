//! An operating system that does not play along: read-only and full file systems, disks that somebody else is at work on, paths that
//! are no disks.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use libupdate::BlockSize;
use rustix::process::Signal;
use tests::answer::{Answer, Exit};
use tests::cli::Running;
use tests::device::Device;
use tests::mounted::Mounted;
use tests::witness::Witness;
use tests::workshop::{MAKER, Workshop};

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
    assert!(done["kept_bytes"].as_u64().unwrap() > 0, "{done}");
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

/// Where a stream takes nothing: full, never there, a pipe whose reader is gone.
const UNHEARD: [&str; 3] = ["/dev/full", "&-", "&4"];

/// Runs the program with a stream, 1 or 2, that takes nothing.
fn unheard(device: &Device, line: &[&str], stream: u8, taker: &str) -> Answer {
    let script = format!("exec 4> >(:); sleep 0.1; exec \"$0\" \"$@\" {stream}>{taker}");
    device.cli(line).under(&["bash", "-c", &script]).run()
}

#[test]
fn a_message_that_nobody_takes_changes_no_exit_code() {
    let device = Device::new();
    let bundle = device.workshop.bundle_text(2);
    let verbs: [(&[&str], Exit); 5] = [
        (&["bogus"], Exit::Usage),
        (&["status", "--progress-fd", "99"], Exit::Usage),
        (&["mark-bad"], Exit::Refused),
        (&["install", "--dry-run", "--progress", "json", &bundle], Exit::Done),
        (&["install", "/no/such.bundle", "--json"], Exit::Usage),
    ];
    for (line, code) in verbs {
        for taker in UNHEARD {
            unheard(&device, line, 2, taker).exits(code);
        }
    }
    for taker in UNHEARD {
        unheard(&device, &["install", "--retry-failed", &bundle, "--progress", "plain"], 2, taker).exits(Exit::Done);
        device.does(&["mark-good", "--slot", "b", "--danger-untried"]);
        device.does(&["rollback", "--slot", "a"]);
        device.does(&["mark-bad", "--slot", "b"]);
    }
}

/// What was asked for is a result, or an act: only the first is not done where stdout is full. A reader that went away has what it wanted.
#[test]
fn a_full_stdout_fails_what_only_tells_and_not_what_was_done() {
    let device = Device::new();
    let bundle = device.workshop.bundle_text(2);
    let tells: [&[&str]; 6] = [
        &["status"],
        &["status", "--json"],
        &["choose"],
        &["info", &bundle],
        &["install", "--dry-run", &bundle],
        &["--help"],
    ];
    for line in tells {
        unheard(&device, line, 1, "/dev/full").exits(Exit::NoSpace).says("the result could not be written");
        for taker in &UNHEARD[1..] {
            unheard(&device, line, 1, taker).exits(Exit::Done);
        }
    }
    let done = "the act itself is done";
    unheard(&device, &["install", &bundle], 1, "/dev/full").exits(Exit::Done).says(done);
    unheard(&device, &["mark-good", "--slot", "b", "--danger-untried", "--json"], 1, "/dev/full")
        .exits(Exit::Done)
        .says(done);
    unheard(&device, &["repair"], 1, "/dev/full").exits(Exit::Done).says(done);
    assert_eq!((device.state("b").as_str(), device.next().as_str()), ("good", "b"));
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

/// Every option that names a file for output, with a file, a link to it, and a FIFO there: nothing becomes what it was not.
#[test]
fn output_goes_where_it_was_sent() {
    let device = Device::new();
    let workshop = device.workshop.clone();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let image = workshop.image(3).path.to_str().unwrap().to_owned();
    let profile = workshop.text("profile.toml");
    let bundle = workshop.bundle_text(3);
    let create: &[&str] =
        &["bundle", "create", "--force", "--image", &image, "--version", "3.0", "--compatible", "x", "-o"];
    let lines = [create, &["bundle", "digest", &bundle, "-o"], &["--profile", &profile, "hook-config", "-o"]];
    for line in lines {
        let run = |out: &str| tests::cli::Cli::new(line).and(&[out, "--quiet"]).run().exits(Exit::Done);
        fs::write(at("wanted"), "older").unwrap();
        run(&at("wanted"));
        let wanted = fs::read(at("wanted")).unwrap();
        fs::write(at("file"), vec![7; 9 << 20]).unwrap();
        fs::set_permissions(at("file"), fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("file", at("link")).unwrap();
        run(&at("link"));
        assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink(), "{line:?}");
        assert!(fs::read(at("file")).unwrap() == wanted, "{line:?}");
        assert_eq!(fs::metadata(at("file")).unwrap().permissions().mode() & 0o777, 0o640, "{line:?}");
        tests::tool::run("mkfifo", &[at("pipe")]);
        let reader = std::thread::spawn({
            let pipe = at("pipe");
            move || fs::read(pipe).unwrap()
        });
        run(&at("pipe"));
        assert!(reader.join().unwrap() == wanted, "{line:?}");
        assert!(fs::metadata(at("pipe")).unwrap().file_type().is_fifo(), "{line:?}");
        let answer = run("/dev/null");
        assert!(!fs::metadata("/dev/null").unwrap().is_file(), "{answer}");
        // A bundle is no text: the shell compares.
        let script = "out=$1; shift; \"$@\" | cmp - \"$out\"";
        let compare = ["sh", "-c", script, "sh", &at("wanted")];
        let piped = tests::cli::Cli::new(line).and(&["-", "--quiet"]).under(&compare).run();
        assert_eq!(piped.code(), Some(0), "{piped}");
        for name in ["file", "link", "pipe", "wanted"] {
            fs::remove_file(at(name)).unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{line:?} has left something");
    }
}

/// `latest.bundle` leads to the bundle, which is the one to be signed.
#[test]
fn a_signature_is_attached_where_the_link_leads() {
    let workshop = Workshop::shared();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::copy(workshop.release(3).keys(&[]).create(), at("real")).unwrap();
    fs::set_permissions(at("real"), fs::Permissions::from_mode(0o604)).unwrap();
    std::os::unix::fs::symlink("real", at("latest")).unwrap();
    tests::cli::Cli::new(&["bundle", "digest", &at("real"), "-o", &at("message")]).run().exits(Exit::Done);
    let key = |ending: &str| workshop.text(&format!("{MAKER}.{ending}"));
    tests::tool::run("openssl", &["dgst", "-sha256", "-sign", &key("key"), "-out", &at("sig"), &at("message")]);
    let attach = ["bundle", "attach-signature", "--public-key", &key("pub"), "--signature"];
    let attach = |signature: &str, file: &str| tests::cli::Cli::new(&attach).and(&[signature, file]).run();
    attach(&at("sig"), &at("latest")).exits(Exit::Done);
    assert!(fs::symlink_metadata(at("latest")).unwrap().is_symlink());
    assert_eq!(fs::metadata(at("real")).unwrap().permissions().mode() & 0o777, 0o604);
    tests::cli::Cli::new(&["--trust", &key("pub"), "verify", &at("real")]).run().exits(Exit::Done);
    tests::tool::run("mkfifo", &[at("pipe")]);
    attach(&at("sig"), &at("pipe")).exits(Exit::Usage).says("not a regular file");
    tests::tool::run("sh", &["-c", "base64 <\"$1\" >\"$2\"", "sh", &at("sig"), &at("text")]);
    attach(&at("text"), &at("real")).exits(Exit::NotAuthentic).says("base64 -d");
    attach(&at("real"), &at("real")).says("more than 4096 bytes");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 6);
}

/// A FIFO where a small file is expected has no writer, and stops nobody.
#[test]
fn a_fifo_is_not_waited_for() {
    let device = Device::new();
    let fifo = device.put_file("fifo.toml", &[]);
    fs::remove_file(&fifo).unwrap();
    tests::tool::run("mkfifo", &[&fifo]);
    let fifo = fifo.to_str().unwrap();
    let bundle = device.workshop.bundle_text(2);
    tests::cli::Cli::new(&["--profile", fifo, "status"]).run().exits(Exit::Usage).says("it is empty");
    device.run(&["--trust", fifo, "status"]).exits(Exit::Usage).says("empty");
    device.on(Path::new(fifo)).run(&["status"]).exits(Exit::Disk).says("neither a block device nor a file");
    let key = device.workshop.text(&format!("{MAKER}.pub"));
    let attach = ["bundle", "attach-signature", "--public-key", &key, "--signature", fifo, &bundle];
    tests::cli::Cli::new(&attach).run().exits(Exit::Usage).says("no byte came");
}
