//! How the last installation on this device ended: a cache for `status`. Table and trailers are the truth.

use std::path::Path;

use libupdate::units::limits::STATE_BYTES;
use libupdate_linux::file;
use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Failure};
use crate::session::Session;

/// Where it is.
pub const FOLDER: &str = "/var/lib/updater";
const FILE: &str = "last-result.json";

/// The end of an installation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LastResult {
    code: u8,
    class: String,
    why: String,
    time: Option<String>,
}

impl LastResult {
    fn of<T>(answer: &Result<T, Failure>) -> Self {
        let (code, why) = match answer {
            Ok(_) => (Exit::Done, String::new()),
            Err(failure) => (failure.code, failure.why.clone()),
        };
        Self {
            code: code.code(),
            class: code.class().to_owned(),
            why,
            time: crate::time::rfc3339(libupdate_linux::time::now()),
        }
    }

    /// One line for people.
    pub fn in_words(&self) -> String {
        let why =
            if self.why.is_empty() { String::new() } else { format!(": {}", crate::output::Printable(&self.why)) };
        let time = self.time.as_deref().unwrap_or("at an unknown time");
        format!("{}{why}, {time}", crate::output::Printable(&self.class))
    }
}

/// What the last installation on this device left. A disk image file has no such memory.
pub fn read(is_file: bool) -> Option<LastResult> {
    if is_file { None } else { read_from(Path::new(FOLDER)) }
}

fn read_from(folder: &Path) -> Option<LastResult> {
    serde_json::from_str(&file::read_state(&folder.join(FILE), STATE_BYTES).ok()?).ok()
}

/// Remembers how an installation on this device ended.
pub fn write<T>(session: &Session, answer: &Result<T, Failure>) {
    if session.disk().is_some_and(|path| path.is_file()) {
        return;
    }
    if let Err(error) = write_to(Path::new(FOLDER), &LastResult::of(answer)) {
        session.output.warn(&format!("the result could not be remembered in {FOLDER}: {error}"));
    }
}

fn write_to(folder: &Path, last: &LastResult) -> std::io::Result<()> {
    file::write_state(&folder.join(FILE), serde_json::to_string(last)?.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_was_remembered_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("lib/updater");
        assert_eq!(read_from(&deep), None);
        let failure = Failure::new(Exit::Busy, "cannot install", "somebody has it", "wait");
        let last = LastResult::of::<()>(&Err(failure));
        write_to(&deep, &last).unwrap();
        assert_eq!(read_from(&deep), Some(last.clone()));
        assert_eq!((last.code, last.class.as_str()), (6, "busy"));
        fs::write(deep.join(FILE), "{").unwrap();
        assert_eq!(read_from(&deep), None);
    }
}
