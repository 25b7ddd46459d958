//! What this boot says of the slot that it came from: what the hook left behind, and the kernel's command line.
//!
//! ```json
//! {"schema":1, "slot":"a", "disk":"/dev/vda", "disk_guid":"..", "compatible":"..", "version":"1.4", "root_hash":"..", "tries_left":2,
//!  "trial":false,
//!  "passed_over":[{"slot":"b", "reason":"signature", "detail":".."}]}
//! ```
//!
//! 1. `/run/updater/boot.json`, written by the hook in this boot; keys that this version does not know are skipped.
//! 2. `updater.slot=` on the kernel command line, where a boot loader or `kexec` chose the slot; the last one counts.
//!
//! Here they are only read. What follows from both, and from `--booted`, `running` judges.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use libupdate::SlotId;
use libupdate::units::limits::STATE_BYTES;
use serde::Deserialize;

use crate::error::{OsError, OsErrorKind};
use crate::file;
use crate::kernel_words;
use crate::node::{Node, exists, read};

/// The hook's report.
pub const REPORT: &str = "/run/updater/boot.json";
/// The kernel's command line.
pub const COMMAND_LINE: &str = "/proc/cmdline";

/// What this boot says. A source that is there and says nothing that can be understood is not one that is missing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// The hook's report.
    pub report: Option<Result<BootReport, OsError>>,
    /// The slot on the kernel's command line.
    pub command_line: Option<Result<SlotId, OsError>>,
}

/// What the hook wrote about this boot.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct BootReport {
    /// Version of the report's form.
    schema: u32,
    /// The slot it handed over to.
    #[serde(deserialize_with = "slot")]
    pub slot: SlotId,
    /// The whole disk that it is on.
    #[serde(default)]
    pub disk: Option<PathBuf>,
    /// The GUID of the disk that it chose from.
    #[serde(default)]
    pub disk_guid: Option<String>,
    /// The compatible of its profile.
    #[serde(default)]
    pub compatible: Option<String>,
    /// Version in that slot's manifest.
    #[serde(default)]
    pub version: Option<String>,
    /// Root hash of the slot's root partition, lower-case hex.
    #[serde(default)]
    pub root_hash: Option<String>,
    /// Tries left after this boot's was spent.
    #[serde(default)]
    pub tries_left: Option<u8>,
    /// Whether the slot is on trial.
    #[serde(default)]
    pub trial: bool,
    /// How the slot came to boot: `trial`, `counted`, `good`, `suspect`, ..
    #[serde(default)]
    pub kind: Option<String>,
    /// SHA-256 of the `hook.config` that the hook had, lower-case hex.
    #[serde(default)]
    pub hook_config: Option<String>,
    /// Version of the hook.
    #[serde(default)]
    pub hook_version: Option<String>,
    /// Slots that the hook would have booted before this one, and why it did not.
    #[serde(default)]
    pub passed_over: Vec<PassedOver>,
}

/// A slot that was not booted.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct PassedOver {
    /// The slot.
    #[serde(deserialize_with = "slot")]
    pub slot: SlotId,
    /// The rule, as one word.
    pub reason: String,
    /// What exactly was found.
    #[serde(default)]
    pub detail: String,
}

impl Told {
    /// What this machine says.
    pub fn read() -> Self {
        Self::from_sources(Path::new(REPORT), Path::new(COMMAND_LINE))
    }

    fn from_sources(report: &Path, command_line: &Path) -> Self {
        let not_a_report =
            |_| OsError::new(report, OsErrorKind::Unexpected { wanted: "a report of the boot (schema 1)" });
        let not_a_slot =
            |_| OsError::new(command_line, OsErrorKind::Unexpected { wanted: "a slot's letter after updater.slot=" });
        Self {
            report: state(report).map(|text| from_report(&text?).map_err(not_a_report)),
            command_line: text(command_line)
                .and_then(|text| text.and_then(|text| from_command_line(&text).map_err(not_a_slot)).transpose()),
        }
    }
}

/// The text of a file that may not be there.
fn text(path: &Path) -> Option<Result<String, OsError>> {
    match exists(path) {
        Ok(false) => None,
        Ok(true) => Some(read(path)),
        Err(error) => Some(Err(error)),
    }
}

/// The same of the report, which others could have put something else in the place of.
fn state(path: &Path) -> Option<Result<String, OsError>> {
    match file::read_state(path, STATE_BYTES) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
        read => Some(read.map_err(|error| OsError::io(path, "read", &error))),
    }
}

/// The whole disk that the hook booted from, where it left a report that names one which is there. Without one the disk is searched for;
/// what is wrong with a report is told where the booted slot is asked for.
pub fn disk() -> Option<PathBuf> {
    disk_in(Path::new(REPORT))
}

fn disk_in(report: &Path) -> Option<PathBuf> {
    let disk = from_report(&file::read_state(report, STATE_BYTES).ok()?).ok()?.disk?;
    let node = Node::of(&disk).ok().flatten()?;
    node.partition().is_ok_and(|partition| partition.is_none()).then_some(disk)
}

/// A report or a command line that names no slot where it should.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotASlot;

impl fmt::Display for NotASlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the letter of a slot")
    }
}

impl core::error::Error for NotASlot {}

/// The value of the last `updater.slot=`, by the rules of [`kernel_words`], as the hook has it.
fn from_command_line(line: &str) -> Result<Option<SlotId>, NotASlot> {
    match kernel_words::value(line.as_bytes(), "updater.slot") {
        None => Ok(None),
        Some(name) => str::from_utf8(name).ok().and_then(SlotId::from_name).map(Some).ok_or(NotASlot),
    }
}

fn from_report(text: &str) -> Result<BootReport, serde_json::Error> {
    let report: BootReport = serde_json::from_str(text)?;
    match report.schema {
        1 => Ok(report),
        other => Err(serde::de::Error::custom(format_args!("schema {other}"))),
    }
}

fn slot<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SlotId, D::Error> {
    let name = String::deserialize(deserializer)?;
    SlotId::from_name(&name).ok_or_else(|| serde::de::Error::custom(NotASlot))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_command_line_names_the_slot() {
        assert_eq!(from_command_line("quiet updater.slot=b panic=5\n"), Ok(Some(SlotId::B)));
        assert_eq!(from_command_line("updater.slot=a updater.slot=b"), Ok(Some(SlotId::B)));
        assert_eq!(from_command_line("quiet xupdater.slot=b -- updater.slot=a"), Ok(None));
        assert_eq!(from_command_line("note=\"not updater.slot=a here\" updater.slot=\"b\""), Ok(Some(SlotId::B)));
        assert_eq!(from_command_line("updater.slot="), Err(NotASlot));
        assert_eq!(from_command_line("updater.slot=B"), Err(NotASlot));
    }

    #[test]
    fn the_report_needs_its_schema_and_slot_and_keeps_what_it_does_not_know_out() {
        let full = r#"{"schema":1,"slot":"a","version":"1.4","trial":true,"tries_left":2,"future":[1],
            "passed_over":[{"slot":"b","reason":"signature"}]}"#;
        let report = from_report(full).unwrap();
        assert_eq!((report.slot, report.trial, report.tries_left), (SlotId::A, true, Some(2)));
        assert_eq!(report.passed_over[0].slot, SlotId::B);
        assert!(from_report(r#"{"schema":2,"slot":"a"}"#).is_err());
        assert!(from_report(r#"{"schema":1}"#).is_err());
        assert!(from_report(r#"{"schema":1,"slot":"z"}"#).is_err());
        assert!(from_report("").is_err());
    }

    #[test]
    fn a_source_that_says_nothing_is_not_one_that_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let (report, line) = (folder.path().join("boot.json"), folder.path().join("cmdline"));
        let told = || Told::from_sources(&report, &line);
        assert_eq!(told(), Told::default());
        fs::write(&line, "updater.slot=b").unwrap();
        assert_eq!(told(), Told { report: None, command_line: Some(Ok(SlotId::B)) });
        fs::write(&report, r#"{"schema":1,"slot":"a","disk_guid":"g"}"#).unwrap();
        let written = told().report.unwrap().unwrap();
        assert_eq!((written.slot, written.disk_guid.as_deref()), (SlotId::A, Some("g")));
        fs::write(&line, "quiet").unwrap();
        assert_eq!(told().command_line, None);
        fs::write(&line, "updater.slot=B").unwrap();
        fs::write(&report, "{").unwrap();
        let unexpected = |error: OsError| matches!(error.kind(), OsErrorKind::Unexpected { .. });
        assert!(unexpected(told().report.unwrap().unwrap_err()));
        assert!(unexpected(told().command_line.unwrap().unwrap_err()));
        fs::write(&report, vec![b' '; 1 << 20]).unwrap();
        assert!(told().report.unwrap().unwrap_err().to_string().contains("has more than 65536 bytes"));
    }

    #[test]
    fn a_report_that_is_no_file_stops_nobody_for_long() {
        let folder = tempfile::tempdir().unwrap();
        let report = folder.path().join("boot.json");
        let told = || Told::from_sources(&report, Path::new("/nonexistent")).report.unwrap().unwrap_err().to_string();
        assert!(std::process::Command::new("mkfifo").arg(&report).status().unwrap().success());
        assert!(told().ends_with("boot.json: it is not a regular file"), "{}", told());
        fs::rename(&report, folder.path().join("fifo")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("gone"), &report).unwrap();
        assert!(told().contains("it is a symbolic link"), "{}", told());
    }
}
