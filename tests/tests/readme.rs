//! The README, carried out. A procedure that nobody runs is not kept, so every fence says what it is:
//!
//! | fence | what it is |
//! |---|---|
//! | `sh` | commands; each block is run by `bash -eu -o pipefail` and must end well |
//! | `console` | a transcript: lines after `$ ` are run, continued by lines after `> `; the other lines are what they print |
//! | `text`, `toml`, `json`, `rust` | not run |
//!
//! The blocks run in the order of the file, in one folder: a copy of the tree, where `target` is kept from run to run, with
//! `target/release` at the front of `PATH` (so that `updater-cli` is the program that `cargo run --release` built). Variables and
//! `cd` do not outlive their block.
//!
//! In the output of a transcript `...` stands for any text in its line, and a line that is only `...` for any lines. A
//! command that fails must be followed by `$ echo $?`, which shows its exit code as a reader would see it.

use std::fmt::Write as _;
use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::markdown::{Fence, fences};
use tests::{tool, tree};

/// Languages of fences that are not run.
const NOT_RUN: [&str; 4] = ["text", "toml", "json", "rust"];
/// Seconds for one block: the first one builds the program.
const BLOCK_SECONDS: &str = "1800";
/// Stands before the exit code of each command in what a transcript's shell prints.
const MARK: char = '\u{1e}';

/// A command of a transcript, and what it prints.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Exchange {
    command: String,
    output: Vec<String>,
}

fn exchanges(fence: &Fence) -> Result<Vec<Exchange>, String> {
    let mut found: Vec<Exchange> = Vec::new();
    for line in fence.body.lines() {
        match (line.strip_prefix("$ "), line.strip_prefix("> "), found.last_mut()) {
            (Some(command), _, _) => found.push(Exchange { command: command.to_owned(), output: Vec::new() }),
            (_, Some(more), Some(last)) if last.output.is_empty() => {
                last.command.push('\n');
                last.command.push_str(more);
            }
            (_, _, Some(last)) => last.output.push(line.to_owned()),
            (_, _, None) => return Err(format!("line {}: output before the first command", fence.line)),
        }
    }
    Ok(found)
}

/// One shell for the whole transcript, so that its commands share variables; the mark tells their outputs apart.
fn transcript_script(exchanges: &[Exchange]) -> String {
    let mut script = String::from("exec 2>&1 </dev/null\nreturn_code() { return \"$1\"; }\n__status=0\n");
    for exchange in exchanges {
        // `$?` of the command before is what the next one sees, as at a prompt.
        let command = &exchange.command;
        writeln!(script, "return_code \"$__status\"\n{command}\n__status=$?; printf '\\036%s\\n' \"$__status\"")
            .unwrap();
    }
    script
}

/// What is wrong with what the commands printed.
fn judge_transcript(exchanges: &[Exchange], printed: &str) -> Result<(), String> {
    let mut parts = printed.split(MARK);
    let mut output = parts.next().unwrap_or_default();
    for (at, exchange) in exchanges.iter().enumerate() {
        let command = &exchange.command;
        let Some((code, rest)) = parts.next().and_then(|part| part.split_once('\n')) else {
            return Err(format!("$ {command}\nended the shell:\n{output}"));
        };
        let told = exchanges.get(at + 1).is_some_and(|next| next.command == "echo $?");
        if code != "0" && !told {
            return Err(format!("$ {command}\nended with {code}, and no `$ echo $?` follows:\n{output}"));
        }
        let lines: Vec<&str> = output.trim_end().lines().map(str::trim_end).collect();
        let wanted: Vec<&str> = exchange.output.iter().map(|line| line.trim_end()).collect();
        let wanted = wanted.strip_suffix(&[""]).unwrap_or(&wanted);
        if !lines_match(wanted, &lines) {
            return Err(format!(
                "$ {command}\nshould print:\n{}\nand prints:\n{}",
                wanted.join("\n"),
                lines.join("\n")
            ));
        }
        output = rest;
    }
    Ok(())
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
    command.args(["--kill-after=10", BLOCK_SECONDS, "bash"]).current_dir(clone);
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

fn run_block(fence: &Fence, clone: &Path) -> Result<(), String> {
    match fence.language.as_str() {
        "sh" => {
            let output = shell(clone).args(["-eu", "-o", "pipefail", "-c", &fence.body]).output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            if output.status.success() {
                Ok(())
            } else {
                Err(format!("{}\nended with {}:\n{said}", fence.body, output.status))
            }
        }
        "console" => {
            let exchanges = exchanges(fence)?;
            let output = shell(clone).args(["-c", &transcript_script(&exchanges)]).output().unwrap();
            judge_transcript(&exchanges, &String::from_utf8_lossy(&output.stdout))
        }
        other if NOT_RUN.contains(&other) => Ok(()),
        other => Err(format!("a fence of language '{other}': see tests/tests/readme.rs")),
    }
}

fn readme() -> String {
    tree::text(Path::new("README.md"))
}

#[test]
fn every_command_of_the_readme_works() {
    let readme = readme();
    let blocks = fences(&readme);
    let run = blocks.iter().filter(|fence| matches!(fence.language.as_str(), "sh" | "console")).count();
    assert!(run >= 2, "the README has only {run} blocks that can be run");
    let clone = scratch_clone();
    for fence in &blocks {
        if let Err(problem) = run_block(fence, &clone) {
            panic!("README.md, line {}:\n{problem}", fence.line);
        }
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

fn console(body: &str) -> Vec<Exchange> {
    exchanges(&Fence { language: "console".to_owned(), line: 1, body: body.to_owned() }).unwrap()
}

/// Runs a transcript here and now.
fn run_console(body: &str) -> Result<(), String> {
    run_block(&Fence { language: "console".to_owned(), line: 1, body: body.to_owned() }, Path::new("/"))
}

#[test]
fn a_transcript_is_read_as_commands_and_their_output() {
    let read = console("$ a \\\n> b\nout\n\n$ c\n");
    assert_eq!(read[0], Exchange { command: "a \\\nb".to_owned(), output: vec!["out".to_owned(), String::new()] });
    assert_eq!(read[1], Exchange { command: "c".to_owned(), output: vec![] });
    assert!(exchanges(&Fence { language: "console".to_owned(), line: 1, body: "out\n$ a\n".to_owned() }).is_err());
}

#[test]
fn a_transcript_that_tells_the_truth_passes() {
    run_console("$ echo one two three\none ... three\n$ x=5\n$ printf '1\\n2\\n3\\n'; echo $x\n1\n...\n5\n").unwrap();
    run_console("$ sh -c 'echo no >&2; exit 4'\nno\n$ echo $?\n4\n").unwrap();
    run_console("$ cat <<EOF\n> text\n> EOF\ntext\n").unwrap();
}

#[test]
fn a_transcript_that_lies_is_caught() {
    assert!(run_console("$ echo one\ntwo\n").unwrap_err().contains("should print"));
    assert!(run_console("$ echo one\none\nand more\n").is_err());
    assert!(run_console("$ echo one\n").is_err());
    assert!(run_console("$ false\n$ echo on\non\n").unwrap_err().contains("ended with 1"));
    assert!(run_console("$ exit 3\n").unwrap_err().contains("ended the shell"));
    assert!(run_console("$ sh -c 'exit 4'\n$ echo $?\n3\n").is_err());
}

#[test]
fn a_block_that_fails_or_that_nobody_would_run_is_caught() {
    let block = |language: &str, body: &str| {
        run_block(&Fence { language: language.to_owned(), line: 1, body: body.to_owned() }, Path::new("/"))
    };
    block("sh", "true\n").unwrap();
    block("text", "no command\n").unwrap();
    assert!(block("sh", "false\ntrue\n").is_err());
    assert!(block("sh", "false | true\n").is_err());
    assert!(block("sh", "echo \"$unset\"\n").is_err());
    assert!(block("bash", "true\n").is_err());
    assert!(block("", "true\n").is_err());
}

#[test]
fn wildcards_stand_for_any_text_and_any_lines() {
    assert!(line_matches("a ... d", "a b c d") && line_matches("...", "x") && line_matches("a...b...c", "a1b2b3c"));
    assert!(!line_matches("a ... d", "a b c") && !line_matches("a", "a b"));
    assert!(lines_match(&["a", "...", "z"], &["a", "b", "c", "z"]) && lines_match(&["..."], &[]));
    assert!(!lines_match(&["a", "...", "z"], &["a", "b"]) && !lines_match(&["a"], &["a", "b"]));
}
