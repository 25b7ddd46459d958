//! `log`: what was done and tried on a disk, as far as this machine recorded it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use serde::Serialize;

use crate::cli::log::Log;
use crate::exit::{Exit, Failure};
use crate::history::{self, Entries, Entry, FILE, Identity};
use crate::output::{Printable, Report};
use crate::session::Session;
use crate::source;

/// Shows the newest entries.
pub fn run(session: &Session, args: &Log) -> Result<(), Failure> {
    let whose = if args.all_disks { Whose::All } else { Whose::named(session)? };
    let read = match history::read() {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        read => Some(read.map_err(|error| unreadable(&error))?),
    };
    let shown = Shown::of(whose, read, args.lines.into());
    if shown.skipped_lines > 0 {
        session.output.warn(&format!("{} lines of {FILE} are no entries and are skipped", shown.skipped_lines));
    }
    session.output.result(&shown)
}

/// Whose entries are shown.
enum Whose {
    All,
    Of(Identity),
    /// A disk image file.
    OfNone(PathBuf),
}

impl Whose {
    /// Those of the session's disk.
    fn named(session: &Session) -> Result<Self, Failure> {
        let path = match session.disk() {
            Some(path) => path.clone(),
            None => {
                let found = session.profile().and_then(|profile| session.disk_path(&profile));
                found.map_err(|failure| failure.or("or give --all-disks"))?
            }
        };
        fs::metadata(&path).map_err(|error| source::unreadable(&path, &error))?;
        Ok(Identity::of_device(&path).map_or(Self::OfNone(path), Self::Of))
    }

    fn has(&self, entry: &Entry) -> bool {
        match self {
            Self::All => true,
            Self::Of(disk) => disk.is_of(entry),
            Self::OfNone(_) => false,
        }
    }

    /// Why it has none.
    fn why_none(&self, read: Option<&Entries>) -> &'static str {
        match (self, read) {
            (Self::OfNone(_), _) => "a disk image file has no history here: it is made for another machine",
            (_, None) => "nothing was recorded on this machine yet",
            (Self::Of(Identity { guid: None, .. }), _) => {
                "its partition table cannot be read, so its entries cannot be told from those of other disks; see --all-disks"
            }
            (Self::Of(_), _) => "no act on this disk is recorded",
            (Self::All, _) => "no act is recorded",
        }
    }
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::new(Exit::Io, format!("cannot read {FILE}"), error, "remove it: the next act begins a new one")
}

/// The document of `log --json`.
#[derive(Serialize)]
struct Shown {
    file: &'static str,
    /// The disk whose entries they are; `None` with `--all-disks`.
    disk: Option<String>,
    disk_guid: Option<String>,
    entries: Vec<Entry>,
    /// Why there are none.
    why: Option<&'static str>,
    skipped_lines: usize,
}

impl Shown {
    fn of(whose: Whose, read: Option<Entries>, lines: usize) -> Self {
        let why = whose.why_none(read.as_ref());
        let Entries { mut found, skipped } = read.unwrap_or_default();
        found.retain(|entry| whose.has(entry));
        found.drain(..found.len().saturating_sub(lines));
        let (disk, disk_guid) = match whose {
            Whose::All => (None, None),
            Whose::Of(disk) => (Some(disk.node), disk.guid),
            Whose::OfNone(path) => (Some(path), None),
        };
        let disk = disk.map(|path| path.display().to_string());
        let why = found.is_empty().then_some(why);
        Self { file: FILE, disk, disk_guid, entries: found, why, skipped_lines: skipped }
    }

    /// One act, in columns.
    fn line(&self, entry: &Entry) -> String {
        let or_dash = |text: &Option<String>| Printable(text.as_deref().unwrap_or("-")).to_string();
        let [time, slot, version] = [&entry.time, &entry.slot, &entry.version].map(or_dash);
        let disk =
            if self.disk.is_none() { format!("{:<14} ", Printable(&entry.disk).to_string()) } else { String::new() };
        let why = Printable(&entry.why).to_string();
        let line =
            format!("{time:<20}  {disk}{:<10}  {slot:<4}  {version:<14}  {:<13}  {why}", entry.verb, entry.class);
        line.trim_end().to_owned() + "\n"
    }
}

impl Report for Shown {
    fn human(&self) -> String {
        if let Some(why) = self.why {
            let disk = self.disk.as_ref().map_or(String::new(), |disk| format!("{}: ", Printable(disk)));
            return format!("{disk}{why} ({FILE})\n");
        }
        let disk = if self.disk.is_none() { format!("{:<14} ", "disk") } else { String::new() };
        let mut text =
            format!("{:<20}  {disk}{:<10}  {:<4}  {:<14}  {:<13}  why\n", "time", "verb", "slot", "version", "result");
        text.extend(self.entries.iter().map(|entry| self.line(entry)));
        text
    }
}
