//! The history of acts on the devices of this machine: what was begun, by whom, on which disk, and how it ended.
//!
//! ```text
//!  verb ─► record ─► entries ─┬─► /var/lib/updater/history.jsonl   one JSON object a line, the newest last, chained ─► `log`, `status`
//!                             └─► journald, or /dev/log            one message each ─► journalctl -t updater-cli
//! ```
//!
//! 1. It is a cache. Table and trailers are the truth: an act does not fail with it, and nothing is decided by it.
//! 2. An act leaves two lines, its start before the first write and its end. Each has the hash of the line before it.
//! 3. An entry belongs to a disk by the GUID of the disk's table. One of another disk is never shown for this one.
//! 4. The file has a bound. When it is full, its older half goes, except the last installation on each disk.
//! 5. What is read may be anybody's: a line that is no entry is skipped, and the strings of an entry are bounded.
//! 6. A disk image file has no history here: it is made for another machine.

use std::path::Path;

use libupdate::gpt::Guid;
use libupdate::units::limits::STATE_BYTES;
use libupdate_linux::file::{LineLog, Tail};

use crate::exit::Failure;
use crate::session::Session;
use record::{Begun, Known};

pub mod chain;
mod entry;
mod identity;
mod record;
mod shorter;
mod system_log;

pub use entry::Entry;
pub use identity::Identity;
pub use record::Record;

/// Where it is.
pub const FILE: &str = "/var/lib/updater/history.jsonl";
/// The verb whose last result `status` shows.
const INSTALL: &str = "install";
/// The same in a boot that was for nothing else.
pub const OFFLINE: &str = "offline-install";

/// What is recorded, the newest last.
#[derive(Debug, Default)]
pub struct Entries {
    /// The entries.
    pub found: Vec<Entry>,
    /// Lines that are none.
    pub skipped: usize,
}

/// Remembers that an act begins. What cannot be written now is tried again at its end.
fn begin(verb: &str, known: &Known) -> Begun {
    let Some(disk) = known.disk.as_deref().and_then(Identity::of_device) else { return Begun::Not };
    match write(&mut [Entry::start(verb, &disk, known)]) {
        Ok(()) => Begun::Written,
        Err(_) => Begun::Not,
    }
}

/// Remembers how an act ended, once in each run.
pub fn keep<T>(session: &Session, verb: &'static str, answer: &Result<T, Failure>) {
    let Some((known, begun)) = session.record.take() else { return };
    let Some(disk) = known.disk.as_deref().and_then(Identity::of_device) else { return };
    let end = Entry::end(verb, &disk, &known, answer.as_ref().err());
    let written = match begun {
        Begun::Written => write(&mut [end]),
        Begun::Not => write(&mut [Entry::start(verb, &disk, &known), end]),
    };
    if let Err(error) = written {
        session.output.warn(&format!("the act could not be recorded in {FILE}: {error}"));
    }
}

/// Adds the entries to the file, and tells the system's log, which hears of them also where the file does not take them.
fn write(entries: &mut [Entry]) -> std::io::Result<()> {
    let shared = std::cell::RefCell::new(&mut *entries);
    let written = log(FILE).append(
        |before| chain::linked(&mut shared.borrow_mut(), chain::after(before)),
        |before| shorter::anew(before, &mut shared.borrow_mut()),
    );
    entries.iter().for_each(system_log::tell);
    written
}

/// How the last installation on this disk ended.
pub fn last_installation(disk: &Path, guid: Guid) -> Option<Entry> {
    let here = Identity::of_device_with(disk, guid)?;
    let mut found = read().ok()?.found;
    found.retain(|entry| entry.is_installation() && entry.is_end() && here.is_of(entry));
    found.pop()
}

/// All that is recorded.
///
/// # Errors
/// What the system says of the file.
pub fn read() -> std::io::Result<Entries> {
    Ok(parsed(&tail()?.bytes))
}

/// The file, or as much of its end as is read of one that is over its bound.
///
/// # Errors
/// What the system says of it.
pub fn tail() -> std::io::Result<Tail> {
    log(FILE).tail()
}

fn log(path: &str) -> LineLog {
    LineLog::new(Path::new(path), STATE_BYTES)
}

fn parsed(bytes: &[u8]) -> Entries {
    let mut entries = Entries::default();
    for line in chain::lines(bytes) {
        match str::from_utf8(line).ok().and_then(Entry::of_line) {
            Some(entry) => entries.found.push(entry),
            None => entries.skipped += 1,
        }
    }
    entries
}
