//! One run of `updater-cli`: its words, its document, its lines of progress. What else it says goes to the service's own stderr, which is
//! the journal.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::document::{Failed, Progress};
use crate::fault::Fault;

/// The program, and the options of every run.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its path.
    pub path: PathBuf,
    /// Which device, which keys.
    pub options: Vec<OsString>,
}

/// Who hears of a run that takes long.
pub trait Watcher {
    /// It has started, as this process.
    fn started(&mut self, process: u32);
    /// It has said how far it is; `line` has all of it.
    fn progress(&mut self, told: &Progress, line: &str);
}

/// Nobody: for runs that end at once.
struct Nobody;

impl Watcher for Nobody {
    fn started(&mut self, _: u32) {}
    fn progress(&mut self, _: &Progress, _: &str) {}
}

impl Program {
    /// Runs a verb to its end, and gives its document.
    ///
    /// # Errors
    /// What the document says of a failure; [`Fault::program`] if there is none.
    pub fn run(&self, words: &[String]) -> Result<String, Fault> {
        self.watched(words, &mut Nobody)
    }

    /// The same as [`Program::run`], with somebody who hears how far it is.
    pub fn watched(&self, words: &[String], watcher: &mut dyn Watcher) -> Result<String, Fault> {
        let failed = |error: std::io::Error| {
            Fault::program(format!("{} cannot be run: {error}; next: is it installed?", self.path.display()))
        };
        let mut child = self.start(words).map_err(failed)?;
        watcher.started(child.id());
        let document = listen(&mut child, watcher);
        let status = child.wait().map_err(failed)?;
        judge(status, document)
    }

    fn start(&self, words: &[String]) -> std::io::Result<Child> {
        Command::new(&self.path)
            .args(["--json", "--progress", "json"])
            .args(&self.options)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }
}

/// Reads a document.
///
/// # Errors
/// It lacks what is needed of it.
pub fn read<T: DeserializeOwned>(document: &str) -> Result<T, Fault> {
    serde_json::from_str(document)
        .map_err(|error| Fault::program(format!("the answer of updater-cli is not understood: {error}")))
}

/// Reads both pipes at once: a program that waits for one of them to be read would fill the other.
fn listen(child: &mut Child, watcher: &mut dyn Watcher) -> String {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        let document = scope.spawn(move || {
            let mut document = Vec::new();
            // What a pipe that breaks has brought is judged as any document is.
            stdout.map(|mut pipe| pipe.read_to_end(&mut document).unwrap_or(0));
            String::from_utf8_lossy(&document).into_owned()
        });
        for line in stderr.map(BufReader::new).into_iter().flat_map(lines) {
            match serde_json::from_str::<Progress>(&line) {
                Ok(told) => watcher.progress(&told, &line),
                Err(_) => eprintln!("{line}"),
            }
        }
        document.join().unwrap_or_default()
    })
}

fn lines(mut pipe: BufReader<impl Read>) -> impl Iterator<Item = String> {
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        let some = pipe.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0);
        some.then(|| String::from_utf8_lossy(&line).trim_end().to_owned())
    })
}

/// Only a document counts: `doctor` has one although it ends with 12, and a program that dies has none.
fn judge(status: ExitStatus, document: String) -> Result<String, Fault> {
    #[derive(Deserialize)]
    struct Any {
        #[serde(rename = "schema")]
        _schema: u32,
    }
    if let Ok(failed) = serde_json::from_str::<Failed>(&document) {
        return Err(Fault::told(&failed.error));
    }
    let complete = serde_json::from_str::<Any>(&document).is_ok();
    if complete && matches!(status.code(), Some(0 | UNFIT)) {
        return Ok(document.trim_end().to_owned());
    }
    Err(Fault::program(format!(
        "updater-cli ended without an answer ({status}); next: read the journal, and call again"
    )))
}

/// The exit code of a `doctor` that found something.
const UNFIT: i32 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<String, Fault> {
        let mut command = Command::new("sh");
        let command = command.args(["-c", script]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("there is a shell");
        let document = listen(&mut child, &mut Nobody);
        judge(child.wait().expect("it ends"), document)
    }

    #[test]
    fn a_document_is_the_answer_and_nothing_else_is() {
        assert_eq!(shell("echo '{\"schema\":1}'").as_deref(), Ok("{\"schema\":1}"));
        assert_eq!(shell("echo '{\"schema\":1}'; exit 12").as_deref(), Ok("{\"schema\":1}"));
        let no_answer = |script: &str| {
            let text = shell(script).expect_err("it has no answer").to_string();
            assert!(text.starts_with("updater-cli ended without an answer"), "{text}");
        };
        no_answer("exit 0");
        no_answer("echo '{\"schema\":1}'; kill -9 $$");
        no_answer("echo '{\"schema\":1}'; exit 101");
        no_answer("echo '{\"schema\":1'");
        no_answer("printf '\\377\\376'");
    }

    #[test]
    fn a_program_that_fills_both_pipes_does_not_hang() {
        let fill = "head -c 300000 /dev/zero | tr '\\0' '\\n' >&2; printf '{\"schema\":1,\"x\":\"'; head -c 300000 /dev/zero | tr '\\0' x; echo '\"}'";
        assert_eq!(shell(fill).map(|document| document.len()), Ok(300_019));
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let program = Program { path: PathBuf::from("/no/such/program"), options: vec![] };
        let text = program.run(&[]).expect_err("it is not there").to_string();
        assert!(text.starts_with("/no/such/program cannot be run"), "{text}");
    }
}
