//! `install URL` over a network that fails in the middle: what has come is never fetched again, and never joined with another file.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tests::answer::Exit;
use tests::device::Device;
use tests::nginx::{Asked, Nginx};
use tests::odd_server::{OddServer, Request, all_of, answer, part_of};
use tests::relay::{Manner, Relay};
use tests::root_image::noise;
use tests::witness::Witness;

/// Some of its chunks have come.
const MIDDLE: usize = 3_000_000;

/// A bundle of 5 MB, and its image.
fn large(device: &Device) -> (PathBuf, Vec<u8>) {
    of_noise(device, "large")
}

fn of_noise(device: &Device, seed: &str) -> (PathBuf, Vec<u8>) {
    let bytes = noise(seed, 5_000_000);
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
    let from = asked.range.strip_prefix("bytes=").and_then(|range| range.split('-').next());
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
    let asked = &server.asked(4)[1..];
    assert!(asked.iter().all(|asked| asked.status == 206), "{asked:?}");
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
        let (server, _) = serving(&device, locations);
        let relay = Relay::before(server.port, &[Manner::Cuts(MIDDLE)]);
        let changed = server.put("another", &fs::read(of_noise(&device, "another").0).unwrap());
        let times = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
        fs::File::options().write(true).open(&changed).unwrap().set_times(times).unwrap();
        let running = device.cli(&["install", "--json", &relay.url("update.bundle")]).start();
        relay.has_failed(1);
        fs::rename(&changed, changed.with_file_name("update.bundle")).unwrap();
        running.wait().fails(Exit::Network, "changed while it was fetched");
        witness.testifies(&device);
        assert_eq!((device.state("b").as_str(), device.next().as_str()), ("disarmed", "a"));
        device.does(&["install", &server.url("update.bundle")]);
        holds(&device, &of_noise(&device, "another").1);
    }
}

/// The same bytes under another date and tag, as from another machine behind the same name.
#[test]
fn a_file_that_only_seems_to_change_is_joined() {
    for locations in ["", "max_ranges 0;", "etag off;", "if_modified_since off; etag off; add_header Last-Modified '';"]
    {
        let device = Device::new();
        let (server, image) = serving(&device, locations);
        let relay = Relay::before(server.port, &[Manner::Cuts(MIDDLE)]);
        let again = server.put("again", &fs::read(large(&device).0).unwrap());
        let times = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
        fs::File::options().write(true).open(&again).unwrap().set_times(times).unwrap();
        let running = device.cli(&["install", &relay.url("update.bundle")]).start();
        relay.has_failed(1);
        fs::rename(&again, again.with_file_name("update.bundle")).unwrap();
        running.wait().exits(Exit::Done);
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
    assert_eq!(server.asked(3).iter().filter(|asked| asked.status == 206).count(), 3);
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
            thread::sleep(Duration::from_millis(500));
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
        assert!(done["kept_bytes"].as_u64().unwrap() >= 4 * 524_288, "{done}");
        holds(&device, &image);
        let asked = server.asked(4);
        assert!(from(&asked[3]) > 4 * 524_288, "{asked:?}");
        assert_eq!(done["fetched_bytes"].as_u64(), Some(65_536 + asked[3].bytes), "{asked:?}");
    }
}

/// An answer to a request for a file.
type Odd = fn(&[u8], &Request) -> Vec<u8>;

/// Installs a bundle from a server that answers so. What it was asked.
fn installs_from(odd: impl Fn(&[u8], &Request) -> Vec<u8> + Send + Sync + 'static) -> Vec<Request> {
    let device = Device::new();
    let (bundle, image) = large(&device);
    let bytes = fs::read(bundle).unwrap();
    let server = OddServer::start(move |request| odd(&bytes, request));
    device.run(&["install", &server.url("update.bundle")]).exits(Exit::Done);
    holds(&device, &image);
    server.asked()
}

fn until_the_end(body: &[u8]) -> Vec<u8> {
    answer("HTTP/1.0 200 OK", &[], body)
}

fn in_chunks(body: &[u8], ends: bool) -> Vec<u8> {
    let headers = ["Transfer-Encoding: chunked".to_owned()];
    let end: &[u8] = if ends { b"\r\n0\r\n\r\n" } else { b"" };
    answer("HTTP/1.1 200 OK", &headers, &[format!("{:x}\r\n", body.len()).as_bytes(), body, end].concat())
}

/// The same answer under the status of a whole file.
fn as_a_whole(part: &[u8]) -> Vec<u8> {
    [b"HTTP/1.1 200 OK", part.strip_prefix(b"HTTP/1.1 206 Partial Content").unwrap()].concat()
}

/// The transport cannot tell, or tells it wrongly: only the bundle's head says how long it is.
#[test]
fn a_body_that_ends_too_early_is_a_cut() {
    let cases: [Odd; 7] = [
        |file, asked| until_the_end(if asked.before == 0 { &file[..MIDDLE] } else { file }),
        |file, asked| until_the_end(if asked.before == 0 { &[] } else { file }),
        |file, asked| until_the_end(if asked.before == 0 { &file[..5] } else { file }),
        |file, asked| if asked.before == 0 { all_of(file, 5) } else { all_of(file, file.len()) },
        |file, asked| in_chunks(if asked.before == 0 { &file[..MIDDLE] } else { file }, true),
        |file, asked| if asked.before == 0 { in_chunks(&file[..MIDDLE], false) } else { in_chunks(file, true) },
        // Half of an upload.
        |file, asked| {
            if asked.before == 0 { all_of(&file[..MIDDLE], MIDDLE) } else { part_of(file, MIDDLE, file.len()) }
        },
    ];
    // Each waits a second for its second try.
    thread::scope(|scope| {
        for (number, case) in cases.into_iter().enumerate() {
            scope.spawn(move || assert_eq!(installs_from(case).len(), 2, "case {number}"));
        }
    });
}

#[test]
fn a_body_that_always_ends_too_early_is_the_networks_fault() {
    let cases: [(Odd, &str); 3] = [
        (|file, _| until_the_end(&file[..MIDDLE]), "the connection was cut"),
        (|file, _| all_of(&file[..MIDDLE], MIDDLE), "the file on the server ends before the bundle does"),
        (
            |file, asked| match asked.from {
                None => all_of(&file[..MIDDLE], MIDDLE),
                Some(_) => {
                    let headers = [format!("Content-Range: bytes */{MIDDLE}"), "Content-Length: 0".to_owned()];
                    answer("HTTP/1.1 416 Range Not Satisfiable", &headers, &[])
                }
            },
            "the file on the server ends before the bundle does",
        ),
    ];
    for (odd, why) in cases {
        let device = Device::new();
        let bytes = fs::read(large(&device).0).unwrap();
        let server = OddServer::start(move |request| odd(&bytes, request));
        device.refuses(&["install", "--retries", "1", &server.url("update.bundle")], Exit::Network, why);
        assert_eq!((server.asked().len(), device.state("b").as_str()), (2, "disarmed"));
    }
}

/// Head and image in two files, each cut once, and nobody says how long they are.
#[test]
fn an_image_and_its_head_without_lengths() {
    let device = Device::new();
    let bytes = noise("raw", 3_000_001);
    let image = device.workshop.put_new("raw", &bytes);
    let head = fs::read(device.workshop.release(2).image(&image).create_detached()).unwrap();
    let file = bytes.clone();
    let server = OddServer::start(move |request| {
        let (file, cut) = if request.target.ends_with(".manifest") { (&head, 4000) } else { (&file, 1_000_000) };
        until_the_end(if request.before < 2 { &file[..cut] } else { file })
    });
    device.run(&["install", &server.url("image.raw")]).exits(Exit::Done);
    holds(&device, &bytes);
    assert_eq!(server.asked().len(), 4);
    // A length that no file has, and that a whole block more does not fit.
    let device = Device::new();
    let claimed = format!("Content-Length: {}", u64::MAX);
    let server = OddServer::start(move |request| match request.target.ends_with(".manifest") {
        true => until_the_end(&[0; 5000]),
        false => answer("HTTP/1.1 200 OK", std::slice::from_ref(&claimed), &[0; 5000]),
    });
    device.refuses_untouched(&["install", &server.url("image.raw")], Exit::NotAuthentic, "it is no bundle");
}

/// Legal, or at least harmless: what is there already is left out, and the hashes judge the rest.
#[test]
fn odd_answers_to_a_range() {
    let cases: [(Odd, usize); 8] = [
        // From earlier on; from later on, which helps nobody: all of it, once.
        (|file, asked| part_of(file, asked.from.unwrap() - 70_000, file.len()), 2),
        (
            |file, asked| {
                asked.from.map_or_else(|| all_of(file, file.len()), |from| part_of(file, from + 1, file.len()))
            },
            3,
        ),
        // A part under the status of a whole file, with and without its place.
        (|file, asked| as_a_whole(&part_of(file, asked.from.unwrap(), file.len())), 2),
        (
            |file, asked| {
                answer(
                    "HTTP/1.1 200 OK",
                    &[format!("Content-Length: {}", file.len() - MIDDLE)],
                    &file[asked.from.unwrap()..],
                )
            },
            2,
        ),
        // In slices; a part of nobody knows what; one that is not there; a copy that something on the way changed.
        (|file, asked| part_of(file, asked.from.unwrap(), file.len().min(asked.from.unwrap() + 1_000_000)), 4),
        (
            |file, asked| {
                asked
                    .from
                    .map_or_else(|| all_of(file, file.len()), |_| answer("HTTP/1.1 206 Partial Content", &[], file))
            },
            3,
        ),
        (|file, asked| asked.from.map_or_else(|| all_of(file, file.len()), |_| answer("HTTP/1.1 416 No", &[], &[])), 3),
        (|file, _| answer("HTTP/1.1 203 Other", &[format!("Content-Length: {}", file.len())], file), 2),
    ];
    thread::scope(|scope| {
        for (number, (later, requests)) in cases.into_iter().enumerate() {
            scope.spawn(move || {
                let odd = move |bytes: &[u8], asked: &Request| {
                    if asked.before == 0 { all_of(bytes, MIDDLE) } else { later(bytes, asked) }
                };
                let asked = installs_from(odd);
                assert_eq!(asked.len(), requests, "case {number}: {asked:?}");
            });
        }
    });
}

/// The first answer's length is wrong, and the bundle is complete.
#[test]
fn a_length_that_is_too_long() {
    let asked = installs_from(|file, asked| match asked.from {
        None => answer("HTTP/1.1 200 OK", &[format!("Content-Length: {}", file.len() + 1000)], file),
        Some(_) => answer("HTTP/1.1 416 No", &[format!("Content-Range: bytes */{}", file.len())], &[]),
    });
    assert_eq!(asked.len(), 2);
}

/// Where a network wants a person to sign in again, the next answer is a page.
#[test]
fn a_page_in_the_middle_is_not_joined() {
    let page = || {
        let headers = ["Content-Type: text/html".to_owned()];
        answer("HTTP/1.1 200 OK", &headers, b"<html>Sign in</html>")
    };
    let asked = installs_from(move |file, asked| match asked.before {
        0 => all_of(file, MIDDLE),
        1 => answer("HTTP/1.1 200 OK", &["Content-Type: text/html".to_owned()], b"<html>Sign in</html>"),
        _ => part_of(file, asked.from.unwrap(), file.len()),
    });
    assert_eq!(asked.len(), 3);
    let device = Device::new();
    let bytes = fs::read(large(&device).0).unwrap();
    let server = OddServer::start(move |asked| if asked.before == 0 { all_of(&bytes, MIDDLE) } else { page() });
    let arguments = ["install", "--retries", "1", &server.url("update.bundle")];
    device.refuses(&arguments, Exit::Network, "the server sent a web page");
}
