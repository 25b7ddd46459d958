//! Watches a guest: shows the lines that tell of its boots, keeps all of them, and judges them.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::console;
use super::guest::{Fault, Guest};
use super::pieces::QEMU;
use super::qemu::{self, Accelerator};
use crate::exit::{Exit, Failure};
use crate::new_file::unwritable;
use crate::output::Printable;
use crate::verb::demo::stage::Stage;
use crate::verb::demo::story::write;

/// Where all lines are kept.
const KEPT: &str = "console.log";
/// Starts the machine once more.
pub const SCRIPT: &str = "boot.sh";

/// A run of the machine.
#[derive(Serialize, Default, Debug)]
pub struct Watched {
    /// The command line of qemu.
    pub qemu: String,
    /// What the console said of the boots.
    pub console: Vec<String>,
    /// All that it said.
    #[serde(skip)]
    pub all: Vec<String>,
}

/// Runs the machine with the first accelerator that starts a guest, which is the answer.
pub fn first(stage: &mut Stage<'_>, kernel: &Path, wanted: &[String]) -> Result<Accelerator, Failure> {
    let mut to_try = Accelerator::to_try().into_iter().peekable();
    while let Some(accelerator) = to_try.next() {
        let (watched, answer) = run(stage, accelerator, kernel)?;
        let started = console::has_begun(&watched.console) || matches!(answer, Err(Fault::Interrupted));
        if started || to_try.peek().is_none() {
            judge(stage, watched, answer, wanted)?;
            return Ok(accelerator);
        }
        let why = match &answer {
            Ok(()) => "it ended at once".to_owned(),
            Err(fault) => in_words(fault),
        };
        let why = why.lines().next().unwrap_or_default();
        stage.say(format!("KVM starts no guest here: {}. Once more, without it:", Printable(why)))?;
    }
    Err(Failure::new(Exit::Io, "cannot boot the demo", "there is nothing to run it with", super::FAULT))
}

/// Runs the machine as before.
pub fn again(stage: &mut Stage<'_>, accelerator: Accelerator, kernel: &Path, wanted: &[String]) -> Result<(), Failure> {
    let (watched, answer) = run(stage, accelerator, kernel)?;
    judge(stage, watched, answer, wanted)
}

fn run(
    stage: &mut Stage<'_>,
    accelerator: Accelerator,
    kernel: &Path,
) -> Result<(Watched, Result<(), Fault>), Failure> {
    let mut watched = Watched { qemu: qemu::line(accelerator, kernel), ..Watched::default() };
    stage.types(&watched.qemu)?;
    write(SCRIPT, format!("{}\n", watched.qemu).as_bytes())?;
    let interrupt = stage.interrupt().clone();
    let answer = match Guest::start(qemu::command(accelerator, kernel), accelerator.patience(), &interrupt) {
        Ok(mut guest) => loop {
            match guest.line() {
                Ok(Some(line)) => {
                    if console::tells(&line) {
                        stage.shows(&line)?;
                        watched.console.push(line.clone());
                    }
                    watched.all.push(line);
                }
                Ok(None) => break Ok(()),
                Err(fault) => break Err(fault),
            }
        },
        Err(fault) => Err(fault),
    };
    keep(&watched)?;
    Ok((watched, answer))
}

/// Adds the run to the log of all of them.
fn keep(watched: &Watched) -> Result<(), Failure> {
    let file = Path::new(KEPT);
    let lines: String = watched.all.iter().map(|line| format!("{line}\n")).collect();
    let text = format!("$ {}\n{lines}", watched.qemu);
    let opened = File::options().append(true).create(true).open(file);
    opened.and_then(|mut log| log.write_all(text.as_bytes())).map_err(|error| unwritable(file, &error))
}

fn judge(stage: &mut Stage<'_>, watched: Watched, answer: Result<(), Fault>, wanted: &[String]) -> Result<(), Failure> {
    let details = console::end(&watched.all);
    let why = match &answer {
        Ok(()) => console::astray(&watched.console, wanted),
        Err(Fault::Interrupted) => {
            let next = format!("look at what is in {}, or remove it", here(""));
            return Err(Failure::new(Exit::Interrupted, "the demo stopped", "interrupted; qemu is ended", next));
        }
        Err(fault) => Some(in_words(fault)),
    };
    stage.keep_guest(watched);
    let Some(why) = why else { return Ok(()) };
    let next = match details.is_empty() {
        true => format!("take the word quiet out of {} and run it there, to hear the kernel", here(SCRIPT)),
        false => format!("above is the end of its console; all of it is in {}", here(KEPT)),
    };
    Err(Failure { details, ..Failure::new(Exit::Io, "the demo stopped", why, next) })
}

/// A file's name, for somebody who is elsewhere.
fn here(name: &str) -> String {
    std::env::current_dir().unwrap_or_default().join(name).display().to_string()
}

fn in_words(fault: &Fault) -> String {
    match fault {
        Fault::Silent(patience) => format!("the guest hangs: its console said nothing for {} s", patience.as_secs()),
        Fault::Endless(lifetime) => format!("the guest still runs after {} minutes", lifetime.as_secs() / 60),
        Fault::Failed(status, words) => format!("{QEMU} ended with {status}: {}", words.trim_end()),
        Fault::Interrupted => "interrupted".to_owned(),
        Fault::System(error) => format!("{QEMU} cannot be run: {error}"),
    }
}
