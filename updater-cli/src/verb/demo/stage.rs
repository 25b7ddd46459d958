//! Runs command lines of this program inside the demo, and tells what they said: to people at once, with `--json` at the end.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Parser;
use libupdate_linux::Interrupt;
use serde::Serialize;
use serde_json::Value;

use super::boot::Watched;
use crate::cli::Cli;
use crate::exit::{Exit, Failure};
use crate::output::{Printable, Report, ResultForm};
use crate::session::Session;
use crate::verb;

/// Where the story is played.
pub struct Stage<'s> {
    session: &'s Session,
    began: Instant,
    acts: Vec<Act>,
}

/// A part of the story with its headline.
#[derive(Serialize)]
pub struct Act {
    headline: String,
    events: Vec<Event>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Event {
    Remark { remark: String },
    Ran(Ran),
    Guest(Watched),
}

/// A command that has run.
#[derive(Serialize)]
struct Ran {
    command: String,
    exit_code: u8,
    /// The command's own document.
    result: Value,
    /// What it said on stderr.
    messages: Vec<String>,
    /// What people see, as on a terminal.
    #[serde(skip)]
    shown: String,
}

/// How much of a result people see.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shown {
    All,
    /// So many lines, as `head -n` would.
    First(usize),
}

impl<'s> Stage<'s> {
    /// An empty stage.
    pub fn new(session: &'s Session) -> Self {
        Self { session, began: Instant::now(), acts: Vec::new() }
    }

    /// Says what is played, and where.
    pub fn open(&self, title: &str, folder: &Path) -> Result<(), Failure> {
        self.tell(format!("{title} in {}\n", Printable(&folder.to_string_lossy())))
    }

    /// Begins a part.
    pub fn act(&mut self, headline: &str) -> Result<(), Failure> {
        self.acts.push(Act { headline: headline.to_owned(), events: Vec::new() });
        self.tell(format!("\n== {}. {headline} ==\n", self.acts.len()))
    }

    /// Says something between two commands.
    pub fn say(&mut self, remark: impl Into<String>) -> Result<(), Failure> {
        let remark = remark.into();
        self.tell(format!("\n{remark}\n"))?;
        self.keep(Event::Remark { remark });
        Ok(())
    }

    /// Runs a command that must succeed.
    pub fn run(&mut self, line: &str) -> Result<(), Failure> {
        self.show(line, Exit::Done, Shown::All)
    }

    /// Runs a command that must succeed and shows the first lines of its result.
    pub fn run_head(&mut self, line: &str, lines: usize) -> Result<(), Failure> {
        self.show(line, Exit::Done, Shown::First(lines))
    }

    /// Runs a command that must be refused.
    pub fn refused(&mut self, line: &str, code: Exit) -> Result<(), Failure> {
        self.show(line, code, Shown::All)
    }

    /// What a command says to programs; the story does not tell of it.
    pub fn ask(&self, line: &str) -> Result<Value, Failure> {
        self.play(&format!("{line} --json"), Exit::Done, Shown::All).map(|ran| ran.result)
    }

    /// Shows the command line of another program.
    pub fn types(&self, line: &str) -> Result<(), Failure> {
        self.tell(format!("\n$ {}\n", Printable(line)))
    }

    /// Shows a line that another program says.
    pub fn shows(&self, line: &str) -> Result<(), Failure> {
        self.tell(indented(&Printable(line).to_string()))
    }

    /// Keeps what a machine has said.
    pub fn keep_guest(&mut self, watched: Watched) {
        self.keep(Event::Guest(watched));
    }

    /// Whether somebody asked to stop.
    pub const fn interrupt(&self) -> &Interrupt {
        &self.session.interrupt
    }

    /// The story so far.
    pub fn acts(&self) -> &[Act] {
        &self.acts
    }

    /// The time that it took so far.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    fn show(&mut self, line: &str, expected: Exit, shown: Shown) -> Result<(), Failure> {
        let ran = match self.session.form() {
            ResultForm::Human => self.play(line, expected, shown)?,
            ResultForm::Json => self.play(&format!("{line} --json"), expected, Shown::All)?,
        };
        self.tell(ran.in_words())?;
        self.keep(Event::Ran(ran));
        Ok(())
    }

    /// What `main` does, with streams that keep what is said.
    fn play(&self, line: &str, expected: Exit, shown: Shown) -> Result<Ran, Failure> {
        if self.session.interrupt.requested() {
            return Err(Failure::new(Exit::Interrupted, "the demo stopped", "interrupted", "remove its folder"));
        }
        let cli = Cli::try_parse_from(line.split_whitespace())
            .map_err(|error| stopped(line, Failure::new(Exit::Usage, "", error, FAULT)))?;
        let (session, [out, err]) = self.session.inside(cli.common);
        let answer = verb::run(&session, cli.verb);
        if let Err(failure) = &answer {
            session.output.failure(failure);
        }
        let code = answer.as_ref().map_or_else(|failure| failure.code, |exit| *exit);
        match answer {
            _ if code == expected => Ok(Ran::of(line, code, [&out.text(), &err.text()], shown)),
            Err(failure) => Err(stopped(line, failure)),
            Ok(_) => {
                let why = format!("it was done, and should have been refused ({})", expected.class());
                Err(stopped(line, Failure::new(Exit::Io, "", why, FAULT)))
            }
        }
    }

    fn keep(&mut self, event: Event) {
        if let Some(act) = self.acts.last_mut() {
            act.events.push(event);
        }
    }

    fn tell(&self, text: String) -> Result<(), Failure> {
        match self.session.form() {
            ResultForm::Human => self.session.output.result(&Text { text }),
            ResultForm::Json => Ok(()),
        }
    }
}

const FAULT: &str = "report this: it is a fault of the program";

/// A step that did not end as it should.
fn stopped(line: &str, failure: Failure) -> Failure {
    let why = if failure.what.is_empty() { failure.why } else { format!("{}: {}", failure.what, failure.why) };
    Failure { what: format!("the demo stopped at `{line}`"), why, ..failure }
}

impl Ran {
    fn of(line: &str, code: Exit, [out, err]: [&str; 2], shown: Shown) -> Self {
        let (command, lines) = match shown {
            Shown::All => (line.to_owned(), usize::MAX),
            Shown::First(lines) => (format!("{line} | head -n {lines}"), lines),
        };
        let mut text: String = err.lines().chain(out.lines().take(lines)).map(indented).collect();
        if code != Exit::Done {
            text += &format!("  (exit status {}: {})\n", code.code(), code.class());
        }
        Self {
            command,
            exit_code: code.code(),
            result: serde_json::from_str(out).unwrap_or_default(),
            messages: err.lines().map(str::to_owned).collect(),
            shown: text,
        }
    }

    fn in_words(&self) -> String {
        format!("\n$ {}\n{}", self.command, self.shown)
    }
}

fn indented(line: &str) -> String {
    if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") }
}

/// Words of the story.
#[derive(Serialize)]
struct Text {
    text: String,
}

impl Report for Text {
    fn human(&self) -> String {
        self.text.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(words: &[&str], test: impl FnOnce(Stage<'_>)) {
        let common = Cli::try_parse_from(words).unwrap().common;
        let (session, _) = Session::unheard().inside(common);
        test(Stage::new(&session));
    }

    #[test]
    fn a_command_is_shown_as_on_a_terminal() {
        let ran = Ran::of("updater-cli choose", Exit::Done, ["A=1\n\nC=3\n", "warning: x\n"], Shown::First(2));
        assert_eq!(ran.in_words(), "\n$ updater-cli choose | head -n 2\n  warning: x\n  A=1\n\n");
        let ran = Ran::of("updater-cli install x", Exit::Refused, ["", "error: no\n"], Shown::All);
        assert_eq!(ran.in_words(), "\n$ updater-cli install x\n  error: no\n  (exit status 3: refused)\n");
    }

    #[test]
    fn a_command_that_ends_otherwise_than_the_story_says_stops_it() {
        stage(&["updater-cli", "demo"], |mut stage| {
            let failure = stage.run("updater-cli info /no/such.bundle").unwrap_err();
            assert_eq!(failure.code, Exit::Usage);
            assert!(failure.what.contains("info /no/such.bundle"), "{failure}");
            stage.refused("updater-cli info /no/such.bundle", Exit::Usage).unwrap();
            assert_eq!(stage.run("updater-cli fly").unwrap_err().code, Exit::Usage);
        });
    }

    #[test]
    fn programs_get_each_command_with_its_own_document() {
        stage(&["updater-cli", "demo", "--json"], |mut stage| {
            stage.act("A file that is not there").unwrap();
            stage.say("Nobody made it.").unwrap();
            stage.refused("updater-cli info /no/such.bundle", Exit::Usage).unwrap();
            let told = serde_json::to_value(stage.acts()).unwrap();
            assert_eq!(told[0]["headline"], "A file that is not there");
            assert_eq!(told[0]["events"][0]["remark"], "Nobody made it.");
            let ran = &told[0]["events"][1];
            assert_eq!(ran["command"], "updater-cli info /no/such.bundle --json");
            assert_eq!((&ran["exit_code"], &ran["result"]["error"]["class"]), (&2.into(), &"usage".into()));
            assert!(ran["messages"][0].as_str().unwrap().starts_with("error: cannot read"));
        });
    }
}
