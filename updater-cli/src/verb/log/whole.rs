//! `log --verify`: whether each line of the history follows the one before it.

use std::io::ErrorKind;

use libupdate::units::limits::STATE_BYTES;
use libupdate_linux::file::Tail;
use serde::Serialize;

use super::unreadable;
use crate::exit::{Exit, Failure};
use crate::history::chain::{self, Whole};
use crate::history::{self, FILE};
use crate::output::Report;
use crate::session::Session;

/// Follows the chain, or names the first line that does not fit.
pub fn run(session: &Session) -> Result<(), Failure> {
    let Tail { bytes, len } = match history::tail() {
        Err(error) if error.kind() == ErrorKind::NotFound => Tail { bytes: Vec::new(), len: 0 },
        read => read.map_err(|error| unreadable(&error))?,
    };
    if len > STATE_BYTES {
        return Err(failure(format!("it has {len} bytes, and an act leaves at most {STATE_BYTES}")));
    }
    let whole = chain::verify(&bytes).map_err(|misfit| failure(format!("line {}: {}", misfit.line, misfit.why)))?;
    for line in &whole.torn {
        session.output.warn(&format!(
            "line {line} of {FILE} is no entry: a cut has torn it, or somebody else wrote it before the next act"
        ));
    }
    session.output.result(&Shown::of(whole))
}

fn failure(why: String) -> Failure {
    let next = "compare it with the system's log (journalctl -t updater-cli), which has the hash of each line; an act on the disk begins a new file where this one is gone";
    Failure::new(Exit::NotAuthentic, format!("{FILE} does not fit together"), why, next)
}

/// The document of `log --verify --json`.
#[derive(Serialize)]
struct Shown {
    file: &'static str,
    /// Lines of the chain.
    linked_lines: usize,
    /// Lines of the form without a chain.
    earlier_lines: usize,
    /// Numbers of the lines that are no entries.
    torn_lines: Vec<usize>,
    /// Of the last line.
    hash: String,
}

impl Shown {
    fn of(whole: Whole) -> Self {
        let Whole { linked, earlier, torn, hash } = whole;
        Self { file: FILE, linked_lines: linked, earlier_lines: earlier, torn_lines: torn, hash: hash.to_string() }
    }
}

impl Report for Shown {
    fn human(&self) -> String {
        let Self { file, linked_lines, earlier_lines, hash, .. } = self;
        if *linked_lines == 0 {
            return format!("{file}: no line of a chain\n");
        }
        let earlier = if *earlier_lines == 0 {
            String::new()
        } else {
            format!(", and {earlier_lines} of an earlier form, without hashes of their own")
        };
        format!("{file}: {linked_lines} lines fit together{earlier}\nhash of the last line: {hash}\n")
    }
}
