//! `install URL` over a network that fails in the middle: what has come is never fetched again, and never joined with another file.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tests::answer::Exit;
use tests::device::Device;
use tests::nginx::{Asked, Nginx};
use tests::relay::{Manner, Relay};
use tests::root_image::noise;
use tests::witness::Witness;

/// Some of its chunks have come.
const MIDDLE: usize = 3_000_000;

/// A bundle of 5 MB, and its image.
fn large(device: &Device) -> (PathBuf, Vec<u8>) {
    let bytes = noise("large", 5_000_000);
    let image = device.workshop.put_new("raw", &bytes);
    (device.workshop.release(2).image(&image).create(), bytes)
}

fn serving(device: &Device, locations: &str) -> (Nginx, Vec<u8>) {
    let server = Nginx::start(locations, &[]);
    let (bundle, image) = large(device);
    server.put("update.bundle", &fs::read(bundle).unwrap());
    (server, image)
}

fn holds(device: &Device, image: &[u8]) {
    assert!(device.partition("b").starts_with(image));
    device.does(&["verify", "--slot", "b"]);
    assert_eq!(device.next(), "b");
}

fn from(asked: &Asked) -> u64 {
    let from = asked.range.strip_prefix("bytes=").and_then(|range| range.strip_suffix('-'));
    from.unwrap_or_else(|| panic!("no range: {asked:?}")).parse().unwrap()
}

#[test]
fn a_cut_connection_goes_on_where_it_was_cut() {
    let device = Device::new();
    let (server, image) = serving(&device, "");
    let relay = Relay::before(server.port, &[Manner::Cuts(MIDDLE), Manner::Cuts(1_000_000)]);
    let answer = device.run(&["install", &relay.url("update.bundle")]).exits(Exit::Done);
    assert_eq!(answer.stderr().matches("the connection was cut, after ").count(), 2, "{answer}");
    holds(&device, &image);
    let asked = server.asked(3);
    assert_eq!(asked.iter().map(|asked| asked.status).collect::<Vec<_>>(), [200, 206, 206]);
    // The relay counted the headers too.
    assert!((2_990_000..3_000_000).contains(&from(&asked[1])), "{asked:?}");
    assert!((3_980_000..4_000_000).contains(&from(&asked[2])), "{asked:?}");
}

#[test]
fn a_server_without_ranges_gives_all_of_it_again() {
    let device = Device::new();
    let (server, image) = serving(&device, "max_ranges 0;");
    let relay = Relay::before(server.port, &[Manner::Cuts(MIDDLE)]);
    device.does(&["install", &relay.url("update.bundle")]);
    holds(&device, &image);
    assert_eq!(server.asked(2).iter().map(|asked| asked.status).collect::<Vec<_>>(), [200, 200]);
}

/// With ranges, and without: another file of the same length.
#[test]
fn a_file_that_changed_is_not_joined() {
    for locations in ["", "max_ranges 0;"] {
        let device = Device::new();
        let witness = Witness::of(&device);
        let (server, image) = serving(&device, locations);
        let relay = Relay::before(server.port, &[Manner::Cuts(MIDDLE)]);
        let changed = server.put("another", &fs::read(large(&device).0).unwrap());
        let times = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
        fs::File::options().write(true).open(&changed).unwrap().set_times(times).unwrap();
        let running = device.cli(&["install", "--json", &relay.url("update.bundle")]).start();
        relay.has_failed(1);
        fs::rename(&changed, changed.with_file_name("update.bundle")).unwrap();
        running.wait().fails(Exit::Network, "changed while it was fetched");
        witness.testifies(&device);
        assert_eq!((device.state("b").as_str(), device.next().as_str()), ("disarmed", "a"));
        device.does(&["install", &server.url("update.bundle")]);
        holds(&device, &image);
    }
}

#[test]
fn a_stalled_server_is_left_and_asked_again() {
    let device = Device::new();
    let (server, image) = serving(&device, "");
    let relay = Relay::before(server.port, &[Manner::FallsSilent(MIDDLE)]);
    let answer = device.run(&["install", "--timeout", "1", &relay.url("update.bundle")]).exits(Exit::Done);
    assert!(answer.stderr().contains("the server stalls"), "{answer}");
    holds(&device, &image);
    assert_eq!(server.asked(2).iter().filter(|asked| asked.status == 206).count(), 1);
}

/// The network is gone for good: the run gives up; or a person does, in the middle of the silence.
#[test]
fn a_run_that_ended_is_resumed_and_fetches_only_what_is_missing() {
    for end in [Exit::Network, Exit::Interrupted] {
        let device = Device::new();
        let witness = Witness::of(&device);
        let (server, image) = serving(&device, "");
        let relay = Relay::before(server.port, &[Manner::FallsSilent(MIDDLE)]);
        let options = ["--timeout", if end == Exit::Network { "1" } else { "30" }, "--retries", "0"];
        let running = device.cli(&["install", "--json", &relay.url("update.bundle")]).and(&options).start();
        relay.has_failed(1);
        if end == Exit::Interrupted {
            std::thread::sleep(Duration::from_millis(500));
            let since = Instant::now();
            running.signal(Signal::TERM);
            running.wait_with_stdin_open().fails(end, "");
            assert!(since.elapsed() < Duration::from_secs(1), "took {:?}", since.elapsed());
        } else {
            running.wait().fails(end, "the server stalls");
        }
        witness.testifies(&device);
        assert_eq!((device.state("b").as_str(), device.next().as_str()), ("disarmed", "a"));
        let done = device.does(&["install", &server.url("update.bundle")]);
        assert!(done["bytes_kept"].as_u64().unwrap() >= 4 * 524_288, "{done}");
        holds(&device, &image);
        let asked = server.asked(3);
        assert_eq!((asked[1].status, asked[2].status), (200, 206), "{asked:?}");
        assert!(from(&asked[2]) > 4 * 524_288, "{asked:?}");
    }
}
