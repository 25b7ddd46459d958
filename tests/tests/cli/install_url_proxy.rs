//! `install URL` through a proxy, as the environment names one.

use std::fs;

use tests::answer::{Answer, Exit};
use tests::certificates::{Authority, VALID};
use tests::cli::PROXIES;
use tests::device::Device;
use tests::nginx::{Nginx, free_port};
use tests::tinyproxy::Tinyproxy;

/// A server with release 2 as `update.bundle`, with a certificate for `localhost`; and the file of its authority.
fn serving(device: &Device) -> (Nginx, String) {
    let authority = Authority::new(&device.workshop.path(&format!("authority-{}", free_port())));
    let server = Nginx::start("", &[authority.vouches("good", "localhost", VALID)]);
    server.put("update.bundle", &fs::read(device.workshop.bundle(2)).unwrap());
    (server, authority.certificate())
}

/// With no other names of proxies than those given.
fn install(device: &Device, ca: &str, environment: &[&str], url: &str) -> Answer {
    let mut env = vec!["env"];
    PROXIES.iter().for_each(|name| env.extend(["-u", name]));
    env.extend(environment);
    device.cli(&["install", "--json", "--retries", "0", "--ca", ca, url]).under(&env).run()
}

#[test]
fn http_and_https_go_through_the_proxy_and_past_it_where_told() {
    let proxy = Tinyproxy::start("");
    let at = format!("127.0.0.1:{}", proxy.port);
    for variable in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY"] {
        let device = Device::new();
        let (server, ca) = serving(&device);
        let (http, https) = (server.url("update.bundle"), server.tls_url(0, "update.bundle"));
        let named = format!("{variable}=http://{at}");
        install(&device, &ca, &[&named], &https).exits(Exit::Done);
        assert_eq!(proxy.connections(&format!("localhost:{}", server.tls[0])), 1);
        assert!(device.partition("b").starts_with(&device.workshop.image(2).padded()));
        install(&device, &ca, &[&named, "NO_PROXY=localhost"], &https)
            .fails(Exit::Nothing, "every block of it is right");
        assert_eq!(proxy.connections(&format!("localhost:{}", server.tls[0])), 1);
        let device = Device::new();
        install(&device, &ca, &[&named], &http).exits(Exit::Done);
        assert_eq!(proxy.connections(&format!("127.0.0.1:{}", server.port)), 1);
        assert!(device.partition("b").starts_with(&device.workshop.image(2).padded()));
    }
}

#[test]
fn a_password_of_the_proxy_reaches_it_and_no_message() {
    let device = Device::new();
    let (server, ca) = serving(&device);
    let proxy = Tinyproxy::start("BasicAuth someone hush-hush");
    let url = server.tls_url(0, "update.bundle");
    let named = |user: &str| format!("HTTPS_PROXY=http://{user}127.0.0.1:{}", proxy.port);
    for user in ["", "someone:not-hush@"] {
        let answer = install(&device, &ca, &[&named(user)], &url);
        let answer = answer.fails(Exit::Network, "the proxy wants a user and a password");
        assert!(!answer.stderr().contains("hush") && !answer.stdout().contains("hush"), "{answer}");
    }
    let answer = install(&device, &ca, &[&named("someone:hush-hush@")], &url).exits(Exit::Done);
    assert!(!answer.stderr().contains("hush") && !answer.stdout().contains("hush"), "{answer}");
}

/// The message names who did not do its part.
#[test]
fn a_proxy_that_cannot_help() {
    let device = Device::new();
    let (server, ca) = serving(&device);
    let (url, before) = (server.tls_url(0, "update.bundle"), device.bytes());
    let dead = format!("HTTPS_PROXY=http://127.0.0.1:{}", free_port());
    let forbids = Tinyproxy::start("ConnectPort 443");
    let forbids = format!("HTTPS_PROXY=http://127.0.0.1:{}", forbids.port);
    for (environment, why) in [
        (dead.as_str(), "the proxy 127.0.0.1 refuses the connection"),
        ("HTTPS_PROXY=http://no-such-proxy.invalid:1", "the proxy no-such-proxy.invalid"),
        (&forbids, "the proxy refuses to connect (HTTP status 403)"),
        ("ALL_PROXY=socks5://127.0.0.1:1", "names a SOCKS proxy"),
        ("https_proxy=socks9://127.0.0.1:1", "https_proxy holds no URL of a proxy"),
    ] {
        install(&device, &ca, &[environment], &url).fails(Exit::Network, why);
    }
    // Spoken to in TLS, whatever the server speaks; this one is a server, and connects nobody.
    let secure = format!("HTTPS_PROXY=https://localhost:{}", server.tls[0]);
    for url in [server.url("update.bundle"), server.tls_url(0, "update.bundle")] {
        let answer = install(&device, &ca, &[&secure], &url).fails(Exit::Network, "the proxy");
        assert!(answer.stderr().contains("HTTP status 40"), "{answer}");
    }
    let wraps = format!("http_proxy=http://127.0.0.1:{}", 65_536 + u32::from(server.port));
    install(&device, &ca, &[&wraps], &server.url("x")).fails(Exit::Network, "http_proxy holds no URL of a proxy");
    assert!(before == device.bytes(), "the disk was written");
    install(&device, &ca, &["ALL_PROXY=socks5://127.0.0.1:1", "NO_PROXY=localhost"], &url).exits(Exit::Done);
}

#[test]
fn no_proxy_in_every_form_and_what_is_none_is_named() {
    let device = Device::new();
    let (server, ca) = serving(&device);
    let (url, port) = (server.url("update.bundle"), server.port);
    install(&device, &ca, &[], &url).exits(Exit::Done);
    let dead = format!("http_proxy=http://127.0.0.1:{}", free_port());
    for list in
        ["localhost, 127.0.0.1", " 127.0.0.1", "127.0.0.0/8", &format!("127.0.0.1:{port}"), "*", "::1 ::ffff:127.0.0.1"]
    {
        for name in ["NO_PROXY", "no_proxy"] {
            let answer = install(&device, &ca, &[&dead, &format!("{name}={list}")], &url).exits(Exit::Nothing);
            assert!(!answer.stderr().contains("warning"), "{answer}");
        }
    }
    let list = "NO_PROXY=http://127.0.0.1,127.0.0.0/33,128.0.0.0/8,::1,127.0.0.1:1";
    let answer = install(&device, &ca, &[&dead, list], &url).fails(Exit::Network, "the proxy 127.0.0.1 refuses");
    for word in ["http://127.0.0.1", "127.0.0.0/33"] {
        assert!(answer.stderr().contains(&format!("warning: NO_PROXY holds \"{word}\"")), "{answer}");
    }
    assert_eq!(answer.stderr().matches("warning").count(), 2, "{answer}");
}
