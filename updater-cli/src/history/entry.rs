//! One line of the history: the start of an act, or its end.
//!
//! ```json
//! {"previous":"..","event":"start","time":"2026-11-29T13:46:48Z","verb":"install","disk":"/dev/vda","disk_guid":"..","booted":"a","slot":"b",
//!  "from_version":"1.1","from_state":"good","version":"1.2","code":null,"class":null,"why":"","total_bytes":null,"kept_bytes":null,
//!  "boot_id":"..","login_uid":1000,"uid":0,"process":812,"hash":".."}
//! {"previous":"..","event":"end", .. ,"version":"1.2","to_state":"trial","code":0,"class":"done","why":"","total_bytes":1288490188, .. }
//! ```
//!
//! An earlier form had the end alone, without `event`, hashes, and who did it.

use std::path::Path;

use jiff::Timestamp;
use libupdate::SlotId;
use libupdate::gpt::Guid;
use libupdate::units::limits::{HISTORY_TEXT_BYTES, NAME_BYTES};
use libupdate_linux::file;
use serde::{Deserialize, Serialize};

use super::record::Known;
use super::{INSTALL, Identity, OFFLINE, chain};
use crate::exit::{Exit, Failure};
use crate::output::Printable;

/// This boot, in the kernel's words.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const BOOT_ID_BYTES: u64 = 64;
const LOGIN_UID: &str = "/proc/self/loginuid";
const LOGIN_UID_BYTES: u64 = 16;

/// What a line says of an act.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// It begins.
    Start,
    /// It has ended.
    End,
}

/// An act that begins, or how it ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The hash of the line before; `None` in the earlier form, as all that it lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Event>,
    /// RFC 3339; `None` where the clock was not set.
    pub time: Option<String>,
    pub verb: String,
    /// Its node at that time.
    pub disk: String,
    pub disk_guid: Option<String>,
    /// The slot that ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub booted: Option<String>,
    /// The slot that is changed.
    pub slot: Option<String>,
    /// What was in it, and how it stood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_state: Option<String>,
    /// What is in it now, or was to be.
    pub version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_state: Option<String>,
    /// How it ended; `None` of a start.
    pub code: Option<u8>,
    pub class: Option<String>,
    pub why: String,
    /// Bytes of the images.
    pub total_bytes: Option<u64>,
    /// Those of them that were there already.
    pub kept_bytes: Option<u64>,
    /// The boot in which it was.
    pub boot_id: Option<String>,
    /// Who logged in, in the kernel's audit; `None` for services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_uid: Option<u32>,
    /// Who ran it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<u32>,
    /// Of the entry that made a full file shorter: lines of old installations at its start, and the SHA-256 of all that is before this entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carried_lines: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// SHA-256 of the line without this member, which is the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

impl Entry {
    /// The start of the act of this run.
    pub fn start(verb: &str, disk: &Identity, known: &Known) -> Self {
        Self {
            previous: None,
            event: Some(Event::Start),
            time: crate::time::rfc3339(libupdate_linux::time::now()),
            verb: verb.to_owned(),
            disk: cut(&disk.node.display().to_string()),
            disk_guid: disk.guid.clone(),
            booted: known.booted.map(|slot| slot.to_string()),
            slot: known.slot.map(|slot| slot.to_string()),
            from_version: known.from.as_ref().and_then(|(version, _)| version.clone()),
            from_state: known.from.as_ref().map(|(_, state)| state.word().to_owned()),
            version: known.version.clone(),
            to_state: None,
            code: None,
            class: None,
            why: String::new(),
            total_bytes: None,
            kept_bytes: None,
            boot_id: file::read_text(Path::new(BOOT_ID), BOOT_ID_BYTES).ok().map(|text| text.trim().to_owned()),
            login_uid: login_uid(),
            uid: Some(rustix::process::getuid().as_raw()),
            process: Some(std::process::id()),
            carried_lines: None,
            kept: None,
            hash: None,
        }
    }

    /// Its end.
    pub fn end(verb: &str, disk: &Identity, known: &Known, failure: Option<&Failure>) -> Self {
        let exit = failure.map_or(Exit::Done, |failure| failure.code);
        Self {
            event: Some(Event::End),
            to_state: known.to.map(|state| state.word().to_owned()),
            code: Some(exit.code()),
            class: Some(exit.class().to_owned()),
            why: cut(failure.map_or("", |failure| &failure.why)),
            total_bytes: known.bytes.map(|(total, _)| total),
            kept_bytes: known.bytes.map(|(_, kept)| kept),
            ..Self::start(verb, disk, known)
        }
    }

    /// Whether it is of an installation.
    pub fn is_installation(&self) -> bool {
        [INSTALL, OFFLINE].contains(&self.verb.as_str())
    }

    /// Whether it says how an act ended.
    pub fn is_end(&self) -> bool {
        self.event != Some(Event::Start)
    }

    /// Whether this end is of the act that `start` began.
    pub fn ends(&self, start: &Self) -> bool {
        let act = |entry: &Self| (entry.verb.clone(), entry.process, entry.boot_id.clone());
        self.is_end() && act(self) == act(start)
    }

    /// The entry in a line; `None` for what is none. Anybody may have written it.
    pub fn of_line(line: &str) -> Option<Self> {
        let entry: Self = serde_json::from_str(line).ok()?;
        (entry.names_are_right() && entry.result_is_right() && entry.links_are_right()).then_some(entry)
    }

    fn names_are_right(&self) -> bool {
        let Self { time, verb, disk, disk_guid, booted, slot, from_version, version, boot_id, .. } = self;
        let moment = |text: &String| text.parse::<Timestamp>().is_ok_and(|moment| moment.to_string() == *text);
        let guid = |text: &String| Guid::parse(text).is_some_and(|guid| guid.to_string() == *text);
        let word = |text: &String| {
            (1..=NAME_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        };
        time.as_ref().is_none_or(moment)
            && [booted, slot].iter().all(|name| name.as_ref().is_none_or(|name| SlotId::from_name(name).is_some()))
            && word(verb)
            && [&self.from_state, &self.to_state].iter().all(|state| state.as_ref().is_none_or(word))
            && [disk_guid, boot_id].iter().all(|text| text.as_ref().is_none_or(guid))
            && [from_version, version].iter().all(|text| text.as_ref().is_none_or(|text| text.len() <= NAME_BYTES))
            && (1..=HISTORY_TEXT_BYTES).contains(&disk.len())
    }

    fn result_is_right(&self) -> bool {
        let result = match (self.code, self.class.as_deref()) {
            (None, None) => !self.is_end(),
            (Some(code), Some(class)) => {
                self.is_end() && Exit::ALL.iter().any(|exit| (exit.code(), exit.class()) == (code, class))
            }
            _ => false,
        };
        result && self.why.len() <= HISTORY_TEXT_BYTES
    }

    fn links_are_right(&self) -> bool {
        let Self { previous, kept, hash, .. } = self;
        previous.is_some() == hash.is_some()
            && [previous, kept, hash].iter().all(|text| text.as_ref().is_none_or(|text| chain::is_hash(text)))
    }

    /// One line for people: what it came to.
    pub fn in_words(&self) -> String {
        let slot = self.slot.as_ref().map_or(String::new(), |slot| format!(", slot {slot}"));
        let version =
            self.version.as_ref().map_or(String::new(), |version| format!(", version {}", Printable(version)));
        let why = if self.why.is_empty() { String::new() } else { format!(": {}", Printable(&self.why)) };
        let time = self.time.as_deref().unwrap_or("at an unknown time");
        let class = self.class.as_deref().unwrap_or("has begun");
        format!("{}: {class}{slot}{version}{why}, {time}", self.verb)
    }
}

/// Whose login it is, by the kernel's audit, where it knows.
fn login_uid() -> Option<u32> {
    let text = file::read_text(Path::new(LOGIN_UID), LOGIN_UID_BYTES).ok()?;
    // By proc(5), 4294967295 is nobody's.
    text.trim().parse().ok().filter(|uid| *uid != u32::MAX)
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
    use crate::output;

    fn entry() -> Entry {
        let disk = Identity {
            node: Path::new("/dev/x").to_owned(),
            guid: Some("fe3a2a5d-4f32-41a7-b725-accc3285a309".to_owned()),
        };
        let known = Known { slot: Some(SlotId::B), version: Some("1.2".to_owned()), ..Known::default() };
        let failure = Failure::new(Exit::Busy, "cannot install", "somebody\u{1b} has it ".repeat(100), "wait");
        Entry::end("mark-good", &disk, &known, Some(&failure))
    }

    fn line(entry: &Entry) -> String {
        output::json(entry).unwrap()
    }

    #[test]
    fn a_line_comes_back_and_is_plain_and_bounded() {
        let entry = entry();
        let line = line(&entry);
        assert_eq!(Entry::of_line(&line), Some(entry.clone()));
        assert!(line.is_ascii() && !line.contains('\u{1b}') && line.len() < 4096, "{line}");
        assert_eq!((entry.code, entry.class.as_deref(), entry.why.len()), (Some(6), Some("busy"), HISTORY_TEXT_BYTES));
        assert!(!entry.in_words().contains('\u{1b}'));
    }

    #[test]
    fn what_is_no_entry_is_none() {
        let right: serde_json::Value = serde_json::from_str(&line(&entry())).unwrap();
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
