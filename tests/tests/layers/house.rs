//! The house style where clippy cannot hold it (lints of Cargo.toml, thresholds of .clippy.toml). Each rule is a pure function from
//! text to findings, is held against the whole tree, and is shown a fixture that it must catch.
//!
//! | rule | bound |
//! |---|---|
//! | production lines of a Rust file, up to its `#[cfg(test)]` module | 400 |
//! | `lib.rs` | a map: no `fn`, no `impl` |
//! | file names | no `utils.rs`, `common.rs`, `types.rs` and the like |
//! | binary files | 64 KiB |
//! | top of the tree | [`TOP`] and dotfiles |

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tests::tree;

/// Production lines of a file, at most.
const FILE_LINES: usize = 400;
/// Bytes of a file that is no text, at most.
const BINARY_BYTES: usize = 64 * 1024;

/// What stands at the top of the tree.
const TOP: [&str; 13] = [
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "docs",
    "fuzz",
    "hardware-profiles",
    "initramfs-hook",
    "libupdate",
    "tests",
    "updater-cli",
];

/// File names that say nothing.
const EMPTY_NAMES: [&str; 8] =
    ["utils.rs", "util.rs", "common.rs", "types.rs", "helpers.rs", "helper.rs", "misc.rs", "prelude.rs"];

fn production_lines(source: &str) -> usize {
    let lines: Vec<&str> = source.lines().collect();
    let test_module =
        |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{');
    lines.windows(2).position(test_module).unwrap_or(lines.len())
}

fn long_file(source: &str) -> Option<String> {
    let lines = production_lines(source);
    (lines > FILE_LINES).then(|| format!("{lines} production lines, over {FILE_LINES}"))
}

fn rooms_in_the_map(lib_rs: &str) -> Vec<String> {
    let is_room = |line: &str| line.split(['(', '<', ' ']).any(|word| word == "fn" || word == "impl");
    let lines = (1..).zip(lib_rs.lines().map(|line| line.split("//").next().unwrap_or_default().trim()));
    lines.filter(|(_, line)| is_room(line)).map(|(number, line)| format!("line {number}: `{line}` in lib.rs")).collect()
}

fn empty_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    EMPTY_NAMES.contains(&name).then(|| format!("{name} does not say what it holds"))
}

fn large_binary(bytes: &[u8]) -> Option<String> {
    let binary = bytes.contains(&0) || std::str::from_utf8(bytes).is_err();
    (binary && bytes.len() > BINARY_BYTES)
        .then(|| format!("a binary file of {} bytes, over {BINARY_BYTES}", bytes.len()))
}

fn strangers_at_the_top(files: &[PathBuf]) -> BTreeSet<String> {
    let first = files.iter().filter_map(|file| file.iter().next()?.to_str());
    first.filter(|name| !name.starts_with('.') && !TOP.contains(name)).map(str::to_owned).collect()
}

/// Holds one rule against every Rust file.
fn judge_sources(rule: impl Fn(&Path, &str) -> Vec<String>) {
    let sources = tree::texts("rs");
    assert!(sources.len() >= 20, "only {} Rust files: the test reads the wrong folder", sources.len());
    let judge = |(path, source): &(PathBuf, String)| {
        let findings = rule(path, source);
        findings.into_iter().map(|finding| format!("{}: {finding}", path.display())).collect::<Vec<_>>()
    };
    let findings: Vec<String> = sources.iter().flat_map(judge).collect();
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn files_are_short() {
    judge_sources(|_, source| long_file(source).into_iter().collect());
}

#[test]
fn lib_rs_is_a_map() {
    judge_sources(|path, source| if path.ends_with("src/lib.rs") { rooms_in_the_map(source) } else { Vec::new() });
}

#[test]
fn names_say_something() {
    judge_sources(|path, _| empty_name(path).into_iter().collect());
}

#[test]
fn binary_files_are_small() {
    let read = |file: &PathBuf| std::fs::read(tree::root().join(file)).expect("a listed file can be read");
    let judge = |file: &PathBuf| large_binary(&read(file)).map(|finding| format!("{}: {finding}", file.display()));
    let findings: Vec<String> = tree::files().iter().filter_map(judge).collect();
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn the_top_of_the_tree_is_fixed() {
    let strangers = strangers_at_the_top(&tree::files());
    assert!(strangers.is_empty(), "{strangers:?}: see TOP in tests/tests/layers/house.rs");
}

#[test]
fn a_long_file_is_caught_and_its_tests_do_not_count() {
    let full = "// line\n".repeat(FILE_LINES);
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "// line\n".repeat(500));
    assert_eq!(long_file(&format!("{full}{tests}")), None);
    // A module that only tests use is declared in the middle of a file: what follows it is production all the same.
    let over = format!("#[cfg(test)]\nmod ram_disk;\n{full}{tests}");
    assert_eq!(long_file(&over), Some(format!("{} production lines, over {FILE_LINES}", FILE_LINES + 2)));
}

#[test]
fn a_room_in_the_map_is_caught() {
    assert_eq!(rooms_in_the_map("//! fn impl\n#![no_std]\npub mod a; // impl\npub use a::A;\n"), [""; 0]);
    assert_eq!(rooms_in_the_map("pub mod a;\npub const fn f() {}\n"), ["line 2: `pub const fn f() {}` in lib.rs"]);
    assert_eq!(rooms_in_the_map("mod a {\n    impl<T> B<T> {}\n}"), ["line 2: `impl<T> B<T> {}` in lib.rs"]);
}

#[test]
fn an_empty_name_is_caught() {
    for name in EMPTY_NAMES {
        assert!(empty_name(&Path::new("libupdate/src").join(name)).is_some());
    }
    assert_eq!(empty_name(Path::new("libupdate/src/types_of_disk.rs")), None);
}

#[test]
fn a_large_binary_is_caught_and_a_large_text_is_not() {
    assert_eq!(large_binary(&vec![0; BINARY_BYTES]), None);
    assert!(large_binary(&vec![0; BINARY_BYTES + 1]).is_some());
    assert!(large_binary(&vec![0xff; BINARY_BYTES + 1]).is_some());
    assert_eq!(large_binary(&vec![b'a'; BINARY_BYTES + 1]), None);
}

#[test]
fn a_stranger_at_the_top_is_caught() {
    let files = ["Cargo.toml", ".gitignore", ".ci/run", "docs/FORMAT.md", "notes.txt", "scripts/x"].map(PathBuf::from);
    assert_eq!(strangers_at_the_top(&files), BTreeSet::from(["notes.txt".to_owned(), "scripts".to_owned()]));
}
