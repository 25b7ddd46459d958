//! `install URL` from a real server: what comes over http and https, and what a server or the way to it may do wrong.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tests::answer::Exit;
use tests::certificates::{Authority, EXPIRED, NOT_YET, VALID};
use tests::cli::Cli;
use tests::device::Device;
use tests::nginx::{Nginx, free_port};
use tests::odd_server::{OddServer, all_of, answer};
use tests::root_image::noise;
use tests::witness::Witness;
use tests::workshop::MAKER;

/// A server with release 2 as `update.bundle`.
fn serving(device: &Device, locations: &str) -> Nginx {
    let server = Nginx::start(locations, &[]);
    server.put("update.bundle", &fs::read(device.workshop.bundle(2)).unwrap());
    server
}

/// Slot b holds release 2, all of it is right, and it boots next.
fn holds_release_2(device: &Device) {
    assert!(device.partition("b").starts_with(&device.workshop.image(2).padded()));
    device.does(&["verify", "--slot", "b"]);
    assert_eq!((device.state("b").as_str(), device.next().as_str()), ("trial", "b"));
}

#[test]
fn a_bundle_comes_over_http() {
    let device = Device::new();
    let server = serving(&device, "");
    device.does(&["install", &server.url("update.bundle")]);
    holds_release_2(&device);
    let ranges: Vec<_> = server.asked(2).into_iter().map(|asked| (asked.status, asked.range)).collect();
    assert_eq!(ranges, ["bytes=0-65535", "bytes=65536-"].map(|range| (206, range.to_owned())));
    let again = device.run(&["install", "--json", &server.url("update.bundle")]);
    again.fails(Exit::Nothing, "every block of it is right");
}

#[test]
fn a_dry_run_writes_nothing_and_other_verbs_read_a_url_too() {
    let device = Device::new();
    let server = serving(&device, "");
    let (before, url) = (device.bytes(), server.url("update.bundle"));
    assert_eq!(device.does(&["install", "--dry-run", &url])["result"], "would-install");
    assert!(before == device.bytes(), "a dry run wrote");
    let key = device.workshop.text(&format!("{MAKER}.pub"));
    for verb in ["info", "verify"] {
        let answer = Cli::new(&["--trust", &key, "--json", verb, &url]).run().exits(Exit::Done);
        assert_eq!(answer.json()["version"], "2.0");
    }
    let disk = device.on(&device.workshop.path("from-a-url.img"));
    disk.run(&["provision", "--size", "20M", &url]).exits(Exit::Done);
    assert_eq!(disk.slot("a").version.as_deref(), Some("2.0"));
    fs::remove_file(disk.disk()).unwrap();
}

/// The image beside its head, of a length that is no whole number of blocks; compressed bundles; a body of unknown length.
#[test]
fn other_forms_of_a_bundle() {
    let device = Device::new();
    let server = serving(&device, "");
    let bytes = noise("raw", 1_000_001);
    let image = device.workshop.put_new("raw", &bytes);
    let head = device.workshop.release(2).image(&image).create_detached();
    server.put("image.raw", &bytes);
    device.refuses_untouched(&["install", &server.url("image.raw")], Exit::NotAuthentic, "there is no http://");
    server.put("image.raw.manifest", &fs::read(head).unwrap());
    device.does(&["install", &server.url("image.raw?token=1")]);
    assert!(device.partition("b").starts_with(&bytes));
    device.does(&["verify", "--slot", "b"]);

    let packed = Device::new();
    let bundle = packed.workshop.release(2).with(&["--compression", "zstd"]).create();
    server.put("packed.bundle", &fs::read(bundle).unwrap());
    packed.does(&["install", &server.url("packed.bundle")]);
    holds_release_2(&packed);
}

#[test]
fn https_with_an_authority_that_is_named() {
    let device = Device::new();
    let authority = Authority::new(&device.workshop.path(&format!("authority-{}", free_port())));
    let server = Nginx::start("", &[authority.vouches("good", "localhost", VALID)]);
    server.put("update.bundle", &fs::read(device.workshop.bundle(2)).unwrap());
    let url = server.tls_url(0, "update.bundle");
    device.does(&["install", "--ca", &authority.certificate(), &url]);
    holds_release_2(&device);

    let device = Device::new();
    let environment = format!("SSL_CERT_FILE={}", authority.certificate());
    device.cli(&["install", &url]).under(&["env", &environment]).run().exits(Exit::Done);
    holds_release_2(&device);
}

#[test]
fn a_server_that_cannot_prove_its_name_is_refused_at_once() {
    let device = Device::new();
    let room = free_port();
    let authority = Authority::new(&device.workshop.path(&format!("authority-{room}")));
    let stranger = Authority::new(&device.workshop.path(&format!("stranger-{room}")));
    let server = Nginx::start(
        "",
        &[
            authority.vouches("other", "elsewhere.test", VALID),
            authority.vouches("old", "localhost", EXPIRED),
            authority.vouches("new", "localhost", NOT_YET),
            stranger.vouches("stranger", "localhost", VALID),
        ],
    );
    server.put("update.bundle", &fs::read(device.workshop.bundle(2)).unwrap());
    let reasons = ["is for another name", "has expired", "is not valid yet", "not signed by an authority"];
    for (certificate, why) in reasons.into_iter().enumerate() {
        let url = server.tls_url(certificate, "update.bundle");
        let arguments = ["install", "--ca", &authority.certificate(), &url];
        let answer = device.refuses_untouched(&arguments, Exit::Network, why);
        assert!(!answer.stderr().contains("trying again"), "{answer}");
    }
    let none = device.workshop.put_new("pem", b"no certificate");
    let arguments = ["install", "--ca", none.to_str().unwrap(), &server.tls_url(0, "update.bundle")];
    device.refuses_untouched(&arguments, Exit::Usage, "there is no certificate in it");
}

#[test]
fn an_answer_without_a_file() {
    let device = Device::new();
    let locations = "location /500 { return 500; }\nlocation /403 { return 403; }\n\
                     location /packed { add_header Content-Encoding gzip; return 200; }\n\
                     location /busy { add_header Retry-After 3 always; return 503; }";
    let server = serving(&device, locations);
    for (name, why) in [("nothing", "HTTP status 404"), ("403", "HTTP status 403")] {
        device.refuses_untouched(&["install", &server.url(name)], Exit::Network, why);
    }
    assert_eq!(server.asked(2)[1].status, 403);
    // That may pass, and is asked for again.
    let answer =
        device.refuses_untouched(&["install", "--retries", "1", &server.url("500")], Exit::Network, "HTTP status 500");
    assert!(answer.stderr().contains("trying again in 1 s"), "{answer}");
    assert_eq!(server.asked(4)[3].path, "/500");
    let busy = ["install", "--retries", "1", &server.url("busy")];
    let since = Instant::now();
    let answer = device.refuses_untouched(&busy, Exit::Network, "HTTP status 503");
    assert!(answer.stderr().contains("trying again in 3 s"), "{answer}");
    assert!(since.elapsed() >= Duration::from_secs(3), "took {:?}", since.elapsed());
    assert_eq!(server.asked(6)[5].path, "/busy");
    let packed = ["install", &server.url("packed")];
    device.refuses_untouched(&packed, Exit::Network, "Content-Encoding");
    // A page for people.
    server.put("page", b"<!doctype html><html></html>");
    device.refuses_untouched(&["install", &server.url("page")], Exit::Network, "the server sent a web page");
    let nobody = format!("http://127.0.0.1:{}/x", free_port());
    device.refuses_untouched(&["install", "--retries", "0", &nobody], Exit::Network, "refuses the connection");
    let unknown = "http://no-such-host.invalid/x";
    device.refuses_untouched(&["install", "--retries", "0", unknown], Exit::Network, "no-such-host.invalid");
}

#[test]
fn redirects_are_followed_but_not_everywhere() {
    let device = Device::new();
    let authority = Authority::new(&device.workshop.path(&format!("authority-{}", free_port())));
    let locations = "location /moved { return 302 /update.bundle; }\nlocation /loop { return 301 /loop; }\n\
                     location /file { return 302 file:///etc/passwd; }\n\
                     location /down { return 307 http://localhost/update.bundle; }";
    let server = Nginx::start(locations, &[authority.vouches("good", "localhost", VALID)]);
    server.put("update.bundle", &fs::read(device.workshop.bundle(2)).unwrap());
    device.refuses_untouched(&["install", &server.url("loop")], Exit::Network, "redirects more than 5 times");
    assert_eq!(server.asked(6)[5].path, "/loop");
    device.refuses_untouched(&["install", &server.url("file")], Exit::Network, "only http://, https:// and oci://");
    let down = ["install", "--ca", &authority.certificate(), &server.tls_url(0, "down")];
    device.refuses_untouched(&down, Exit::Network, "from https to http");
    device.does(&["install", &server.url("moved")]);
    holds_release_2(&device);
}

#[test]
fn user_and_password_reach_the_server_and_nobody_else() {
    let device = Device::new();
    let locations = "if ($http_authorization != \"Basic dXNlcjpzZWNyZXQvQA==\") { return 401; }\n\
                     location /moved { return 302 http://127.0.0.1:$server_port/update.bundle; }";
    let server = serving(&device, locations);
    let url = |user: &str| server.url("update.bundle?token=secret").replace("http://", &format!("http://{user}@"));
    let answer = device.refuses_untouched(&["install", &url("user:wrong-secret")], Exit::Network, "HTTP status 401");
    assert!(!answer.stderr().contains("secret") && !answer.stdout().contains("secret"), "{answer}");
    let answer = device.refuses_untouched(&["install", &url("user:secret/@")], Exit::Usage, "percent-encoded");
    assert!(!answer.stderr().contains("secret") && !answer.stdout().contains("secret"), "{answer}");
    for name in ["update.bundle?token=secret", "moved"] {
        let url = server.url(name).replace("http://", "http://user:secret%2F%40@");
        let answer = device.run(&["install", &url]).exits(if name == "moved" { Exit::Nothing } else { Exit::Done });
        assert!(!answer.stderr().contains("secret") && !answer.stdout().contains("secret"), "{answer}");
    }
    holds_release_2(&device);
}

/// While a slot is on trial its `mark-good` needs the lock: no server is waited for.
#[test]
fn a_trial_that_runs_is_found_before_the_server_is_asked() {
    let device = Device::new();
    device.installs(2);
    let device = device.boots();
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://127.0.0.1:{}/x", silent.local_addr().unwrap().port());
    device.refuses_untouched(&["install", &url], Exit::Refused, "is booted on trial");
    silent.set_nonblocking(true).unwrap();
    silent.accept().expect_err("the server was asked");
}

/// One that says nothing is given up, and does not keep a person waiting who wants to stop.
#[test]
fn a_signal_ends_the_wait_for_a_silent_server() {
    let device = Device::new();
    let witness = Witness::of(&device);
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://127.0.0.1:{}/x", silent.local_addr().unwrap().port());
    let running = device.cli(&["install", "--json", &url]).start();
    running.catches_signals();
    let _connection = silent.accept().unwrap();
    let since = Instant::now();
    running.signal(Signal::INT);
    running.wait_with_stdin_open().fails(Exit::Interrupted, "");
    assert!(since.elapsed() < Duration::from_secs(1), "took {:?}", since.elapsed());
    let since = Instant::now();
    let given_up = ["install", "--timeout", "1", "--retries", "0", &url];
    device.refuses_untouched(&given_up, Exit::Network, "the server stalls");
    assert!(since.elapsed() >= Duration::from_secs(1) && since.elapsed() < Duration::from_secs(3));
    witness.testifies(&device);
}

/// As servers and people write it.
#[test]
fn what_stands_in_a_url() {
    let device = Device::new();
    let bundle = fs::read(device.workshop.bundle(2)).unwrap();
    let server = OddServer::start(move |asked| match asked.target.as_str() {
        "/blank" => moved(b"/a folder/./x/../my bundle"),
        "/letters" => moved("/a%20folder/b\u{fc}ndel".as_bytes()),
        "/port" => moved(b"http://127.0.0.1:65616/x"),
        "/zone" => moved(b"http://[fe80::1%25lo]/x"),
        "/nowhere" => moved(b""),
        _ => all_of(&bundle, bundle.len()),
    });
    device.does(&["install", &server.url("blank")]);
    holds_release_2(&device);
    device.run(&["install", &server.url("letters")]).exits(Exit::Nothing);
    let asked: Vec<String> = server.asked().into_iter().map(|asked| asked.target).collect();
    assert_eq!(asked, ["/blank", "/a%20folder/my%20bundle", "/letters", "/a%20folder/b%C3%BCndel"]);
    for (name, why) in [("port", "65616 is no port"), ("zone", "zone identifier"), ("nowhere", "redirects to nowhere")]
    {
        device.refuses_untouched(&["install", &server.url(name)], Exit::Network, why);
    }
    for (url, why) in [
        ("http://127.0.0.1:65616/x", "65616 is no port"),
        ("http://127.0.0.1:0/x", "0 is no port"),
        ("http://[fe80::1%25lo]/x", "zone identifier"),
        ("http://[fe80::1%lo]/x", "zone identifier"),
    ] {
        device.refuses_untouched(&["install", url], Exit::Usage, why);
    }
}

fn moved(to: &[u8]) -> Vec<u8> {
    [b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\nLocation: ", to, b"\r\n\r\n"].concat()
}

/// A success that is none; each is the network's fault, and none is asked for again.
#[test]
fn what_is_sent_in_place_of_a_bundle() {
    let device = Device::new();
    for (status, media, body, why) in [
        (
            "200 OK",
            "text/html",
            &b"<!DOCTYPE html><title>Sign in</title>"[..],
            "the server sent a web page (Content-Type: text/html)",
        ),
        ("200 OK", "application/octet-stream", b"\n<html>", "the server sent a web page"),
        ("200 OK", "text/html", b"Hello", "the server sent a web page"),
        ("200 OK", "application/json", b"{\"error\":1}", "the server sent a JSON document"),
        ("200 OK", "application/xml", b"<?xml?><Error/>", "the server sent an XML document"),
        ("200 OK", "text/html\r\nContent-Encoding: gzip", b"\x1f\x8b", "the server sent a web page"),
        ("200 OK", "application/octet-stream", b"", "the server sent an empty file"),
        ("511 Network Authentication Required", "text/html", b"<html>", "the network wants you to sign in"),
    ] {
        let headers = [format!("Content-Length: {}", body.len()), format!("Content-Type: {media}")];
        let server = OddServer::start(move |_| answer(&format!("HTTP/1.1 {status}"), &headers, body));
        let said = device.refuses_untouched(&["install", &server.url("update.bundle")], Exit::Network, why);
        assert!(!said.stderr().contains("trying again"), "{said}");
    }
}

#[test]
fn an_authority_that_is_none_is_named() {
    let device = Device::new();
    let hollow = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (bytes, why) in [
        (&b""[..], "there is no certificate in it"),
        (b"\xef\xbb\xbf", "there is no certificate in it"),
        (b"\x30\x82\x01\x0a", "there is no certificate in it"),
        (hollow, "what stands in it as a certificate is none"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n", ""),
    ] {
        let file = device.put_file("authority.pem", bytes);
        let arguments = ["install", "--ca", file.to_str().unwrap(), "https://127.0.0.1:9/x"];
        let answer = device.refuses_untouched(&arguments, Exit::Usage, why);
        assert!(answer.stderr().contains("authority.pem"), "{answer}");
    }
    let arguments = ["install", "--ca", "/nowhere.pem", "https://127.0.0.1:9/x"];
    device.refuses_untouched(&arguments, Exit::Usage, "/nowhere.pem");
}
