//! What a device shows to a server that asks who it is, how fast it fetches, and how long it goes on trying.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use tests::answer::Exit;
use tests::certificates::{Authority, VALID};
use tests::device::Device;
use tests::nginx::{Nginx, free_port};

const TOKEN: &str = "tok-5up3r.s3cret~x";

fn authority(device: &Device) -> Authority {
    Authority::new(&device.workshop.path(&format!("authority-{}", free_port())))
}

fn serving(device: &Device, locations: &str, authority: &Authority) -> Nginx {
    let server = Nginx::start(locations, &[authority.vouches("good", "localhost", VALID)]);
    server.put("update.bundle", &fs::read(device.workshop.bundle(2)).unwrap());
    server
}

#[test]
fn a_token_goes_to_the_named_server_alone_and_into_no_message() {
    let device = Device::new();
    let authority = authority(&device);
    let token = device.put_file("token", format!("{TOKEN}\n").as_bytes());
    // A server that wants none refuses one: a token that reached it would be out.
    let other = serving(&device, "if ($http_authorization) { return 418; }", &authority);
    let elsewhere = other.tls_url(0, "update.bundle");
    let locations = format!(
        "location = /moved {{ return 302 {elsewhere}; }}\n\
         location / {{ if ($http_authorization != 'Bearer {TOKEN}') {{ return 401; }} }}"
    );
    let server = serving(&device, &locations, &authority);
    let ca = authority.certificate();
    let url = server.tls_url(0, "update.bundle");
    device.refuses_untouched(&["install", "--ca", &ca, &url], Exit::Network, "the server refuses (HTTP status 401)");
    let with = |url: &str| {
        let token = token.to_str().unwrap();
        device.run(&["install", "--ca", &ca, "--token-file", token, url, "--json"])
    };
    let answer = with(&server.tls_url(0, "moved"));
    assert!(!format!("{answer}").contains("s3cret"), "{answer}");
    answer.exits(Exit::Done);
    device.does(&["cancel"]);
    assert!(!format!("{}", with(&url).exits(Exit::Done)).contains("s3cret"));
    with(&server.url("update.bundle")).exits(Exit::Usage).says("whoever listens would have the token");
}

#[test]
fn a_file_that_holds_no_token_or_no_certificate_is_refused() {
    let device = Device::new();
    let url = "https://localhost:1/update.bundle";
    for bytes in [&b""[..], b"  \n", b"two words", b"two\nlines", b"caf\xc3\xa9", b"esc\x1b[0m"] {
        let file = device.put_file("token", bytes);
        let arguments = ["install", "--token-file", file.to_str().unwrap(), url];
        device.refuses_untouched(&arguments, Exit::Usage, "it is not one line with a token in it");
    }
    let file = device.put_file("cert.pem", b"no certificate");
    let arguments = ["install", "--client-cert", file.to_str().unwrap(), url];
    device.refuses_untouched(&arguments, Exit::Usage, "there is no certificate in it");
    device.refuses_untouched(&["install", "--token-file", "/nonexistent", url], Exit::Usage, "No such file");
}

#[test]
fn a_server_that_asks_gets_the_certificate_of_the_device() {
    let device = Device::new();
    let (authority, fleet) = (authority(&device), authority(&device));
    let asks = format!("ssl_client_certificate {}; ssl_verify_client on;", fleet.certificate());
    let server = serving(&device, &asks, &authority);
    let (ca, url) = (authority.certificate(), server.tls_url(0, "update.bundle"));
    let [key, chain] = fleet.vouches("device-7", "device-7.fleet.test", VALID);
    device.refuses_untouched(&["install", "--ca", &ca, "--retries", "0", &url], Exit::Network, "HTTP status 400");
    let stranger = authority.vouches("stranger", "device-7.fleet.test", VALID);
    let arguments =
        ["install", "--ca", &ca, "--retries", "0", "--client-cert", &stranger[1], "--client-key", &stranger[0], &url];
    device.refuses_untouched(&arguments, Exit::Network, "HTTP status 400");
    let wrong = device.put_file("empty.pem", b"");
    let arguments = ["install", "--ca", &ca, "--client-cert", &chain, "--client-key", wrong.to_str().unwrap(), &url];
    device.refuses_untouched(&arguments, Exit::Usage, "there is no private key in it");
    // Both in one file, as many tools write them.
    let both = [fs::read(&chain).unwrap(), fs::read(&key).unwrap()].concat();
    let both = device.put_file("both.pem", &both);
    fs::set_permissions(&both, fs::Permissions::from_mode(0o600)).unwrap();
    device.does(&["install", "--ca", &ca, "--client-cert", both.to_str().unwrap(), &url]);
    device.does(&["cancel"]);
    device.does(&["install", "--ca", &ca, "--client-cert", &chain, "--client-key", &key, &url]);
}

/// Not a measurement: a lower bound that no machine is too slow for.
#[test]
fn the_rate_is_bounded_if_one_is_given() {
    let device = Device::new();
    let server = Nginx::start("", &[]);
    server.put("update.bundle", &fs::read(device.workshop.bundle(2)).unwrap());
    let bytes = fs::metadata(device.workshop.bundle(2)).unwrap().len();
    let began = Instant::now();
    device.does(&["install", "--limit-rate", "1M", &server.url("update.bundle")]);
    let least = Duration::from_millis(bytes.saturating_sub(1 << 20) * 1000 / (1 << 20));
    assert!(least > Duration::from_millis(500) && began.elapsed() >= least, "{:?} of {least:?}", began.elapsed());
}

#[test]
fn a_server_that_is_away_is_waited_for_as_long_as_was_said() {
    let device = Device::new();
    let nobody = format!("http://127.0.0.1:{}/update.bundle", free_port());
    let why = "refuses the connection";
    let began = Instant::now();
    device.refuses_untouched(&["install", "--retry-for", "0", &nobody], Exit::Network, why);
    let answer = device.refuses_untouched(&["install", "--retry-for", "4", &nobody], Exit::Network, why);
    // After pauses of one second and of two, with what is scattered; the next would be too long.
    assert!(began.elapsed() >= Duration::from_secs(3), "{answer}");
    assert_eq!(answer.stderr().matches("trying again in").count(), 2, "{answer}");
}
