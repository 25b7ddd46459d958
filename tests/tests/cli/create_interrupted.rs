//! `bundle create` that is asked to stop: it ends soon, and leaves the folder as it was.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tests::answer::{Answer, Exit};
use tests::cli::{Cli, Running};
use tests::root_image::noise;

/// It takes 50 ms on an idle machine: a chunk, and what is removed.
const SOON: Duration = Duration::from_secs(2);
/// Noise that repeats too late for a chunk to be small: many seconds of compression.
const SLOW: usize = 64 << 20;

/// A folder with an image, and the place of the bundle in it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn with_noise() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        let once = noise("create", 1 << 20);
        fs::write(place.image(), once.repeat(SLOW / once.len())).unwrap();
        place
    }

    /// 64 GiB of zeros, which take no room and half a minute.
    fn with_a_hole() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        File::create(place.image()).unwrap().set_len(64 << 30).unwrap();
        place
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn bundle(&self) -> PathBuf {
        self.folder.path().join("out.bundle")
    }

    fn unfinished(&self, running: &Running) -> PathBuf {
        self.folder.path().join(format!("out.bundle.{}.tmp", running.pid()))
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn create(&self, more: &[&str]) -> Cli {
        let image = self.image();
        Cli::new(&["bundle", "create", "--compatible", "acme-box", "--version", "1.0", "--json"])
            .and(&["--image", image.to_str().unwrap()])
            .and(more)
    }

    fn compress(&self) -> Running {
        self.create(&["--compression", "zstd", "--force", "-o", self.bundle().to_str().unwrap()]).start()
    }
}

/// Waits until there is something in the unfinished file.
fn has_begun(unfinished: &Path) {
    let until = Instant::now() + Duration::from_secs(20);
    while fs::metadata(unfinished).map_or(0, |metadata| metadata.len()) < 1 << 20 {
        assert!(Instant::now() < until, "{} does not grow", unfinished.display());
        sleep(Duration::from_millis(2));
    }
}

fn ends_soon(running: Running, signals: &[Signal]) {
    let since = Instant::now();
    signals.iter().for_each(|signal| running.signal(*signal));
    let answer = running.wait_with_stdin_open().exits(Exit::Interrupted);
    eprintln!("ended after {:?}", since.elapsed());
    assert!(since.elapsed() < SOON, "took {:?}\n{answer}", since.elapsed());
    if signals.len() == 1 {
        tells(answer);
    }
}

/// What, why, and next; to people and to programs.
fn tells(answer: Answer) {
    let next = "run the same command again, it begins anew";
    let answer = answer.says(": interrupted\nnext: ").says(next).says("error: cannot make /");
    let error = &answer.json()["error"];
    assert_eq!(
        (&error["class"], &error["why"], &error["next"]),
        (&"interrupted".into(), &"interrupted".into(), &next.into())
    );
}

#[test]
fn a_signal_ends_it_and_an_older_bundle_stays() {
    let place = Place::with_noise();
    fs::write(place.bundle(), "an older bundle").unwrap();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let running = place.compress();
        has_begun(&place.unfinished(&running));
        ends_soon(running, &[signal]);
        assert_eq!(place.names(), ["image", "out.bundle"]);
        assert_eq!(fs::read(place.bundle()).unwrap(), b"an older bundle");
    }
}

/// The second one does not come before the unfinished file is removed.
#[test]
fn two_signals_leave_nothing_behind_either() {
    let place = Place::with_noise();
    for signals in [[Signal::INT, Signal::TERM], [Signal::INT, Signal::INT]] {
        let running = place.compress();
        has_begun(&place.unfinished(&running));
        ends_soon(running, &signals);
        assert_eq!(place.names(), ["image"]);
    }
}

#[test]
fn so_does_one_that_only_reads() {
    let place = Place::with_a_hole();
    let running = place.create(&["--detached"]).start();
    running.catches_signals();
    sleep(Duration::from_millis(200));
    let since = Instant::now();
    running.signal(Signal::INT);
    tells(running.wait_with_stdin_open().exits(Exit::Interrupted));
    assert!(since.elapsed() < SOON, "took {:?}", since.elapsed());
    assert_eq!(place.names(), ["image"]);
}

/// The terminal of a program under `nohup` may go away.
#[test]
fn a_hangup_that_is_ignored_stays_so() {
    let place = Place::with_noise();
    let create = place.create(&["-o", place.bundle().to_str().unwrap()]).under(&["nohup"]);
    let running = create.start();
    running.catches_signals();
    running.signal(Signal::HUP);
    running.wait().exits(Exit::Done);
    assert_eq!(place.names(), ["image", "out.bundle"]);
}

/// `ulimit -f`: without a handler the signal would end the program on the spot.
#[test]
fn a_limit_of_file_sizes_is_told_and_leaves_nothing() {
    let place = Place::with_noise();
    let limited = ["prlimit", "--fsize=1000000"];
    let create = place.create(&["-o", place.bundle().to_str().unwrap()]);
    create.under(&limited).run().exits(Exit::NoSpace).says("File too large");
    assert_eq!(place.names(), ["image"]);
}

/// Whoever reads what goes to stdout may be slow: a signal ends the waiting.
#[test]
fn a_signal_ends_it_while_nobody_reads_its_output() {
    let place = Place::with_noise();
    let pipe = place.bundle();
    tests::tool::run("mkfifo", &[&pipe]);
    let reader = fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let running = place.create(&["-o", pipe.to_str().unwrap()]).start();
    running.catches_signals();
    // The pipe is full long before this.
    sleep(Duration::from_secs(2));
    running.signal(Signal::TERM);
    running.wait_with_stdin_open().exits(Exit::Interrupted);
    drop(reader);
    assert_eq!(place.names(), ["image", "out.bundle"]);
}
