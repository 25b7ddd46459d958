//! One act of the history.
//!
//! ```json
//! {"time":"2026-11-29T13:46:48Z","verb":"install","disk":"/dev/vda","disk_guid":"..","slot":"b","version":"1.2","code":0,"class":"done",
//!  "why":"","total_bytes":1288490188,"kept_bytes":0,"boot_id":".."}
//! ```

use std::path::Path;

use jiff::Timestamp;
use libupdate::SlotId;
use libupdate::gpt::Guid;
use libupdate::units::limits::{HISTORY_TEXT_BYTES, NAME_BYTES};
use libupdate_linux::file;
use serde::{Deserialize, Serialize};

use super::Identity;
use super::record::Known;
use crate::exit::{Exit, Failure};
use crate::output::{self, Printable};

/// This boot, in the kernel's words.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const BOOT_ID_BYTES: u64 = 64;

/// An act, and how it ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// RFC 3339; `None` where the clock was not set.
    pub time: Option<String>,
    pub verb: String,
    /// Its node at that time.
    pub disk: String,
    pub disk_guid: Option<String>,
    pub slot: Option<String>,
    pub version: Option<String>,
    pub code: u8,
    pub class: String,
    pub why: String,
    /// Bytes of the images.
    pub total_bytes: Option<u64>,
    /// Those of them that were there already.
    pub kept_bytes: Option<u64>,
    /// The boot in which it was.
    pub boot_id: Option<String>,
}

impl Entry {
    /// The act of this run.
    pub fn new(verb: &str, disk: Identity, known: &Known, failure: Option<&Failure>) -> Self {
        let exit = failure.map_or(Exit::Done, |failure| failure.code);
        Self {
            time: crate::time::rfc3339(libupdate_linux::time::now()),
            verb: verb.to_owned(),
            disk: cut(&disk.node.display().to_string()),
            disk_guid: disk.guid,
            slot: known.slot.map(|slot| slot.to_string()),
            version: known.version.clone(),
            code: exit.code(),
            class: exit.class().to_owned(),
            why: cut(failure.map_or("", |failure| &failure.why)),
            total_bytes: known.bytes.map(|(total, _)| total),
            kept_bytes: known.bytes.map(|(_, kept)| kept),
            boot_id: file::read_text(Path::new(BOOT_ID), BOOT_ID_BYTES).ok().map(|text| text.trim().to_owned()),
        }
    }

    /// The entry as a line of the file, without its end.
    ///
    /// # Errors
    /// None that is known of.
    pub fn line(&self) -> std::io::Result<String> {
        Ok(output::json(self)?)
    }

    /// The entry in a line; `None` for what is none. Anybody may have written it.
    pub fn of_line(line: &str) -> Option<Self> {
        let entry: Self = serde_json::from_str(line).ok()?;
        let Self { time, verb, disk, disk_guid, slot, version, code, class, why, boot_id, .. } = &entry;
        let moment = |text: &String| text.parse::<Timestamp>().is_ok_and(|moment| moment.to_string() == *text);
        let guid = |text: &String| Guid::parse(text).is_some_and(|guid| guid.to_string() == *text);
        let right = time.as_ref().is_none_or(moment)
            && slot.as_ref().is_none_or(|name| SlotId::from_name(name).is_some())
            && (1..=NAME_BYTES).contains(&verb.len())
            && verb.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
            && Exit::ALL.iter().any(|exit| (exit.code(), exit.class()) == (*code, class.as_str()))
            && [disk_guid, boot_id].iter().all(|text| text.as_ref().is_none_or(guid))
            && version.as_ref().is_none_or(|text| text.len() <= NAME_BYTES)
            && (1..=HISTORY_TEXT_BYTES).contains(&disk.len())
            && why.len() <= HISTORY_TEXT_BYTES;
        right.then_some(entry)
    }

    /// One line for people: what it came to.
    pub fn in_words(&self) -> String {
        let slot = self.slot.as_ref().map_or(String::new(), |slot| format!(", slot {slot}"));
        let version =
            self.version.as_ref().map_or(String::new(), |version| format!(", version {}", Printable(version)));
        let why = if self.why.is_empty() { String::new() } else { format!(": {}", Printable(&self.why)) };
        let time = self.time.as_deref().unwrap_or("at an unknown time");
        format!("{}: {}{slot}{version}{why}, {time}", self.verb, self.class)
    }
}

/// The start of a text that may be long.
fn cut(text: &str) -> String {
    let mut end = text.len().min(HISTORY_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let disk = Identity {
            node: Path::new("/dev/x").to_owned(),
            guid: Some("fe3a2a5d-4f32-41a7-b725-accc3285a309".to_owned()),
        };
        let known = Known { slot: Some(SlotId::B), version: Some("1.2".to_owned()), ..Known::default() };
        let failure = Failure::new(Exit::Busy, "cannot install", "somebody\u{1b} has it ".repeat(100), "wait");
        Entry::new("mark-good", disk, &known, Some(&failure))
    }

    #[test]
    fn a_line_comes_back_and_is_plain_and_bounded() {
        let entry = entry();
        let line = entry.line().unwrap();
        assert_eq!(Entry::of_line(&line), Some(entry.clone()));
        assert!(line.is_ascii() && !line.contains('\u{1b}') && line.len() < 4096, "{line}");
        assert_eq!((entry.code, entry.class.as_str(), entry.why.len()), (6, "busy", HISTORY_TEXT_BYTES));
        assert!(!entry.in_words().contains('\u{1b}'));
    }

    #[test]
    fn what_is_no_entry_is_none() {
        let right: serde_json::Value = serde_json::from_str(&entry().line().unwrap()).unwrap();
        let with = |key: &str, value: serde_json::Value| {
            let mut entry = right.clone();
            entry[key] = value;
            Entry::of_line(&entry.to_string())
        };
        assert!(with("a key of a later version", 1.into()).is_some());
        assert!(with("time", serde_json::Value::Null).is_some());
        let long = "x".repeat(HISTORY_TEXT_BYTES + 1);
        let wrong = [
            ("time", "yesterday"),
            ("time", "2026-11-29T13:46:48+01:00"),
            ("slot", "z"),
            ("verb", "a\u{1b}b"),
            ("verb", ""),
            ("class", "done"),
            ("why", &long),
            ("disk", &long),
            ("disk", ""),
            ("disk_guid", "g"),
            ("boot_id", "b"),
            ("version", &long),
        ];
        for (key, value) in wrong {
            assert!(with(key, value.into()).is_none(), "{key}: {value}");
        }
        assert!(with("code", 0.into()).is_none(), "the class is of another code");
        for line in ["", "{", "[]", "null", "{\"verb\":1}", "\u{fffd}"] {
            assert_eq!(Entry::of_line(line), None, "{line}");
        }
    }
}
