//! The same entry for the system's log: one datagram to whoever listens at `/dev/log`, journald or syslogd.
//!
//! ```text
//!  <30>updater-cli[812]: verb=install class=done code=0 disk=/dev/vda slot=b version=1.2 ..      <27> (an error) where it failed
//! ```
//!
//! 1. RFC 3164. Off-spec: no time and no host, which every listener at a local socket puts there by itself.
//! 2. Each field is `name=value`; a value with anything but letters, digits and `._+~:/-` is a JSON string. Fields without a value are left
//!    out.
//! 3. Nobody listens, or does not keep up: the message is lost, and the act does not wait.

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use super::Entry;
use crate::exit::Exit;
use crate::output;

/// Where the log listens.
pub const SOCKET: &str = "/dev/log";
/// Facility 3, the system's services, and severity 6 or 3.
const INFORMATION: u8 = 3 << 3 | 6;
const ERROR: u8 = 3 << 3 | 3;

/// Tells the log of an act, if somebody listens.
pub fn tell(socket: &Path, entry: &Entry) {
    let Some(message) = message(entry) else { return };
    let sent = UnixDatagram::unbound().and_then(|here| {
        here.set_nonblocking(true)?;
        here.send_to(message.as_bytes(), socket)
    });
    // The act is done, and the history has it.
    drop(sent);
}

fn message(entry: &Entry) -> Option<String> {
    let Entry { verb, disk, disk_guid, slot, version, code, class, why, total_bytes, kept_bytes, .. } = entry;
    let number = |value: &Option<u64>| value.map(|value| value.to_string());
    let fields = [
        ("verb", Some(verb.clone())),
        ("class", Some(class.clone())),
        ("code", Some(code.to_string())),
        ("disk", Some(disk.clone())),
        ("disk_guid", disk_guid.clone()),
        ("slot", slot.clone()),
        ("version", version.clone()),
        ("total_bytes", number(total_bytes)),
        ("kept_bytes", number(kept_bytes)),
        ("why", Some(why.clone()).filter(|why| !why.is_empty())),
    ];
    let quiet = [Exit::Done, Exit::Nothing].iter().any(|exit| exit.code() == *code);
    let severity = if quiet { INFORMATION } else { ERROR };
    let mut text = format!("<{severity}>updater-cli[{}]:", std::process::id());
    for (name, value) in fields {
        let Some(value) = value else { continue };
        let value = if value.chars().all(plain) { value } else { output::json(&value).ok()? };
        text += &format!(" {name}={value}");
    }
    Some(text)
}

fn plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "._+~:/-".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_reads_the_fields_and_its_absence_is_nothing() {
        let entry = r#"{"time":"2026-11-29T13:46:48Z","verb":"install","disk":"/dev/vda","disk_guid":null,"slot":"b","version":null,
            "code":4,"class":"not-authentic","why":"a \"b\"\u001b","total_bytes":7,"kept_bytes":null,"boot_id":null}"#;
        let entry = Entry::of_line(entry).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("log");
        tell(&socket, &entry);
        let log = UnixDatagram::bind(&socket).unwrap();
        tell(&socket, &entry);
        let mut bytes = [0; 4096];
        let len = log.recv(&mut bytes).unwrap();
        let text = str::from_utf8(&bytes[..len]).unwrap();
        let (head, fields) = text.split_once("]: ").unwrap();
        assert!(head.starts_with("<27>updater-cli["), "{text}");
        let wanted =
            r#"verb=install class=not-authentic code=4 disk=/dev/vda slot=b total_bytes=7 why="a \"b\"\u001b""#;
        assert_eq!(fields, wanted);
    }

    /// A listener that takes nothing from its socket stops nobody.
    #[test]
    fn a_log_that_does_not_keep_up_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("log");
        let _log = UnixDatagram::bind(&socket).unwrap();
        let line = r#"{"time":null,"verb":"repair","disk":"/dev/x","code":0,"class":"done","why":""}"#;
        let entry = Entry::of_line(line).unwrap();
        (0..2000).for_each(|_| tell(&socket, &entry));
    }
}
