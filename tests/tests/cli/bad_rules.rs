//! Every rule that can be broken has a fixture that breaks it, named after it: the kinds of `libupdate::error` against the tests of the
//! `bad_*` and `install_*` files. A kind that no command line and no file can bring about says so here, with the reason.

use std::collections::BTreeSet;
use std::path::Path;

use tests::tree;

/// One enum of kinds, where it stands, and the files whose tests are its fixtures.
struct Kinds {
    name: &'static str,
    source: &'static str,
    fixtures: &'static [&'static str],
    out_of_reach: &'static [(&'static str, &'static str)],
}

const LYING_MEDIUM: &str = "a medium that fails or does not keep what it is given; libupdate's own tests have one";

const KINDS: [Kinds; 4] = [
    Kinds {
        name: "Rule",
        source: "corrupt",
        fixtures: &[
            "bad_envelope",
            "bad_manifest",
            "bad_pack",
            "bad_payload",
            "bad_roles",
            "bad_signature",
            "bad_slot",
            "delta",
            "install_interrupted",
            "reuse",
        ],
        out_of_reach: &[
            ("ManifestTooLong", "the writer's: no manifest that a command line can ask for is that long"),
            ("OldImageUnreadable", LYING_MEDIUM),
            ("TrailerReadBack", LYING_MEDIUM),
            ("TrailerUnreadable", LYING_MEDIUM),
        ],
    },
    Kinds { name: "Incompatible", source: "rejected", fixtures: &["bad_envelope"], out_of_reach: &[] },
    Kinds {
        name: "Rejected",
        source: "rejected",
        fixtures: &["bad_pack", "bad_policy", "delta"],
        out_of_reach: &[("Incompatible", "a class of kinds, which have their own")],
    },
    Kinds {
        name: "TableFault",
        source: "table",
        fixtures: &["bad_table"],
        out_of_reach: &[("Unreadable", LYING_MEDIUM), ("ReadBack", LYING_MEDIUM)],
    },
];

/// The variants of an enum, by the text of its file.
fn variants(source: &str, name: &str) -> BTreeSet<String> {
    let head = format!("enum {name} {{");
    let body = source.split(&head).nth(1).and_then(|rest| rest.split("\n}").next()).expect("the enum is there");
    let first_word = |line: &str| line.chars().take_while(char::is_ascii_alphanumeric).collect::<String>();
    let outer = body.lines().filter_map(|line| line.strip_prefix("    "));
    outer.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase())).map(first_word).collect()
}

/// `NoSuchSlot` as a function is called: `no_such_slot`.
fn snake(name: &str) -> String {
    let letter = |(at, c): (usize, char)| {
        let line = if at > 0 && c.is_ascii_uppercase() { "_" } else { "" };
        format!("{line}{}", c.to_ascii_lowercase())
    };
    name.char_indices().map(letter).collect()
}

fn test_names(files: &[&str]) -> Vec<String> {
    let names = |file: &&str| {
        let text = tree::text(Path::new(&format!("tests/tests/cli/{file}.rs")));
        let heads = text.lines().filter_map(|line| line.strip_prefix("fn ")?.split_once('('));
        heads.map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
    };
    files.iter().flat_map(names).collect()
}

#[test]
fn every_rule_has_a_fixture_named_after_it() {
    for Kinds { name, source, fixtures, out_of_reach } in KINDS {
        let text = tree::text(Path::new(&format!("libupdate/src/error/{source}.rs")));
        let variants = variants(&text, name);
        assert!(variants.len() >= 3, "only {variants:?} in {name}");
        let names = test_names(fixtures);
        for variant in &variants {
            let wanted = snake(variant);
            let has_one = names.iter().any(|name| *name == wanted || name.starts_with(&format!("{wanted}_")));
            let excused = out_of_reach.iter().any(|(kind, _)| kind == variant);
            assert!(has_one || excused, "{name}::{variant} has no fixture `{wanted}` in {fixtures:?}");
            assert!(!(has_one && excused), "{name}::{variant} has a fixture: it is not out of reach");
        }
        let stale: Vec<_> = out_of_reach.iter().filter(|(kind, _)| !variants.contains(*kind)).collect();
        assert!(stale.is_empty(), "{name} has no {stale:?}");
    }
}

/// The superblock's rules are the rows of one table.
#[test]
fn every_rule_of_the_superblock_is_a_row() {
    let text = tree::text(Path::new("libupdate/src/error/superblock.rs"));
    let table = tree::text(Path::new("tests/tests/cli/bad_slot.rs"));
    for variant in variants(&text, "SuperblockFault") {
        // A block of the disk is never too short.
        let row = table.contains(&format!("F::{variant})")) || table.contains(&format!("F::{variant} {{"));
        assert!(row != (variant == "Truncated"), "SuperblockFault::{variant}");
    }
}

#[test]
fn variants_and_names_are_read_as_they_stand() {
    let source = "/// Doc\npub enum Kind {\n    /// One {\n    One,\n    /// Two\n    TwoWords {\n        /// Field\n        Found: u8,\n    },\n    Three(u8),\n}\npub enum Other {\n    No,\n}\n";
    assert_eq!(variants(source, "Kind").into_iter().collect::<Vec<_>>(), ["One", "Three", "TwoWords"]);
    assert_eq!(snake("NoSuchSlot"), "no_such_slot");
    assert_eq!(snake("HighS"), "high_s");
}
