//! The README, carried out. A procedure that nobody runs is not kept, so every fence says what it is:
//!
//! | fence | what it is |
//! |---|---|
//! | `sh` | commands, each of which must end well |
//! | `console` | a transcript: lines after `$ ` are run, continued by lines after `> `; the other lines are what they print |
//! | `text`, `toml`, `json`, `rust` | not run |
//!
//! All blocks run in the order of the file, in one shell, as a reader would have them: variables, aliases and `cd` stay. The folder
//! is a copy of the tree, where `target` is kept from run to run, with `target/release` at the front of `PATH` (so that
//! `updater-cli` is the program that `cargo run --release` built).
//!
//! In the output of a transcript `...` stands for any text in its line, and a line that is only `...` for any lines. A
//! command that fails must be followed by `$ echo $?`, which shows its exit code as a reader would see it.

use std::fmt::Write as _;
use std::fs::{self, File, FileTimes};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::markdown::{Fence, fences};
use tests::{tool, tree};

/// Languages of fences that are not run.
const NOT_RUN: [&str; 4] = ["text", "toml", "json", "rust"];
/// Seconds for all of it: the first command builds the program.
const SECONDS: &str = "1800";
/// Stands before the exit code of each command in what a transcript's shell prints.
const MARK: char = '\u{1e}';

/// A command, or a block of them, and what it prints.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Step {
    line: usize,
    command: String,
    prints: Prints,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Prints {
    /// Nobody says: a block of `sh`, each command of which must end well.
    Anything,
    /// These lines, where `...` is a wildcard.
    Lines(Vec<String>),
}

/// What is to be done for one block.
fn steps(fence: &Fence) -> Result<Vec<Step>, String> {
    match fence.language.as_str() {
        "sh" => Ok(vec![Step { line: fence.line, command: fence.body.clone(), prints: Prints::Anything }]),
        "console" => transcript(fence),
        other if NOT_RUN.contains(&other) => Ok(Vec::new()),
        other => Err(format!("line {}: a fence of language '{other}': see tests/tests/docs/readme.rs", fence.line)),
    }
}

fn transcript(fence: &Fence) -> Result<Vec<Step>, String> {
    let mut found: Vec<Step> = Vec::new();
    for (text, line) in fence.body.lines().zip(fence.line + 1..) {
        if let Some(command) = text.strip_prefix("$ ") {
            found.push(Step { line, command: command.to_owned(), prints: Prints::Lines(Vec::new()) });
            continue;
        }
        let Some(Step { command, prints: Prints::Lines(lines), .. }) = found.last_mut() else {
            return Err(format!("line {line}: output before the first command"));
        };
        match text.strip_prefix("> ") {
            Some(more) if lines.is_empty() => *command = format!("{command}\n{more}"),
            _ => lines.push(text.to_owned()),
        }
    }
    Ok(found)
}

/// One script of all steps; the mark and the exit code stand behind what each of them printed.
fn script(steps: &[Step]) -> String {
    let mut script = String::from("exec 2>&1 </dev/null\nreturn_code() { return \"$1\"; }\n__status=0\n");
    for Step { command, prints, .. } in steps {
        match prints {
            Prints::Anything => writeln!(script, "set -eu -o pipefail\n{command}\n__status=0; set +eu +o pipefail"),
            // `$?` of the command before is what the next one sees, as at a prompt.
            Prints::Lines(_) => writeln!(script, "return_code \"$__status\"\n{command}\n__status=$?"),
        }
        .unwrap();
        script.push_str("printf '\\036%s\\n' \"$__status\"\n");
    }
    script
}

/// What is wrong with what the steps printed.
fn judge(steps: &[Step], printed: &str) -> Result<(), String> {
    let mut parts = printed.split(MARK);
    let mut output = parts.next().unwrap_or_default();
    for (at, step) in steps.iter().enumerate() {
        let place = format!("line {}:\n$ {}", step.line, step.command.trim_end());
        let Some((code, rest)) = parts.next().and_then(|part| part.split_once('\n')) else {
            return Err(format!("{place}\nended the shell:\n{output}"));
        };
        let told = steps.get(at + 1).is_some_and(|next| next.command == "echo $?");
        if code != "0" && !told {
            return Err(format!("{place}\nended with {code}, and no `$ echo $?` follows:\n{output}"));
        }
        judge_output(step, output).map_err(|problem| format!("{place}\n{problem}"))?;
        output = rest;
    }
    Ok(())
}

fn judge_output(step: &Step, output: &str) -> Result<(), String> {
    let Prints::Lines(wanted) = &step.prints else { return Ok(()) };
    let lines: Vec<&str> = output.trim_end().lines().map(str::trim_end).collect();
    let wanted: Vec<&str> = wanted.iter().map(|line| line.trim_end()).collect();
    let wanted = wanted.strip_suffix(&[""]).unwrap_or(&wanted);
    if lines_match(wanted, &lines) {
        return Ok(());
    }
    Err(format!("should print:\n{}\nand prints:\n{}", wanted.join("\n"), lines.join("\n")))
}

fn lines_match(wanted: &[&str], lines: &[&str]) -> bool {
    match wanted.split_first() {
        None => lines.is_empty(),
        Some((&"...", rest)) => (0..=lines.len()).any(|skipped| lines_match(rest, &lines[skipped..])),
        Some((first, rest)) => {
            lines.split_first().is_some_and(|(line, left)| line_matches(first, line) && lines_match(rest, left))
        }
    }
}

fn line_matches(wanted: &str, line: &str) -> bool {
    match wanted.split_once("...") {
        None => wanted == line,
        Some((head, tail)) => line.strip_prefix(head).is_some_and(|rest| {
            let starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            starts.into_iter().any(|at| line_matches(tail, &rest[at..]))
        }),
    }
}

/// The folder that the commands run in: what a clone would hold, with the times of the files, so that cargo builds only what
/// changed since the last run.
fn scratch_clone() -> PathBuf {
    let room = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme");
    let clone = room.join("clone");
    if clone.exists() {
        fs::remove_dir_all(&clone).unwrap();
    }
    for file in tree::files() {
        let (from, to) = (tree::root().join(&file), clone.join(&file));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&from, &to).unwrap();
        let modified = fs::metadata(&from).unwrap().modified().unwrap();
        File::options().append(true).open(&to).unwrap().set_times(FileTimes::new().set_modified(modified)).unwrap();
    }
    fs::create_dir_all(room.join("target")).unwrap();
    std::os::unix::fs::symlink("../target", clone.join("target")).unwrap();
    clone
}

/// A shell as a reader has it: nothing of the cargo that runs this test.
fn shell(clone: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=10", SECONDS, "bash"]).current_dir(clone);
    for (name, _) in std::env::vars_os() {
        let of_cargo = name.to_str().is_some_and(|name| name.starts_with("CARGO") && name != "CARGO_HOME");
        if of_cargo || name == "RUST_RECURSION_COUNT" || name == "LD_LIBRARY_PATH" {
            command.env_remove(name);
        }
    }
    let built = clone.join("target/release");
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .env("PATH", format!("{}:{path}:{}", built.display(), tool::SYSTEM_FOLDERS))
        .env("LC_ALL", "C.UTF-8")
        .env("NO_COLOR", "1")
        // `tests/run` in the README: it is what runs this test, so it only checks its arguments here.
        .env("TESTS_RUN_INSIDE", "1");
    command
}

/// Carries out the blocks in `folder`.
fn run(blocks: &[Fence], folder: &Path) -> Result<(), String> {
    let steps = blocks.iter().map(steps).collect::<Result<Vec<_>, _>>()?.concat();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(script(&steps).as_bytes()).unwrap();
    let output = shell(folder).arg(file.path()).output().unwrap();
    judge(&steps, &String::from_utf8_lossy(&output.stdout))
}

fn readme() -> String {
    tree::text(Path::new("README.md"))
}

#[test]
fn every_command_of_the_readme_works() {
    let readme = readme();
    let blocks = fences(&readme);
    let runnable = blocks.iter().filter(|fence| matches!(fence.language.as_str(), "sh" | "console")).count();
    assert!(runnable >= 2, "the README has only {runnable} blocks that can be run");
    if let Err(problem) = run(&blocks, &scratch_clone()) {
        panic!("README.md, {problem}");
    }
}

#[test]
fn the_first_commands_are_the_demo_and_the_tests_and_ci_runs_the_same() {
    let readme = readme();
    let commands: Vec<String> = fences(&readme).iter().take(2).map(|fence| fence.body.trim().to_owned()).collect();
    assert_eq!(commands, ["cargo run --release -p updater-cli -- demo", "tests/run"]);
    let ci = tree::text(Path::new(".ci/run"));
    assert_eq!(ci.lines().last(), Some("cd \"$(dirname \"${BASH_SOURCE[0]}\")/..\" && exec tests/run"));
}

#[test]
fn every_folder_has_its_sentence() {
    let readme = readme();
    let folders = tree::files().into_iter().filter(|file| file.iter().count() > 1);
    let mut names: Vec<String> = folders.filter_map(|file| Some(file.iter().next()?.to_str()?.to_owned())).collect();
    names.dedup();
    names.retain(|name| !name.starts_with('.') && !readme.contains(&format!("- `{name}/`: ")));
    assert_eq!(names, [""; 0], "folders that README.md does not explain");
}

fn fence(language: &str, body: &str) -> Fence {
    Fence { language: language.to_owned(), line: 1, body: body.to_owned() }
}

/// Runs blocks here and now.
fn try_out(blocks: &[(&str, &str)]) -> Result<(), String> {
    let fences: Vec<Fence> = blocks.iter().map(|(language, body)| fence(language, body)).collect();
    run(&fences, Path::new("/"))
}

#[test]
fn a_transcript_is_read_as_commands_and_their_output() {
    let read = steps(&fence("console", "$ a \\\n> b\nout\n\n$ c\n")).unwrap();
    let lines = |lines: &[&str]| Prints::Lines(lines.iter().map(|line| (*line).to_owned()).collect());
    assert_eq!(read[0], Step { line: 2, command: "a \\\nb".to_owned(), prints: lines(&["out", ""]) });
    assert_eq!(read[1], Step { line: 6, command: "c".to_owned(), prints: lines(&[]) });
    assert!(steps(&fence("console", "out\n$ a\n")).is_err());
}

#[test]
fn a_transcript_that_tells_the_truth_passes() {
    let transcript = |body| try_out(&[("console", body)]);
    transcript("$ echo one two three\none ... three\n$ x=5\n$ printf '1\\n2\\n3\\n'; echo $x\n1\n...\n5\n").unwrap();
    transcript("$ sh -c 'echo no >&2; exit 4'\nno\n$ echo $?\n4\n").unwrap();
    transcript("$ cat <<EOF\n> text\n> EOF\ntext\n").unwrap();
}

#[test]
fn a_transcript_that_lies_is_caught() {
    let problem = |body| try_out(&[("console", body)]).unwrap_err();
    assert!(problem("$ echo one\ntwo\n").contains("should print"));
    assert!(problem("$ echo one\none\nand more\n").contains("should print"));
    assert!(problem("$ echo one\n").contains("should print"));
    assert!(problem("$ false\n$ echo on\non\n").contains("ended with 1"));
    assert!(problem("$ exit 3\n").contains("ended the shell"));
    assert!(problem("$ sh -c 'exit 4'\n$ echo $?\n3\n").contains("should print"));
}

#[test]
fn blocks_share_one_shell() {
    let blocks =
        [("sh", "x=5\n"), ("text", "x=6\n"), ("console", "$ shopt -s expand_aliases; alias say=echo\n$ say $x\n5\n")];
    try_out(&[&blocks[..], &[("console", "$ say on\non\n")]].concat()).unwrap();
}

#[test]
fn a_block_that_fails_or_that_nobody_would_run_is_caught() {
    try_out(&[("sh", "true\n"), ("text", "no command\n")]).unwrap();
    assert!(try_out(&[("sh", "false\ntrue\n")]).unwrap_err().contains("ended the shell"));
    assert!(try_out(&[("sh", "false | true\n")]).is_err());
    assert!(try_out(&[("sh", "echo \"$unset\"\n")]).is_err());
    assert!(try_out(&[("bash", "true\n")]).unwrap_err().contains("language 'bash'"));
    assert!(try_out(&[("", "true\n")]).is_err());
}

#[test]
fn wildcards_stand_for_any_text_and_any_lines() {
    assert!(line_matches("a ... d", "a b c d") && line_matches("...", "x") && line_matches("a...b...c", "a1b2b3c"));
    assert!(!line_matches("a ... d", "a b c") && !line_matches("a", "a b"));
    assert!(lines_match(&["a", "...", "z"], &["a", "b", "c", "z"]) && lines_match(&["..."], &[]));
    assert!(!lines_match(&["a", "...", "z"], &["a", "b"]) && !lines_match(&["a"], &["a", "b"]));
}
