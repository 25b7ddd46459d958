//! `log`: what was done and tried on a disk, as far as this machine recorded it; `log --verify`: whether its lines fit together.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use crate::cli::log::Log;
use crate::exit::{Exit, Failure};
use crate::history::{self, Entries, Entry, FILE, Identity};
use crate::output::{Printable, Report};
use crate::session::Session;
use crate::source;

mod whole;

/// Shows the newest entries.
pub fn run(session: &Session, args: &Log) -> Result<(), Failure> {
    if args.verify { whole::run(session) } else { show(session, args, None) }
}

/// Those of one verb.
#[cfg(feature = "live")]
pub fn of_verb(session: &Session, args: &Log, verb: &'static str) -> Result<(), Failure> {
    if args.verify { whole::run(session) } else { show(session, args, Some(verb)) }
}

fn show(session: &Session, args: &Log, verb: Option<&'static str>) -> Result<(), Failure> {
    let whose = if args.all_disks { Whose::All } else { Whose::named(session)? };
    let read = match history::read() {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        read => Some(read.map_err(|error| unreadable(&error))?),
    };
    let shown = Shown::of(whose, read, args, verb);
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

/// Each act once: its end, or its start where no end follows, because it runs, or because the power went.
fn acts(mut entries: Vec<Entry>) -> Vec<Entry> {
    let ends: Vec<bool> = entries
        .iter()
        .enumerate()
        .map(|(at, entry)| entry.is_end() || !entries.iter().skip(at).any(|later| later.ends(entry)))
        .collect();
    let mut ends = ends.into_iter();
    entries.retain(|_| ends.next() == Some(true));
    entries
}

/// Those from a moment on. One without a time, as before a clock was set, is where the entry before it is.
fn not_before(entries: &mut Vec<Entry>, since: Timestamp) {
    let mut shown = false;
    entries.retain(|entry| {
        if let Some(time) = entry.time.as_ref().and_then(|time| time.parse::<Timestamp>().ok()) {
            shown = time >= since;
        }
        shown
    });
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
    fn of(whose: Whose, read: Option<Entries>, args: &Log, verb: Option<&str>) -> Self {
        let why = whose.why_none(read.as_ref());
        let Entries { found, skipped } = read.unwrap_or_default();
        let mut found = acts(found);
        found.retain(|entry| whose.has(entry) && verb.is_none_or(|verb| entry.verb == verb));
        let recorded = !found.is_empty();
        if let Some(since) = args.since {
            not_before(&mut found, since);
        }
        found.drain(..found.len().saturating_sub(args.lines.into()));
        let (disk, disk_guid) = match whose {
            Whose::All => (None, None),
            Whose::Of(disk) => (Some(disk.node), disk.guid),
            Whose::OfNone(path) => (Some(path), None),
        };
        let disk = disk.map(|path| path.display().to_string());
        let why = found.is_empty().then_some(if recorded { "no act is recorded since then" } else { why });
        Self { file: FILE, disk, disk_guid, entries: found, why, skipped_lines: skipped }
    }

    /// One act, in columns.
    fn line(&self, entry: &Entry) -> String {
        let or_dash = |text: &Option<String>| Printable(text.as_deref().unwrap_or("-")).to_string();
        let [time, slot, version] = [&entry.time, &entry.slot, &entry.version].map(or_dash);
        let disk =
            if self.disk.is_none() { format!("{:<14} ", Printable(&entry.disk).to_string()) } else { String::new() };
        let by = entry.login_uid.or(entry.uid).map_or("-".to_owned(), |uid| uid.to_string());
        let result = entry.class.as_deref().unwrap_or("not ended");
        let why = Printable(&entry.why).to_string();
        let line =
            format!("{time:<20}  {disk}{:<10}  {slot:<4}  {version:<14}  {result:<13}  {by:<5}  {why}", entry.verb);
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
        let mut text = format!(
            "{:<20}  {disk}{:<10}  {:<4}  {:<14}  {:<13}  {:<5}  why\n",
            "time", "verb", "slot", "version", "result", "uid"
        );
        text.extend(self.entries.iter().map(|entry| self.line(entry)));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(event: &str, process: u32, time: &str) -> Entry {
        let result = if event == "start" { "null,\"class\":null" } else { "0,\"class\":\"done\"" };
        let line = format!(
            r#"{{"event":"{event}","time":{time},"verb":"repair","disk":"/dev/x","code":{result},"why":"","process":{process}}}"#
        );
        Entry::of_line(&line).unwrap()
    }

    #[test]
    fn an_act_is_shown_once_and_one_without_an_end_by_its_start() {
        let lines = [("start", 1), ("start", 2), ("end", 2), ("start", 3), ("end", 1), ("start", 2)];
        let found = acts(lines.iter().map(|(event, process)| entry(event, *process, "null")).collect());
        let shown: Vec<(bool, Option<u32>)> = found.iter().map(|entry| (entry.is_end(), entry.process)).collect();
        assert_eq!(shown, [(true, Some(2)), (false, Some(3)), (true, Some(1)), (false, Some(2))]);
    }

    #[test]
    fn an_entry_without_a_time_is_where_the_one_before_it_is() {
        let times = ["null", "\"2026-11-28T00:00:00Z\"", "null", "\"2026-11-29T00:00:00Z\"", "null"];
        let mut found: Vec<Entry> = (0..).zip(times).map(|(number, time)| entry("end", number, time)).collect();
        not_before(&mut found, "2026-11-29T00:00:00Z".parse().unwrap());
        assert_eq!(found.iter().map(|entry| entry.process.unwrap()).collect::<Vec<_>>(), [3, 4]);
    }
}
