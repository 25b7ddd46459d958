//! What a run of the program came to: its exit code, what it told people, what it told programs.

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use serde_json::Value;

/// The exit codes of the command line's contract, which README.md lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Done.
    Done,
    /// The command line is wrong.
    Usage,
    /// Refused by policy.
    Refused,
    /// Not authentic, or corrupt.
    NotAuthentic,
    /// No space.
    NoSpace,
    /// Busy.
    Busy,
    /// Nothing to do.
    Nothing,
    /// I/O error.
    Io,
    /// Interrupted.
    Interrupted,
    /// The bundle's server, or the way to it.
    Network,
    /// Disk or table not usable.
    Disk,
    /// `doctor` found an error.
    Unfit,
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> i32 {
        match self {
            Self::Done => 0,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::NotAuthentic => 4,
            Self::NoSpace => 5,
            Self::Busy => 6,
            Self::Nothing => 7,
            Self::Io => 8,
            Self::Interrupted => 9,
            Self::Network => 10,
            Self::Disk => 11,
            Self::Unfit => 12,
        }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::NotAuthentic => "not-authentic",
            Self::NoSpace => "no-space",
            Self::Busy => "busy",
            Self::Nothing => "nothing-to-do",
            Self::Io => "io",
            Self::Interrupted => "interrupted",
            Self::Network => "network",
            Self::Disk => "disk",
            Self::Unfit => "unfit",
        }
    }
}

/// The end of a run.
#[derive(Clone, Debug)]
pub struct Answer {
    line: String,
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n--- stdout\n{}\n--- stderr\n{}", self.line, self.status, self.stdout, self.stderr)
    }
}

impl Answer {
    /// What holds for every run, whatever was asked: the program does not panic, and nothing that a terminal would act upon comes
    /// out of it.
    ///
    /// # Panics
    /// Where that does not hold.
    #[must_use]
    pub fn new(line: String, status: ExitStatus, stdout: Vec<u8>, stderr: Vec<u8>) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the program writes UTF-8");
        let answer = Self { line, status, stdout: text(stdout), stderr: text(stderr) };
        let acted_upon = |c: char| c.is_control() && c != '\n' || ('\u{200b}'..='\u{202e}').contains(&c);
        assert!(!answer.stderr.contains("panicked at"), "a panic\n{answer}");
        assert!(status.code() != Some(101), "a panic's exit code\n{answer}");
        assert!(!answer.stdout.contains(acted_upon), "unescaped on stdout\n{answer}\n{:?}", answer.stdout);
        assert!(!answer.stderr.contains(acted_upon), "unescaped on stderr\n{answer}\n{:?}", answer.stderr);
        answer
    }

    /// What it wrote to stdout.
    #[must_use]
    pub fn stdout(&self) -> &str {
        &self.stdout
    }

    /// What it wrote to stderr.
    #[must_use]
    pub fn stderr(&self) -> &str {
        &self.stderr
    }

    /// The exit code; `None` where a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The run ended with this code.
    ///
    /// # Panics
    /// Where it did not.
    pub fn exits(self, exit: Exit) -> Self {
        assert!(self.code() == Some(exit.code()), "wanted exit {} ({exit:?})\n{self}", exit.code());
        self
    }

    /// The run was ended by this signal.
    ///
    /// # Panics
    /// Where it was not.
    pub fn killed_by(self, signal: i32) -> Self {
        assert!(self.status.signal() == Some(signal), "wanted the end by signal {signal}\n{self}");
        self
    }

    /// These words stand on stderr.
    ///
    /// # Panics
    /// Where they do not.
    pub fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "wanted on stderr: {words}\n{self}");
        self
    }

    /// The one JSON document on stdout.
    ///
    /// # Panics
    /// Where stdout is anything else.
    #[must_use]
    pub fn json(&self) -> Value {
        let document: Value =
            serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON document: {error}\n{self}"));
        assert!(document["schema"] == 1, "another schema\n{self}");
        document
    }

    /// The run of an act with `--json` on a disk with slots failed as the contract says: the code, and what, why, what next, for people on
    /// stderr and for programs on stdout.
    ///
    /// # Panics
    /// Where it did not.
    pub fn fails(self, exit: Exit, why: &str) -> Self {
        let answer = self.exits(exit);
        let document = answer.json();
        let error = &document["error"];
        let text = |field: &str| error[field].as_str().unwrap_or_else(|| panic!("error.{field}\n{answer}")).to_owned();
        assert!(text("why").contains(why), "wanted as the reason: {why}\n{answer}");
        assert!(error["code"] == exit.code() && text("class") == exit.class(), "another class\n{answer}");
        assert!(!text("next").is_empty(), "no way out\n{answer}");
        assert!(
            answer.stderr.contains("error: ") && answer.stderr.contains("\nnext: "),
            "people are not told\n{answer}"
        );
        assert!(answer.stderr.contains(&text("why")), "people are told another reason\n{answer}");
        assert!(error["booted_slot_untouched"] == true, "nothing about the booted slot\n{answer}");
        let told = answer.stderr.contains("The booted slot is untouched.");
        assert!(told != (exit == Exit::Usage), "nothing for people about the booted slot\n{answer}");
        answer
    }
}
