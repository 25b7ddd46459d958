//! `docs/FORMAT.md` against the code: its worked example is remade byte by byte, its commands are run, its limits and error kinds are
//! the code's.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::{fs, iter};

use libupdate::bundle::writer::{
    self, BundleSpec, Carriage, Image, LocalKey, Signer as _, Tools, Written, default_salt, to_der,
};
use libupdate::bundle::{Anchors, PublicKey, Unverified, UpdaterVersion};
use libupdate::manifest::Name;
use libupdate::units::limits;
use libupdate::{ByteLen, SoftHasher, UnixSeconds};
use tempfile::TempDir;
use tests::tool;

fn document() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/FORMAT.md");
    fs::read_to_string(path).unwrap()
}

/// The fenced blocks of the section with this title, with their language.
fn blocks(title: &str) -> Vec<(String, String)> {
    let document = document();
    let (_, section) = document.split_once(&format!("\n## {title}\n")).expect("the section has lost its title");
    let section = section.split("\n## ").next().unwrap();
    let mut lines = section.lines();
    let next = || {
        let language = lines.find_map(|line| line.strip_prefix("```"))?.to_owned();
        let text = lines.by_ref().take_while(|line| *line != "```").flat_map(|line| [line, "\n"]).collect();
        Some((language, text))
    };
    iter::from_fn(next).collect()
}

const EXAMPLE: &str = "13. Worked example";

/// What section 13 says that it is made of.
fn example() -> (Written, Vec<u8>, LocalKey) {
    let name = |text| Name::new(text).unwrap();
    let spec = BundleSpec {
        compatibles: vec![name("acme-box")],
        version: name("1.0"),
        rollback_index: 1,
        build_time: UnixSeconds::new(1_700_000_000),
        extensions: vec![],
        minimum_updater: UpdaterVersion::OLDEST,
    };
    let source = &b"hello, slot\n"[..];
    let image = Image { role: name("root"), len: ByteLen::new(12), source, salt: None, carriage: Carriage::Raw };
    let key = LocalKey::from_scalar(&[1; 32]).unwrap();
    let mut out = Cursor::new(Vec::new());
    let mut tools = Tools { hasher: SoftHasher, progress: &mut |_| {} };
    let written = writer::write(&spec, &mut [image], &[&key], &mut out, &mut tools).unwrap();
    (written, out.into_inner(), key)
}

/// The bytes of an annotated dump: offset, two spaces, up to 16 bytes, two spaces, words. Offsets must follow each other.
fn undump(dump: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in dump.lines() {
        let (offset, rest) = line.split_once("  ").unwrap();
        assert_eq!(usize::from_str_radix(offset, 16), Ok(bytes.len()), "{line}");
        let hex = rest.split("  ").next().unwrap();
        bytes.extend(hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()));
    }
    bytes
}

fn dumped() -> Vec<u8> {
    undump(&blocks(EXAMPLE)[0].1)
}

#[test]
fn the_worked_example_is_what_the_writer_makes() {
    let (written, bundle, _) = example();
    assert_eq!(dumped(), written.envelope);
    let image = [b"hello, slot\n".as_slice(), &[0; 4084]].concat();
    assert_eq!(bundle, [written.envelope, image].concat());
    assert_eq!(bundle.len(), 4363, "section 13 names this length");
}

#[test]
fn the_worked_example_is_accepted() {
    let (_, _, key) = example();
    let anchors = Anchors::new(&[*key.public_key()], NonZeroUsize::MIN).unwrap();
    let dumped = dumped();
    let verified = Unverified::parse(&dumped).unwrap().verify(&anchors).unwrap();
    let payload = verified.manifest().payload("root").unwrap();
    let salt = default_salt(Name::new("acme-box").unwrap(), Name::new("root").unwrap());
    assert_eq!(payload.salt().as_bytes(), salt.as_bytes());
    assert_eq!(payload.image_len().get(), 12);
}

#[test]
fn the_commands_of_the_worked_example_print_what_it_says() {
    let (written, _, key) = example();
    let blocks = blocks(EXAMPLE);
    let (_, public) = blocks.iter().find(|(_, text)| text.contains("BEGIN PUBLIC KEY")).unwrap();
    let (_, commands) = blocks.iter().find(|(language, _)| language == "sh").unwrap();
    let (_, said) = blocks.last().unwrap();

    let folder = TempDir::new().unwrap();
    let unverified = Unverified::parse(&written.envelope).unwrap();
    let signature = to_der(unverified.signatures().next().unwrap().bytes());
    fs::write(folder.path().join("envelope"), dumped()).unwrap();
    fs::write(folder.path().join("signature.der"), signature).unwrap();
    fs::write(folder.path().join("example.pub"), public).unwrap();
    let script = format!("set -e; cd '{}'\n{commands}", folder.path().display());
    assert_eq!(tool::run("sh", &["-c", &script]), *said);
    assert!(said.starts_with(&written.digest.to_string()));
    assert!(said.contains(&key.public_key().id().to_string()));
    let der = folder.path().join("key.der");
    let (from, to) = (folder.path().join("example.pub"), der.to_str().unwrap());
    tool::run("openssl", &["pkey", "-pubin", "-in", from.to_str().unwrap(), "-outform", "DER", "-out", to]);
    assert_eq!(PublicKey::from_spki(&fs::read(der).unwrap()), Ok(*key.public_key()));
}

#[test]
fn the_limits_are_those_of_the_code() {
    let size = |size: usize| u64::try_from(size).unwrap();
    let expected = [
        ("ENVELOPE_BYTES", size(limits::ENVELOPE_BYTES)),
        ("SIGNATURES", size(limits::SIGNATURES)),
        ("COMPATIBLES", size(limits::COMPATIBLES)),
        ("PAYLOADS", size(limits::PAYLOADS)),
        ("EXTENSIONS", size(limits::EXTENSIONS)),
        ("EXTENSION_BYTES", size(limits::EXTENSION_BYTES)),
        ("NAME_BYTES", size(limits::NAME_BYTES)),
        ("SALT_BYTES", size(limits::SALT_BYTES)),
        ("LEVELS", size(limits::LEVELS)),
        ("DATA_BLOCKS", limits::DATA_BLOCKS),
        ("ANCHORS", size(limits::ANCHORS)),
        ("SLOTS", size(limits::SLOTS)),
        ("DELTA_RUNS", size(limits::DELTA_RUNS)),
        ("DELTA_REFERENCE_BLOCKS", size(limits::DELTA_REFERENCE_BLOCKS)),
        ("PACK_SUPERSEDES", u64::from(limits::PACK_SUPERSEDES)),
        ("PACK_UNITS", u64::from(limits::PACK_UNITS)),
        ("GPT_ENTRIES", u64::from(limits::GPT_ENTRIES)),
    ];
    let document = document();
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let stated: Vec<(&str, u64)> =
        rows.map(|(name, rest)| (name, rest.split(' ').next().unwrap().parse().unwrap())).collect();
    assert_eq!(stated, expected);
}

/// The variants of an enum in the core's sources: each stands on a line of its own, four spaces in.
fn variants(source: &str, name: &str) -> BTreeSet<String> {
    let (_, body) = source.split_once(&format!("enum {name} {{\n")).expect("the enum has moved");
    let body = body.split("\n}").next().unwrap();
    let starts = body
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|letter: char| letter.is_ascii_uppercase()));
    starts.map(|line| line.chars().take_while(char::is_ascii_alphanumeric).collect()).collect()
}

#[test]
fn every_kind_of_damage_belongs_to_a_rule_of_the_document() {
    let document = document();
    let sources = [
        ("Rule", include_str!("../../../libupdate/src/error/corrupt.rs")),
        ("Incompatible", include_str!("../../../libupdate/src/error/rejected.rs")),
    ];
    for (name, source) in sources {
        let kinds = variants(source, name);
        assert!(kinds.len() >= 3, "{name}: {kinds:?}");
        let missing: Vec<&String> = kinds.iter().filter(|kind| !document.contains(&format!("`{kind}`"))).collect();
        assert!(missing.is_empty(), "docs/FORMAT.md has no rule for {missing:?} of {name}");
    }
}
