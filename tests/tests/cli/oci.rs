//! Bundles in OCI registries: put there, installed from there by ranges, with the tokens that registries ask for.

use std::fs;

use libupdate::Digest;
use tests::answer::Exit;
use tests::cli::Cli;
use tests::device::Device;
use tests::odd_server::{OddServer, Request, answer, part_of};
use tests::registry::Registry;

const BUNDLE: &str = "application/vnd.libupdate.bundle.v1";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn push(bundle: &str, reference: &str) -> serde_json::Value {
    Cli::new(&["bundle", "push", "--json", bundle, reference]).run().exits(Exit::Done).json()
}

#[test]
fn a_bundle_goes_into_a_registry_and_onto_a_device() {
    let device = Device::new();
    let registry = Registry::start();
    let (bundle, reference) = (device.workshop.bundle_text(2), registry.reference("team/test-box:2.0"));
    let pushed = push(&bundle, &reference);
    assert_eq!(pushed["reference"].as_str(), Some(reference.as_str()));
    assert_eq!(pushed["bundle_digest"], format!("sha256:{}", Digest::of(&[&fs::read(&bundle).unwrap()])));
    // The same again sends nothing, and another tag is only a name.
    let kept = registry.kept();
    assert_eq!(push(&bundle, &reference), pushed);
    push(&bundle, &registry.reference("team/test-box:stable"));
    assert!(registry.kept() < kept + 4096, "{kept} {}", registry.kept());

    assert_eq!(device.does(&["check", &reference])["version"], "2.0");
    let digest = pushed["artifact_digest"].as_str().unwrap();
    device.does(&["install", &registry.reference(&format!("team/test-box@{digest}"))]);
    assert!(device.partition("b").starts_with(&device.workshop.image(2).padded()));
    device.run(&["install", &registry.reference("team/test-box:stable")]).exits(Exit::Nothing);
    let other = registry.reference(&format!("team/test-box@sha256:{}", "0a".repeat(32)));
    device.run(&["install", &other]).exits(Exit::Network).says("the server has no such file");
    device.run(&["install", &registry.reference("team/test-box:9")]).exits(Exit::Network);
}

#[test]
fn what_is_no_bundle_and_what_is_no_reference() {
    let device = Device::new();
    let registry = Registry::start();
    let image = device.workshop.image(1).path.to_str().unwrap().to_owned();
    let refused = |arguments: &[&str], why: &str| {
        Cli::new(arguments).run().exits(Exit::Usage).says(why);
    };
    refused(&["bundle", "push", &image, &registry.reference("x:1")], "it is no bundle");
    let bundle = device.workshop.bundle_text(2);
    for (reference, why) in [
        ("oci://localhost:1/Upper:1", "a repository is"),
        ("oci://localhost:1/x:", "a tag is"),
        ("oci://localhost:1/x@sha256:12", "a digest is"),
        ("oci://localhost:1", "a repository is"),
    ] {
        refused(&["bundle", "push", &bundle, reference], why);
        device.refuses_untouched(&["install", reference], Exit::Usage, why);
    }
    let nobody = Cli::new(&["bundle", "push", &bundle, "oci://localhost:1/x:1"]).run();
    nobody.exits(Exit::Network).says("localhost");
}

/// A manifest of one layer, and its digest.
fn manifest(media: &str, digest: &str, size: usize) -> Vec<u8> {
    let empty = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{empty}","size":2}},"layers":[{{"mediaType":"{media}","digest":"{digest}","size":{size}}}]}}"#
    )
    .into_bytes()
}

fn ok(body: &[u8]) -> Vec<u8> {
    answer("HTTP/1.1 200 OK", &[format!("Content-Length: {}", body.len())], body)
}

/// What was asked for of a file.
fn part(file: &[u8], asked: &Request) -> Vec<u8> {
    let (first, last) = asked.range.unwrap_or((0, None));
    part_of(file, first, last.map_or(file.len(), |last| file.len().min(last + 1)))
}

#[test]
fn a_manifest_that_lies_installs_nothing() {
    let device = Device::new();
    let bytes = fs::read(device.workshop.bundle(2)).unwrap();
    let digest = format!("sha256:{}", Digest::of(&[&bytes]));
    let image = fs::read(&device.workshop.image(1).path).unwrap();
    let cases: [(Vec<u8>, &[u8], &str); 5] = [
        (manifest(BUNDLE, &digest, bytes.len() + 1), &bytes, "its manifest says that the bundle has"),
        (manifest(BUNDLE, &digest, image.len()), &image, "what it has as a bundle is none"),
        (manifest("text/plain", &digest, bytes.len()), &bytes, "it has no layer of the type"),
        (manifest(BUNDLE, "sha256:../../../x", bytes.len()), &bytes, "something else than a sha256 digest"),
        (b"{\"schemaVersion\":2,\"manifests\":[]}".to_vec(), &bytes, "a list of several"),
    ];
    for (manifest, blob, why) in cases {
        let blob = blob.to_vec();
        let server =
            OddServer::start(
                move |asked| {
                    if asked.target.contains("/manifests/") { ok(&manifest) } else { part(&blob, asked) }
                },
            );
        let reference = format!("oci://127.0.0.1:{}/x:1", server.port);
        device.refuses_untouched(&["install", &reference], Exit::NotAuthentic, why);
    }
    // Another manifest than the one that was named.
    let named = format!("sha256:{}", "0a".repeat(32));
    let (text, blob) = (manifest(BUNDLE, &digest, bytes.len()), bytes);
    let server = OddServer::start(
        move |asked| if asked.target.contains("/manifests/") { ok(&text) } else { part(&blob, asked) },
    );
    let reference = format!("oci://127.0.0.1:{}/x@{named}", server.port);
    device.refuses_untouched(&["install", &reference], Exit::NotAuthentic, "its manifest has the digest");
}

/// A registry that wants a token, gives it to who knows the password, and has its blobs on another server, which gets neither.
#[test]
fn tokens_as_registries_ask_for_them() {
    let device = Device::new();
    let bytes = fs::read(device.workshop.bundle(2)).unwrap();
    let digest = format!("sha256:{}", Digest::of(&[&bytes]));
    let text = manifest(BUNDLE, &digest, bytes.len());
    let store = OddServer::start(move |asked| part(&bytes, asked));
    let elsewhere = store.url("blob");
    let registry = OddServer::start(move |asked| {
        let port = asked.host.rsplit(':').next().unwrap().to_owned();
        let knows = asked.authorization.as_deref() == Some("Basic dXNlcjpzZWNyZXQ=");
        match (asked.target.as_str(), asked.authorization.as_deref()) {
            (target, _) if target.starts_with("/token?") && knows => {
                assert!(target.contains("scope=repository%3Ateam%2Fbox%3Apull"), "{target}");
                ok(br#"{"token":"abc.def"}"#)
            }
            (target, _) if target.starts_with("/token?") => answer("HTTP/1.1 401 No", &[], b""),
            ("/v2/team/box/manifests/1", Some("Bearer abc.def")) => ok(&text),
            (target, Some("Bearer abc.def")) if target.contains("/blobs/") => {
                answer("HTTP/1.1 307 There", &[format!("Location: {elsewhere}")], b"")
            }
            _ => {
                let challenge = format!(
                    "WWW-Authenticate: Bearer realm=\"http://127.0.0.1:{port}/token\",service=\"r\",scope=\"repository:team/box:pull\""
                );
                answer("HTTP/1.1 401 Who", &[challenge], b"")
            }
        }
    });
    let reference = |user: &str| format!("oci://{user}127.0.0.1:{}/team/box:1", registry.port);
    let refused = device.run(&["install", &reference("")]);
    refused.exits(Exit::Network).says("the server refuses");
    let done = device.run(&["install", &reference("user:secret@")]).exits(Exit::Done);
    assert!(!format!("{done}").replace("user:secret@127", "").contains("secret"), "{done}");
    assert!(device.partition("b").starts_with(&device.workshop.image(2).padded()));
    assert!(store.asked().iter().all(|asked| asked.authorization.is_none()), "{:?}", store.asked());
    assert!(registry.asked().iter().filter(|asked| asked.target.starts_with("/token")).count() <= 4);
}

/// What is there already needs no right to write until the manifest is put: the registry asks then, and gets its answer.
#[test]
fn a_push_of_what_is_there_asks_for_the_right_to_name_it() {
    let device = Device::new();
    let server = OddServer::start(|asked| {
        let port = asked.host.rsplit(':').next().unwrap().to_owned();
        let scope = if asked.method == "PUT" { "pull,push" } else { "pull" };
        let challenge = format!(
            "WWW-Authenticate: Bearer realm=\"http://127.0.0.1:{port}/token\",service=\"r\",scope=\"repository:x:{scope}\""
        );
        let word = asked.authorization.as_deref();
        match asked.method.as_str() {
            _ if asked.target.starts_with("/token?") && asked.target.contains("push") => ok(br#"{"token":"all"}"#),
            _ if asked.target.starts_with("/token?") => ok(br#"{"token":"some"}"#),
            "HEAD" if word.is_some() => answer("HTTP/1.1 307 There", &["Location: /elsewhere".to_owned()], b""),
            "PUT" if word == Some("Bearer all") => {
                answer("HTTP/1.1 201 Created", &["Content-Length: 0".to_owned()], b"")
            }
            _ => answer("HTTP/1.1 401 Who", &[challenge, "Content-Length: 0".to_owned()], b""),
        }
    });
    push(&device.workshop.bundle_text(2), &format!("oci://127.0.0.1:{}/x:1", server.port));
}

#[test]
fn what_no_device_could_install_is_not_pushed() {
    let device = Device::new();
    let registry = Registry::start();
    let refused = |file: &str, to: &str, why: &str| {
        Cli::new(&["bundle", "push", file, to]).run().exits(Exit::Usage).says(why);
    };
    let cut = device.workshop.altered(|bytes| bytes.truncate(1 << 20));
    refused(&cut, &registry.reference("x:1"), "it is cut, or the head of an image");
    let bundle = device.workshop.bundle_text(2);
    let digest = format!("x:1@sha256:{}", "0a".repeat(32));
    refused(&bundle, &registry.reference(&digest), "its digest is not known");
    refused(&bundle, &registry.reference("x:1")[6..], "it is no reference to a registry");
}
