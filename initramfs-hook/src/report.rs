//! `/run/updater/boot.json`: what the running system learns about its boot. `docs/FORMAT.md`, section 10, has its keys.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use libupdate::boot::Setback;
use libupdate::{Digest, SlotId};
use libupdate_linux::file;

/// Where it is read.
pub const PATH: &str = "/run/updater/boot.json";
/// The hook's.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is known of a boot that is handed over.
#[derive(Clone, Debug)]
pub struct Report {
    /// The slot.
    pub slot: SlotId,
    /// The whole disk that it is on.
    pub disk: String,
    /// The GUID of the disk that it is on.
    pub disk_guid: String,
    /// The profile's compatible.
    pub compatible: String,
    /// SHA-256 of the hook's configuration, as it was read.
    pub hook_config: Digest,
    /// How it came to boot.
    pub kind: &'static str,
    /// Its version.
    pub version: String,
    /// The root partition's root hash.
    pub root_hash: String,
    /// What is left after this boot's try.
    pub tries_left: u8,
    /// Whether it has yet to complete a boot.
    pub trial: Trial,
    /// Each partition's verity device, by role.
    pub devices: Vec<(String, String)>,
    /// Slots that would have come before it.
    pub passed_over: Vec<(SlotId, Setback)>,
    /// Seconds that a person has to confirm the trial.
    pub confirm_seconds: Option<u32>,
    /// Why an earlier boot of the same trial was not marked good.
    pub earlier: Option<Setback>,
}

/// Whether a slot has yet to complete a boot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trial {
    /// It has.
    No,
    /// It has not.
    Yes,
}

impl Report {
    /// The file's text.
    pub fn json(&self) -> String {
        let Self { slot, disk, disk_guid, compatible, hook_config, kind, version, root_hash, .. } = self;
        let Self { tries_left, trial, devices, passed_over, confirm_seconds, earlier, .. } = self;
        let trial = *trial == Trial::Yes;
        let devices: Vec<String> =
            devices.iter().map(|(role, node)| format!("{}:{}", quoted(role), quoted(node))).collect();
        let passed = |(slot, setback): &(SlotId, Setback)| format!(r#"{{"slot":"{slot}",{}}}"#, reason(setback));
        let passed: Vec<String> = passed_over.iter().map(passed).collect();
        let (disk, version, devices, passed) = (quoted(disk), quoted(version), devices.join(","), passed.join(","));
        let whose = format!(r#""disk":{disk},"disk_guid":"{disk_guid}","compatible":{}"#, quoted(compatible));
        let head = format!(
            r#""schema":1,"slot":"{slot}","kind":"{kind}","version":{version},"root_hash":"{root_hash}",{whose}"#
        );
        let hook = format!(r#""hook_config":"{hook_config}","hook_version":"{VERSION}""#);
        let tail = format!(
            r#"{hook},"tries_left":{tries_left},"trial":{trial},"devices":{{{devices}}},"passed_over":[{passed}]"#
        );
        let confirm = confirm_seconds.map(|seconds| format!(r#","confirm_seconds":{seconds}"#)).unwrap_or_default();
        let earlier = earlier.as_ref().map(|one| format!(r#","earlier":{{{}}}"#, reason(one))).unwrap_or_default();
        format!("{{{head},{tail}{confirm}{earlier}}}\n")
    }

    /// Writes the file.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self) -> io::Result<()> {
        file::write_state(Path::new(PATH), self.json().as_bytes())
    }
}

/// A reason's two members.
fn reason(setback: &Setback) -> String {
    format!(r#""reason":"{}","detail":{}"#, setback.reason.word(), quoted(setback.detail.as_str()))
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut json = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => json.extend(['\\', letter]),
            ' '..='~' => json.push(letter),
            other => other.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                // Writing to a string does not fail.
                write!(json, "\\u{unit:04x}").unwrap_or_default();
            }),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use libupdate::boot::Reason;

    use super::*;

    fn full() -> Report {
        Report {
            slot: SlotId::A,
            disk: "/dev/vda".into(),
            disk_guid: "fe3a2a5d-4f32-41a7-b725-accc3285a309".into(),
            compatible: "test-box".into(),
            hook_config: Digest::of(&[b"hello"]),
            kind: "counted",
            version: "1.4".into(),
            root_hash: "ab".repeat(32),
            tries_left: 2,
            trial: Trial::No,
            devices: vec![("root".into(), "/dev/dm-0".into())],
            passed_over: vec![(SlotId::B, Setback::new(Reason::MOUNT, "a \"quote\" and a \\"))],
            confirm_seconds: Some(600),
            earlier: Some(Setback::new(Reason::HEALTH_CHECK, "net")),
        }
    }

    /// The schema for whoever reads it beside `updater-cli` names the same keys.
    #[test]
    fn the_schema_has_every_key() {
        let schema: serde_json::Value = serde_json::from_str(include_str!("../../docs/schema.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&full().json()).unwrap();
        let keys = |object: &serde_json::Value| object.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&json), keys(&schema["$defs"]["boot-report"]["properties"]));
        assert_eq!(keys(&json["passed_over"][0]), keys(&schema["$defs"]["passed-over"]["properties"]));
    }

    #[test]
    fn a_json_reader_finds_every_key() {
        let report = full();
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!((&json["schema"], &json["slot"]), (&1.into(), &"a".into()));
        assert_eq!(json["disk_guid"], "fe3a2a5d-4f32-41a7-b725-accc3285a309");
        assert_eq!(json["compatible"], "test-box");
        assert_eq!((&json["version"], &json["tries_left"], &json["trial"]), (&"1.4".into(), &2.into(), &false.into()));
        assert_eq!((&json["disk"], &json["devices"]["root"]), (&"/dev/vda".into(), &"/dev/dm-0".into()));
        let digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert_eq!((&json["hook_config"], &json["hook_version"]), (&digest.into(), &VERSION.into()));
        assert_eq!(json["passed_over"][0]["reason"], "mount");
        assert_eq!(json["passed_over"][0]["detail"], "a \"quote\" and a \\");
        assert_eq!((&json["confirm_seconds"], &json["earlier"]["reason"]), (&600.into(), &"health-check".into()));
    }

    #[test]
    fn control_characters_and_foreign_letters_are_escaped() {
        let text = "tab\t ü \u{1f600} \u{1b}[2J";
        assert!(quoted(text).is_ascii());
        assert_eq!(serde_json::from_str::<String>(&quoted(text)).unwrap(), text);
    }
}
