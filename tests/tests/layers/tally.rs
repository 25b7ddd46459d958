//! `tests/run` counts right: what looks like success and is none must fail. A fake cargo plays each case.

use std::path::{Path, PathBuf};
use std::process::Command;

use tests::tree;

/// How a shell ended, and what it said.
struct Ended {
    code: Option<i32>,
    said: String,
}

fn bash(script: &str) -> Ended {
    let output =
        Command::new("bash").args(["-euo", "pipefail", "-c", script]).current_dir(tree::root()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    Ended { code: output.status.code(), said: said.into_owned() }
}

/// A run of one part whose cargo prints `log` and ends with `code`; gives its last line and its exit code.
fn run_with_cargo(log: &str, code: i32) -> (String, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("log"), log).unwrap();
    let script = format!(
        "LOGS={0}; . tests/shell/tally.sh; cargo() {{ cat {0}/log; return {code}; }}\n\
         begin_tally; begin_part layers; cargo_tests title; end_part; end_tally",
        folder.path().display()
    );
    let ended = bash(&script);
    (ended.said.lines().last().unwrap_or_default().to_owned(), ended.code)
}

const BEGIN: &str = "     Running tests/a.rs (target/debug/deps/a-1)\n";

fn result(passed: u32, failed: u32, ignored: u32) -> String {
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    format!("test result: {verdict}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured; 0 filtered out\n")
}

fn line(passed: u32, failed: u32) -> String {
    format!("{passed} passed, {failed} failed")
}

#[test]
fn tests_are_summed_over_binaries() {
    let log = [BEGIN, &result(3, 0, 0), "   Doc-tests libupdate\n", &result(2, 0, 0), &result(1, 0, 0)].concat();
    assert_eq!(run_with_cargo(&log, 0), (line(6, 0), Some(0)));
}

#[test]
fn a_failed_test_fails_the_run() {
    assert_eq!(run_with_cargo(&[BEGIN, &result(3, 2, 0)].concat(), 101), (line(3, 2), Some(1)));
}

#[test]
fn an_ignored_test_fails_the_run() {
    assert_eq!(run_with_cargo(&[BEGIN, &result(3, 0, 1)].concat(), 0), (line(3, 1), Some(1)));
}

#[test]
fn a_binary_that_dies_without_a_result_fails_the_run() {
    let died_first = [BEGIN, BEGIN, &result(3, 0, 0), &result(2, 0, 0)].concat();
    assert_eq!(run_with_cargo(&died_first, 101), (line(5, 1), Some(1)));
    assert_eq!(run_with_cargo(&[BEGIN, &result(3, 0, 0), BEGIN].concat(), 101), (line(3, 1), Some(1)));
}

#[test]
fn an_error_of_the_build_fails_the_run() {
    assert_eq!(run_with_cargo("error[E0425]: cannot find\n", 101), (line(0, 1), Some(1)));
    assert_eq!(run_with_cargo(&[BEGIN, &result(3, 0, 0)].concat(), 101), (line(3, 1), Some(1)));
}

#[test]
fn a_run_without_a_test_fails() {
    assert_eq!(run_with_cargo("", 0), (line(0, 1), Some(1)));
    assert_eq!(run_with_cargo(&[BEGIN, &result(0, 0, 0)].concat(), 0), (line(0, 1), Some(1)));
}

#[test]
fn a_part_that_checks_nothing_or_dies_fails() {
    let part = |body: &str| {
        let script = format!(
            "LOGS=$(mktemp -d); . tests/shell/tally.sh; begin_tally; begin_part layers; {body}; end_part; end_tally"
        );
        bash(&script)
    };
    assert_eq!(part("check one true; check two true").said.lines().last(), Some("2 passed, 0 failed"));
    assert_eq!(part("check one false; check two true").said.lines().last(), Some("1 passed, 1 failed"));
    let nothing = part("true");
    assert_eq!((nothing.said.lines().last(), nothing.code), (Some("0 passed, 1 failed"), Some(1)));
}

/// What times.awk makes of stamped lines, with as many tests at once.
fn seconds(threads: u32, lines: &str) -> Vec<String> {
    let shown =
        bash(&format!("printf '{lines}' | awk -v part=cli -v threads={threads} -f tests/shell/times.awk | sort -k4"));
    shown.said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn a_test_lasts_from_the_end_of_the_one_that_made_room_for_it() {
    let two_at_once = "10.0 running 3 tests\\n11.0 test b ... ok\\n12.5 test a ... ok\\n14.0 test c ... FAILED\\n";
    assert_eq!(seconds(2, two_at_once), ["2.5 s cli a", "1.0 s cli b", "3.0 s cli c"]);
    let two_programs = "10.0 running 1 test\\n11.0 test a ... ok\\n20.0 running 1 test\\n22.0 test b ... ok\\n";
    assert_eq!(seconds(1, two_programs), ["1.0 s cli a", "2.0 s cli b"]);
    let verdict_after_words = "10.0 running 1 test\\n10.1 test a ... result: 1\\n13.0 ok\\n";
    assert_eq!(seconds(1, verdict_after_words), ["3.0 s cli a"]);
}

#[test]
fn a_run_ends_with_its_slowest_tests() {
    let log = format!("{BEGIN}running 2 tests\ntest quick ... ok\ntest last ... ok\n{}", result(2, 0, 0));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("log"), log).unwrap();
    let shown = bash(&format!(
        "LOGS={0}; . tests/shell/tally.sh; cargo() {{ cat {0}/log; }}\n\
         begin_tally; begin_part layers; cargo_tests title; end_part; end_tally",
        folder.path().display()
    ));
    assert!(shown.said.contains("the slowest tests\n"), "{}", shown.said);
    assert!(
        ["quick", "last"].iter().all(|name| shown.said.contains(&format!("s  layers  {name}\n"))),
        "{}",
        shown.said
    );
}

#[test]
fn results_are_shown_and_failures_show_the_log() {
    let shown =
        bash("LOGS=$(mktemp -d); . tests/shell/tally.sh; begin_tally; PART=x; check one echo 'result: 5 bytes'");
    assert!(shown.said.contains("          5 bytes"), "{}", shown.said);
    let failed = bash("LOGS=$(mktemp -d); . tests/shell/tally.sh; begin_tally; PART=x; check one ls /no/such/file");
    assert!(failed.said.contains("/no/such/file"), "{}", failed.said);
}

#[test]
fn every_part_is_listed_and_has_its_file() {
    let listed = bash("tests/run --list");
    assert_eq!(listed.code, Some(0));
    let names: Vec<&str> = listed.said.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let mut files: Vec<String> =
        std::fs::read_dir(tree::root().join("tests/parts")).unwrap().map(|file| stem(&file.unwrap().path())).collect();
    files.sort();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, files);
    assert!(listed.said.lines().all(|line| line.split_whitespace().count() > 2), "{}", listed.said);
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

#[test]
fn an_unknown_part_is_refused() {
    let ended = bash("tests/run no-such-part");
    assert_eq!(ended.code, Some(2));
    assert!(ended.said.contains("no part 'no-such-part'"), "{}", ended.said);
}

/// One test program a part, of the same name: a folder of tests/tests with a `main.rs`.
#[test]
fn every_test_program_is_run_by_the_part_of_its_name() {
    let entries = std::fs::read_dir(tree::root().join("tests/tests")).unwrap().map(|entry| entry.unwrap().path());
    let programs: Vec<String> = entries.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    for program in &programs {
        let part = tree::text(Path::new(&format!("tests/parts/{program}.sh")));
        assert!(part.contains(&format!(" --test {program}")), "tests/parts/{program}.sh does not run it");
    }
    assert!(programs.len() > 5, "{programs:?}");
}

/// A module that nobody names is never compiled.
#[test]
fn every_module_of_a_test_program_is_named() {
    let files = tree::files();
    let is_module = |file: &&PathBuf| file.starts_with("tests/tests") && !file.ends_with("main.rs");
    let modules: Vec<_> = files.iter().filter(is_module).collect();
    for module in &modules {
        let folder = module.parent().unwrap();
        let namer = if folder.components().count() == 3 { folder.join("main.rs") } else { folder.with_extension("rs") };
        let named = tree::text(&namer).contains(&format!("mod {};", stem(module)));
        assert!(named, "{} is not compiled", module.display());
    }
    assert!(modules.len() > 50, "{modules:?}");
}
