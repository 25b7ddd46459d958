//! Installations that end in the middle: by a signal, by the end of the process, by a medium that does not keep what it was given. The
//! bundle comes through a pipe that stalls, so that the middle is where the test wants it.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::words::Corrupt;
use libupdate::ByteLen;
use libupdate::verity::Geometry;
use rustix::process::Signal;
use tests::answer::Exit;
use tests::cli::Running;
use tests::device::Device;
use tests::strace::{self, Deed, When, disturbed};
use tests::witness::Witness;

/// What a pipe holds that nobody has read yet.
const PIPE: usize = 64 << 10;
const CHUNK: usize = 512 << 10;

/// An installation that has read at least `read` bytes of the bundle and waits for more.
fn stalled(device: &Device, read: usize) -> Running {
    let bundle = fs::read(device.workshop.bundle(2)).unwrap();
    let mut running = device.cli(&["install", "-", "--json"]).start();
    running.feed(&bundle[..read + PIPE]);
    running
}

/// The rest of the bundle for [`stalled`].
fn rest(device: &Device, read: usize) -> Vec<u8> {
    fs::read(device.workshop.bundle(2)).unwrap()[read + PIPE..].to_vec()
}

/// Three of five chunks are in the target.
const MIDDLE: usize = 3 * CHUNK + 8192;

/// Waits until they do: what was read may be in flight still, and a run that is interrupted begins no more writes.
fn three_chunks_stand(device: &Device) {
    let (until, image) = (Instant::now() + Duration::from_secs(20), device.workshop.image(2).padded());
    while !device.partition("b").starts_with(&image[..3 * CHUNK]) {
        assert!(Instant::now() < until, "three chunks are not written");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_signal_ends_it_and_the_next_run_resumes() {
    for signal in [Signal::INT, Signal::TERM] {
        let device = Device::new();
        let witness = Witness::of(&device);
        let running = stalled(&device, MIDDLE);
        three_chunks_stand(&device);
        let since = Instant::now();
        running.signal(signal);
        let answer = running.wait_with_stdin_open().fails(Exit::Interrupted, "");
        assert!(since.elapsed() < Duration::from_secs(5), "took {:?}", since.elapsed());
        assert!(answer.stderr().contains("run the same command again, it resumes"), "{answer}");
        witness.testifies(&device);
        assert_eq!((device.state("b").as_str(), device.next().as_str()), ("disarmed", "a"));
        let done = device.installs(2);
        assert!(done["kept_bytes"].as_u64().unwrap() >= 3 * 524_288, "{done}");
        assert_eq!((&done["total_bytes"], device.next().as_str()), (&2_142_208.into(), "b"));
        assert!(device.partition("b").starts_with(&device.workshop.image(2).padded()));
        witness.testifies(&device);
    }
}

/// Before the first byte has come there is nothing to resume, and nothing was written.
#[test]
fn a_signal_before_the_first_byte_leaves_the_disk_alone() {
    let device = Device::new();
    let before = device.bytes();
    let running = device.cli(&["install", "-", "--json"]).start();
    running.catches_signals();
    running.signal(Signal::INT);
    running.wait_with_stdin_open().fails(Exit::Interrupted, "");
    assert!(before == device.bytes(), "the disk was written");
}

#[test]
fn a_killed_run_is_resumed_too_and_its_lock_is_gone() {
    let device = Device::new();
    let witness = Witness::of(&device);
    let running = stalled(&device, MIDDLE);
    three_chunks_stand(&device);
    running.signal(Signal::KILL);
    running.wait_with_stdin_open().killed_by(9);
    witness.testifies(&device);
    assert!(device.installs(2)["kept_bytes"].as_u64().unwrap() >= 3 * 524_288);
    witness.testifies(&device);
}

/// The run that resumes may be stopped again, as often as one likes; another bundle starts anew.
#[test]
fn resumed_and_interrupted_again_and_then_another_bundle() {
    let device = Device::new();
    for chunks in [1, 2, 3] {
        let running = stalled(&device, chunks * CHUNK + 8192);
        running.signal(Signal::TERM);
        running.wait_with_stdin_open().fails(Exit::Interrupted, "");
        assert_eq!(device.state("b"), "disarmed");
    }
    let done = device.installs(3);
    assert_eq!((&done["kept_bytes"], device.slot("b").version.as_deref()), (&0.into(), Some("3.0")));
    device.does(&["verify", "--slot", "b"]);
}

/// Where the writer of the pipe goes away the bundle is too short, which is no success.
#[test]
fn a_pipe_that_breaks_is_a_truncated_bundle() {
    let device = Device::new();
    let witness = Witness::of(&device);
    stalled(&device, MIDDLE).wait().fails(Exit::NotAuthentic, &Corrupt::Truncated.to_string());
    witness.testifies(&device);
    assert!(device.installs(2)["kept_bytes"].as_u64().unwrap() >= 3 * 524_288);
}

/// Bits of the target turn while it is being written: the read-back finds them, and says that the medium is at fault.
fn turns(kind: Corrupt, at: impl Fn(&Device) -> u64) {
    let device = Device::new();
    let mut running = stalled(&device, MIDDLE);
    let at = at(&device);
    written(&device, at);
    device.flip(at);
    running.feed(&rest(&device, MIDDLE));
    found(&device, running, kind);
}

/// The same while all that was written waits for its flush: small writes are gathered, and may not be on the disk before.
fn turns_late(kind: Corrupt, at: impl Fn(&Device) -> u64) {
    let device = Device::new();
    let install = device.cli(&["--json", "install", &device.workshop.bundle_text(2)]);
    let running =
        disturbed(install, device.disk(), strace::FLUSH, When::Nth(DATA_FLUSH), Deed::Late(3_000_000)).start();
    let at = at(&device);
    written(&device, at);
    device.flip(at);
    found(&device, running, kind);
}

/// The flush behind the image. An empty slot is disarmed by two commits, of which the first changes nothing: one flush, then three; one is
/// behind the marks.
const DATA_FLUSH: usize = 6;

fn found(device: &Device, running: Running, kind: Corrupt) {
    let witness = Witness::of(device);
    let answer = running.wait().fails(Exit::Io, &kind.to_string());
    assert!(answer.stderr().contains("medium"), "{answer}");
    witness.testifies(device);
    assert_eq!((device.state("b").as_str(), device.next().as_str()), ("disarmed", "a"));
    // The run that comes next writes what is wrong, and only that.
    let done = device.installs(2);
    assert!(done["kept_bytes"].as_u64().unwrap() > 0, "{done}");
    assert!(device.partition("b").starts_with(&device.workshop.image(2).padded()));
    device.does(&["verify", "--slot", "b"]);
}

/// Waits until something was written there.
fn written(device: &Device, at: u64) {
    let until = Instant::now() + Duration::from_secs(20);
    while device.range(at - at % 4096, 4096).iter().all(|byte| *byte == 0) {
        assert!(Instant::now() < until, "nothing is written at {at}");
        sleep(Duration::from_millis(5));
    }
}

fn geometry(device: &Device) -> Geometry {
    let len = device.workshop.image(2).padded().len();
    Geometry::from_image_len(ByteLen::new(u64::try_from(len).unwrap())).unwrap()
}

#[test]
fn read_back() {
    turns(Corrupt::ReadBack { chunk: 0 }, |device| device.slot("b").start + 7);
    turns(Corrupt::ReadBack { chunk: 2 }, |device| device.slot("b").start + 2 * 524_288 + 70_000);
}

#[test]
fn tree_read_back() {
    let block = |device: &Device, level, index| geometry(device).block_offset(level, index).unwrap().get();
    turns_late(Corrupt::TreeReadBack, |device| device.slot("b").start + block(device, 0, 1));
    turns_late(Corrupt::TreeReadBack, |device| device.slot("b").start + geometry(device).hash_offset().get());
}
