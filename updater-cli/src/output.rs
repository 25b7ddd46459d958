//! What the program says: results on stdout, everything else on stderr.
//!
//! 1. `--json`: one document on stdout, `{"schema":1, ..}`, on one line, ASCII only; of a failure `{"schema":1,"error":{..}}`.
//! 2. Nothing foreign reaches a terminal unescaped, see [`Printable`].
//! 3. What stderr does not take is dropped: a message never ends an act, nor changes its exit code.
//! 4. A result that stdout does not take is an error where the result is all that was asked for (`status`), and a warning where the
//!    act is done (`mark-good`). A reader that went away (`| head`), or never was, is neither.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use libupdate::ByteLen;
use serde::Serialize;

use crate::exit::{self, Exit, Failure};
use crate::new_file::Went;

#[cfg_attr(not(feature = "progress-bar"), path = "output/no_bars.rs")]
mod bars;
#[cfg(any(test, feature = "demo"))]
mod captured;
mod colour;
mod descriptor;
mod document;
mod progress;
mod watch;

use bars::Bars;
#[cfg(any(test, feature = "demo"))]
pub use captured::Captured;
use colour::Colour;
pub use colour::{Tone, Toned};
#[cfg(any(feature = "history", feature = "live"))]
pub use document::json;
pub use libupdate_linux::printable::{Printable, Size, lines as printable_lines};
pub use progress::{Progress, ProgressForm, Step};
pub use watch::Watch;

/// Version of every JSON document's form. Keys may be added under the same number, never changed or removed.
pub const SCHEMA: u32 = 1;

/// Where results go as text or as JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResultForm {
    /// For people; not to be parsed.
    Human,
    /// For programs.
    Json,
}

/// How much is said on stderr.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loudness {
    /// Progress, notes, warnings, errors.
    Normal,
    /// Warnings and errors.
    Quiet,
}

/// What the command line asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// `--json`.
    pub results: ResultForm,
    /// `--quiet`.
    pub loudness: Loudness,
    /// `--progress`.
    pub progress: ProgressForm,
    /// `--progress-fd`: JSON lines go there whatever else is said.
    pub progress_fd: Option<u32>,
}

/// A result that both people and programs can read.
///
/// As JSON it must be a map (a struct), to which `schema` is added in front.
pub trait Report: Serialize {
    /// The text, line ends included. Foreign strings go through [`Printable`].
    fn human(&self) -> String;

    /// The word of a line of that text that is painted on a terminal.
    fn toned(&self, _line: &str) -> Option<Toned> {
        None
    }
}

type Sink = Arc<Mutex<dyn Write + Send>>;

/// Standard output and standard error.
#[derive(Clone)]
pub struct Output {
    settings: Settings,
    out: Sink,
    err: Sink,
    /// Where JSON lines of progress go, if they do.
    lines: Option<Sink>,
    /// Bars, and who takes them off the terminal while a line is written.
    bars: Bars,
    /// Of stdout and of stderr.
    colours: [Colour; 2],
    /// Bytes that came over a network.
    fetched: Arc<AtomicU64>,
}

impl Output {
    /// The process's own streams, none of which is the `disk`.
    ///
    /// # Errors
    /// Where `--progress-fd` names no descriptor that lines can be written to.
    pub fn new(settings: Settings, disk: Option<&Path>) -> Result<Self, Failure> {
        let descriptor: Option<Sink> = match settings.progress_fd {
            Some(1) if settings.results == ResultForm::Json => {
                let why = "stdout holds the one JSON document of --json";
                return Err(Failure::new(
                    Exit::Usage,
                    "--progress-fd 1 cannot be used",
                    why,
                    "use 2, or open another descriptor",
                ));
            }
            Some(number) => Some(Arc::new(Mutex::new(descriptor::duplicate(number, disk)?))),
            None => None,
        };
        let terminal = io::stderr().is_terminal();
        let form = if terminal { settings.progress } else { settings.progress.without_terminal() };
        let settings = Settings { progress: form, ..settings };
        let (out, err) = (Arc::new(Mutex::new(io::stdout())), Arc::new(Mutex::new(io::stderr())));
        Ok(Self::with(settings, out, err, descriptor).coloured())
    }

    /// The process's own streams with the usual settings, for what fails before the command line is known.
    pub fn usual() -> Self {
        let (results, loudness, progress) = (ResultForm::Human, Loudness::Normal, ProgressForm::None);
        let settings = Settings { results, loudness, progress, progress_fd: None };
        Self::with(settings, Arc::new(Mutex::new(io::stdout())), Arc::new(Mutex::new(io::stderr())), None).coloured()
    }

    /// The same for streams of this process, which may be terminals.
    fn coloured(self) -> Self {
        Self { colours: [Colour::of(&io::stdout()), Colour::of(&io::stderr())], ..self }
    }

    fn with(settings: Settings, out: Sink, err: Sink, descriptor: Option<Sink>) -> Self {
        let lines = descriptor.or_else(|| {
            let wanted = settings.progress == ProgressForm::Json && settings.loudness == Loudness::Normal;
            wanted.then(|| Arc::clone(&err))
        });
        Self { settings, out, err, lines, bars: Bars::new(), colours: [Colour::Off; 2], fetched: Arc::default() }
    }

    /// Writes what a verb is asked for to stdout.
    ///
    /// # Errors
    /// [`Exit::Io`] or [`Exit::NoSpace`] where stdout does not take it.
    pub fn result<R: Report>(&self, report: &R) -> Result<(), Failure> {
        self.write(report).map_err(|error| unwritten(&error))
    }

    /// Writes how an act ended to stdout. The act is done: where stdout does not take it, that is said, and the act is done all the same.
    pub fn done<R: Report>(&self, report: &R) {
        if let Err(error) = self.write(report) {
            self.warn(&format!("the result could not be written ({error}); the act itself is done, see `status`"));
        }
    }

    /// The same for an act whose bytes may have gone to stdout, and then to stderr: who reads the bytes wants nothing else.
    pub fn done_after<R: Report>(&self, went: Went, report: &R) {
        match (went, self.settings.results) {
            (Went::Elsewhere, _) => self.done(report),
            (_, ResultForm::Human) => self.note(&report.human()),
            (_, ResultForm::Json) => self.line(&document::render(report).unwrap_or_else(|error| error.to_string())),
        }
    }

    /// Writes the help, or the version, to stdout.
    ///
    /// # Errors
    /// As [`Output::result`].
    pub fn help(error: &clap::Error) -> Result<(), Failure> {
        unless_gone(error.print().and_then(|()| io::stdout().flush())).map_err(|error| unwritten(&error))
    }

    fn write<R: Report>(&self, report: &R) -> io::Result<()> {
        let text = match self.settings.results {
            ResultForm::Human => {
                let [colour, _] = self.colours;
                colour.paint(&printable_lines(&report.human()), |line| report.toned(line))
            }
            ResultForm::Json => document::render(report)?,
        };
        self.to_stdout(&text)
    }

    /// Writes a failure: for people to stderr, with `--json` also as a document to stdout.
    ///
    /// A failure that cannot be told is not told twice: the exit code still says it.
    pub fn failure(&self, failure: &Failure) {
        self.line(&failure.to_string());
        if self.settings.results == ResultForm::Json {
            self.failure_document(failure);
        }
    }

    /// Writes a failure that people were told already as a document to stdout.
    pub fn failure_document(&self, failure: &Failure) {
        let text = document::render_error(failure).map_err(io::Error::from);
        if let Err(error) = text.and_then(|text| self.to_stdout(&text)) {
            self.line(&format!("error: the result could not be written: {error}"));
        }
    }

    /// Says what is about to happen: "installing 1.4 into slot b". Not with `--quiet`.
    pub fn note(&self, text: &str) {
        if self.settings.loudness == Loudness::Normal {
            self.line(text);
        }
    }

    /// Says what somebody should look at. Also with `--quiet`.
    pub fn warn(&self, text: &str) {
        self.line(&format!("warning: {text}"));
    }

    /// Counts bytes that came over a network.
    #[cfg(feature = "http")]
    pub fn came(&self, bytes: u64) {
        self.fetched.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes that came over a network so far.
    pub fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }

    /// Starts to tell the progress of a phase ("write", "read back") over `total` bytes.
    pub fn progress(&self, phase: &'static str, total: ByteLen) -> Progress {
        let form = match self.settings.loudness {
            Loudness::Quiet => ProgressForm::None,
            Loudness::Normal => self.settings.progress,
        };
        Progress::start(phase, total, form, self)
    }

    /// One line, or several, on stderr. A stderr that is closed or full has nobody to be told.
    pub fn line(&self, text: &str) {
        let [_, colour] = self.colours;
        let text = colour.paint(&printable_lines(text), colour::of_message);
        let written = self.bars.suspend(|| write_all(&self.err, text.trim_end_matches('\n'), "\n"));
        drop(written);
    }

    fn to_stdout(&self, text: &str) -> io::Result<()> {
        unless_gone(self.bars.suspend(|| write_all(&self.out, text, "")))
    }
}

/// A reader that went away has what it wanted.
fn unless_gone(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        answer => answer,
    }
}

fn write_all(sink: &Sink, text: &str, end: &str) -> io::Result<()> {
    let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
    sink.write_all(text.as_bytes())?;
    sink.write_all(end.as_bytes())?;
    sink.flush()
}

fn unwritten(error: &io::Error) -> Failure {
    let code = exit::no_room(error).map_or(Exit::Io, |(code, _)| code);
    let next = "check where stdout goes, then run the same command again";
    Failure::new(code, "the result could not be written", error, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn output(settings: Settings) -> (Output, Captured, Captured) {
        let (output, [out, err]) = Output::captured(settings);
        (output, out, err)
    }

    pub const PLAIN: Settings = Settings {
        results: ResultForm::Human,
        loudness: Loudness::Normal,
        progress: ProgressForm::Plain,
        progress_fd: None,
    };
    const JSON: Settings = Settings { results: ResultForm::Json, ..PLAIN };

    #[derive(Serialize)]
    struct Version {
        version: &'static str,
    }

    impl Report for Version {
        fn human(&self) -> String {
            format!("version {}\n", Printable(self.version))
        }
    }

    const HOSTILE: Version = Version { version: "1\u{1b}[2J\u{9b}\n\u{202e}é" };

    #[test]
    fn people_get_text_and_programs_one_document() {
        let (output, out, err) = output(PLAIN);
        output.result(&HOSTILE).unwrap();
        assert_eq!(out.text(), "version 1\\u{1b}[2J\\u{9b}\\n\\u{202e}é\n");
        assert_eq!(err.text(), "");
        let (output, out, _) = self::output(JSON);
        output.result(&HOSTILE).unwrap();
        assert_eq!(out.text(), "{\"schema\":1,\"version\":\"1\\u001b[2J\\u009b\\n\\u202e\\u00e9\"}\n");
        let back: serde_json::Value = serde_json::from_str(&out.text()).unwrap();
        assert_eq!(back["version"], HOSTILE.version);
    }

    #[test]
    fn a_failure_is_told_to_both() {
        let (output, out, err) = output(JSON);
        output.failure(&Failure::new(Exit::Busy, "cannot install", "x\u{1b}", "wait"));
        assert!(err.text().starts_with("error: cannot install: x\\u{1b}\nnext: wait\n"), "{}", err.text());
        let back: serde_json::Value = serde_json::from_str(&out.text()).unwrap();
        assert_eq!((&back["schema"], &back["error"]["class"]), (&1.into(), &"busy".into()));
        assert_eq!(back["error"]["code"], 6);
    }

    #[test]
    fn quiet_keeps_warnings_and_errors() {
        let (output, _, err) = output(Settings { loudness: Loudness::Quiet, ..PLAIN });
        output.note("installing");
        output.progress("write", ByteLen::new(8)).finish();
        output.warn("the backup table is damaged");
        assert_eq!(err.text(), "warning: the backup table is damaged\n");
    }

    #[test]
    fn a_full_stdout_is_an_error_and_a_closed_one_is_not() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let err = Captured::default();
        let output = Output::with(PLAIN, Arc::new(Mutex::new(full)), Arc::new(Mutex::new(err.clone())), None);
        assert_eq!(output.result(&HOSTILE).unwrap_err().code, Exit::NoSpace);
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = Output::with(PLAIN, Arc::new(Mutex::new(writer)), Arc::new(Mutex::new(err)), None);
        output.result(&HOSTILE).unwrap();
    }

    #[test]
    fn an_act_that_is_done_stays_done_where_stdout_is_full() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let err = Captured::default();
        let output = Output::with(PLAIN, Arc::new(Mutex::new(full)), Arc::new(Mutex::new(err.clone())), None);
        output.done(&HOSTILE);
        assert!(err.text().starts_with("warning: the result could not be written (No space left"), "{}", err.text());
    }
}
