//! The history of acts on the devices of this machine: what was done or tried, on which disk, and how it ended.
//!
//! ```text
//!  verb ─► record ─► entry ─┬─► /var/lib/updater/history.jsonl   one JSON object a line, the newest last ─► `log`, `status`
//!                           └─► /dev/log                         one message ─► journalctl -t updater-cli
//! ```
//!
//! 1. It is a cache. Table and trailers are the truth: an act neither fails nor waits for it, and nothing is decided by it.
//! 2. An entry belongs to a disk by the GUID of the disk's table. One of another disk is never shown for this one.
//! 3. The file has a bound. When it is full, its older half goes, but for the last installation on each disk.
//! 4. What is read may be anybody's: a line that is no entry is skipped, and the strings of an entry are bounded.
//! 5. A disk image file has no history here: it is made for another machine.

use std::path::Path;

use libupdate::gpt::Guid;
use libupdate::units::limits::STATE_BYTES;
use libupdate_linux::file::LineLog;

use crate::exit::Failure;
use crate::session::Session;

mod entry;
mod identity;
mod record;
mod system_log;

pub use entry::Entry;
pub use identity::Identity;
pub use record::Record;

/// Where it is.
pub const FILE: &str = "/var/lib/updater/history.jsonl";
/// The verb whose last result `status` shows.
const INSTALL: &str = "install";

/// What is recorded, the newest last.
#[derive(Debug, Default)]
pub struct Entries {
    /// The entries.
    pub found: Vec<Entry>,
    /// Lines that are none.
    pub skipped: usize,
}

/// Remembers how an act ended, once in each run.
pub fn keep<T>(session: &Session, verb: &'static str, answer: &Result<T, Failure>) {
    let Some(known) = session.record.take() else { return };
    let Some(disk) = known.disk.as_deref().and_then(Identity::of_device) else { return };
    let entry = Entry::new(verb, disk, &known, answer.as_ref().err());
    system_log::tell(Path::new(system_log::SOCKET), &entry);
    if let Err(error) = entry.line().and_then(|line| log(FILE).append(&line, kept)) {
        session.output.warn(&format!("the act could not be recorded in {FILE}: {error}"));
    }
}

/// How the last installation on this disk ended.
pub fn last_installation(disk: &Path, guid: Guid) -> Option<Entry> {
    let here = Identity::of_device_with(disk, guid)?;
    let mut found = read().ok()?.found;
    found.retain(|entry| entry.verb == INSTALL && here.is_of(entry));
    found.pop()
}

/// All that is recorded.
///
/// # Errors
/// What the system says of the file.
pub fn read() -> std::io::Result<Entries> {
    Ok(parsed(&log(FILE).tail()?))
}

fn log(path: &str) -> LineLog {
    LineLog::new(Path::new(path), STATE_BYTES)
}

fn parsed(lines: &str) -> Entries {
    let mut entries = Entries::default();
    for line in lines.lines() {
        match Entry::of_line(line) {
            Some(entry) => entries.found.push(entry),
            None => entries.skipped += 1,
        }
    }
    entries
}

/// What stays when the file is full: the newer half, and the last installation on each of the disks before it.
fn kept(lines: &str) -> String {
    let bound = usize::try_from(STATE_BYTES).unwrap_or(usize::MAX);
    let (newer, all) = (bound / 2, bound / 4 * 3);
    let entries: Vec<(&str, Entry)> = lines.lines().filter_map(|line| Some((line, Entry::of_line(line)?))).collect();
    let mut taken = 0;
    let mut disks: Vec<&Option<String>> = Vec::new();
    let mut stays: Vec<&str> = Vec::new();
    for (line, entry) in entries.iter().rev() {
        let is_last = entry.verb == INSTALL && !disks.contains(&&entry.disk_guid);
        if is_last {
            disks.push(&entry.disk_guid);
        }
        let after = taken + line.len() + 1;
        if after <= newer || is_last && after <= all {
            taken = after;
            stays.push(line);
        }
    }
    stays.iter().rev().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn line(number: u32, verb: &str, disk: u32) -> String {
        format!(
            r#"{{"time":null,"verb":"{verb}","disk":"/dev/x","disk_guid":"fe3a2a5d-4f32-41a7-b725-accc3285a30{disk}","slot":"b",
            "version":"{number}","code":0,"class":"done","why":""}}"#
        )
        .replace('\n', "")
    }

    /// The newest are there, and the last installation on each disk, however long ago it was.
    #[test]
    fn a_thousand_acts_stay_within_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        let log = log(path.to_str().unwrap());
        (0..4).for_each(|number| log.append(&line(number, INSTALL, number / 2), kept).unwrap());
        for number in 4..1000 {
            log.append(&line(number, "mark-good", 0), kept).unwrap();
            assert!(fs::metadata(&path).unwrap().len() <= STATE_BYTES);
        }
        let Entries { found, skipped } = parsed(&log.tail().unwrap());
        let versions: Vec<u32> = found.iter().map(|entry| entry.version.as_ref().unwrap().parse().unwrap()).collect();
        assert_eq!((versions[..2].to_vec(), versions.last(), skipped), (vec![1, 3], Some(&999), 0));
        assert!(versions.len() > 100 && versions[2..].windows(2).all(|pair| pair[0] + 1 == pair[1]), "{versions:?}");
    }

    #[test]
    fn what_is_no_entry_does_not_stay() {
        let entry = line(1, INSTALL, 0);
        assert_eq!(kept(&format!("garbage\n{entry}\n{{}}\n")), format!("{entry}\n"));
    }
}
