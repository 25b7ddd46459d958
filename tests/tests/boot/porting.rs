//! `docs/PORTING.md`, carried out: its commands bring a board up from nothing to a boot, an update and a fall back, and the tests that it
//! names exist.

use std::path::Path;
use std::process::Command;

use tests::cli;
use tests::markdown::fences;
use tests::{tool, tree};

fn porting() -> String {
    tree::text(Path::new("docs/PORTING.md"))
}

#[test]
fn every_command_works() {
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let script = folder.path().join("script");
    let blocks: Vec<_> = fences(&porting()).into_iter().filter(|fence| fence.language == "sh").collect();
    assert!(blocks.len() >= 7, "only {} blocks: the test reads another document", blocks.len());
    let commands: String = blocks.iter().map(|fence| fence.body.as_str()).collect();
    std::fs::write(&script, format!("set -euxo pipefail\n{commands}\n")).expect("the folder can be written");
    let programs = cli::binary().parent().expect("it is in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let done = Command::new("bash")
        .arg(&script)
        .current_dir(tree::root())
        .env("PATH", format!("{}:{path}:{}", programs.display(), tool::SYSTEM_FOLDERS))
        .env("TMPDIR", folder.path())
        .output()
        .expect("bash can be run");
    let [said, told] = [&done.stdout, &done.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(done.status.success(), "docs/PORTING.md: {}\n{said}\n{told}", done.status);
}

#[test]
fn the_tests_that_it_names_exist() {
    let text = porting();
    let (_, table) = text.split_once("| in qemu |").expect("the last table has a column of tests");
    let names: Vec<&str> = table.split('`').skip(1).step_by(2).filter(|word| word.starts_with("a_")).collect();
    assert!(names.len() >= 3, "{names:?}");
    let tests: String = ["disk", "fallback"]
        .map(|file| tree::text(Path::new("tests/tests/boot").join(format!("{file}.rs")).as_path()))
        .concat();
    for name in names {
        assert!(tests.contains(&format!("fn {name}(")), "there is no test {name}");
    }
}
