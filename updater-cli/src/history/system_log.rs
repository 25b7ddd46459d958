//! The same entry for the system's log: one datagram to journald's own socket, else to whoever listens at `/dev/log`.
//!
//! ```text
//!  journald  MESSAGE=verb=install event=end ..      MESSAGE_ID=<of a start or an end>   PRIORITY=6   SYSLOG_IDENTIFIER=updater-cli
//!            UPDATER_VERB=install  UPDATER_EVENT=end  UPDATER_SLOT=b ..  UPDATER_HASH=<of the line in the history>
//!  /dev/log  <30>updater-cli[812]: verb=install event=end class=done code=0 disk=/dev/vda slot=b version=1.2 ..      <27> (an error) where it failed
//! ```
//!
//! 1. journald: systemd's native journal protocol, with a message id for starts and one for ends, so that `journalctl MESSAGE_ID=..` finds all of them.
//! 2. `/dev/log`: RFC 3164. Off-spec: no time and no host, which every listener at a local socket puts there by itself.
//! 3. In the message each field is `name=value`; a value with anything but letters, digits and `._+~:/-` is a JSON string. Fields without a
//!    value are left out.
//! 4. Nobody listens, or does not keep up: the message is lost, and the act does not wait.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use super::Entry;
use crate::exit::Exit;
use crate::output;

/// Where journald listens for fields.
const JOURNAL: &str = "/run/systemd/journal/socket";
/// Where every system's log listens.
const DEV_LOG: &str = "/dev/log";
/// Of the start of an act, and of its end.
const START_ID: &str = "9805844a74324a388c2e7110845c3723";
const END_ID: &str = "baf37ce586904241ac9797220eb34a76";
/// The system's services.
const FACILITY: u8 = 3;
const INFORMATION: u8 = 6;
const ERROR: u8 = 3;

/// Tells the log of an entry, if somebody listens.
pub fn tell(entry: &Entry) {
    tell_at([JOURNAL, DEV_LOG].map(Path::new), entry);
}

fn tell_at([journal, dev_log]: [&Path; 2], entry: &Entry) {
    let Some(message) = Message::of(entry) else { return };
    // The act goes on, or is done, and the history has it.
    drop(send(journal, &message.native()).or_else(|_| send(dev_log, message.rfc3164().as_bytes())));
}

fn send(socket: &Path, bytes: &[u8]) -> io::Result<usize> {
    let here = UnixDatagram::unbound()?;
    here.set_nonblocking(true)?;
    here.send_to(bytes, socket)
}

/// What the log is told.
struct Message {
    severity: u8,
    id: &'static str,
    fields: Vec<(&'static str, String)>,
    text: String,
    hash: String,
}

impl Message {
    fn of(entry: &Entry) -> Option<Self> {
        let fields = fields(entry);
        let mut text = String::new();
        for (name, value) in &fields {
            let value = if value.chars().all(plain) { value.clone() } else { output::json(value).ok()? };
            text += &format!(" {name}={value}");
        }
        let quiet = [Exit::Done, Exit::Nothing].iter().any(|exit| Some(exit.code()) == entry.code) || !entry.is_end();
        Some(Self {
            severity: if quiet { INFORMATION } else { ERROR },
            id: if entry.is_end() { END_ID } else { START_ID },
            fields,
            text: text.trim_start().to_owned(),
            hash: entry.hash.clone().unwrap_or_default(),
        })
    }

    fn rfc3164(&self) -> String {
        format!("<{}>updater-cli[{}]: {}", FACILITY << 3 | self.severity, std::process::id(), self.text)
    }

    fn native(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut add = |name: &str, value: &str| {
            // By the protocol, a value with a line feed has its length before it.
            if value.contains('\n') {
                let len = u64::try_from(value.len()).unwrap_or_default();
                bytes.extend([name.as_bytes(), b"\n", &len.to_le_bytes(), value.as_bytes(), b"\n"].concat());
            } else {
                bytes.extend(format!("{name}={value}\n").into_bytes());
            }
        };
        add("MESSAGE", &self.text);
        add("MESSAGE_ID", self.id);
        add("PRIORITY", &self.severity.to_string());
        add("SYSLOG_FACILITY", &FACILITY.to_string());
        add("SYSLOG_IDENTIFIER", "updater-cli");
        for (name, value) in &self.fields {
            add(&format!("UPDATER_{}", name.to_ascii_uppercase()), value);
        }
        add("UPDATER_HASH", &self.hash);
        bytes
    }
}

/// What is known, in the order of the message.
fn fields(entry: &Entry) -> Vec<(&'static str, String)> {
    let Entry { verb, disk, disk_guid, booted, slot, from_version, from_state, version, to_state, why, .. } = entry;
    let number = |value: Option<u64>| value.map(|value| value.to_string());
    let fields = [
        ("verb", Some(verb.clone())),
        ("event", Some(if entry.is_end() { "end" } else { "start" }.to_owned())),
        ("class", entry.class.clone()),
        ("code", number(entry.code.map(u64::from))),
        ("disk", Some(disk.clone())),
        ("disk_guid", disk_guid.clone()),
        ("booted", booted.clone()),
        ("slot", slot.clone()),
        ("from_version", from_version.clone()),
        ("from_state", from_state.clone()),
        ("version", version.clone()),
        ("to_state", to_state.clone()),
        ("total_bytes", number(entry.total_bytes)),
        ("kept_bytes", number(entry.kept_bytes)),
        ("login_uid", number(entry.login_uid.map(u64::from))),
        ("uid", number(entry.uid.map(u64::from))),
        ("why", Some(why.clone()).filter(|why| !why.is_empty())),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "._+~:/-".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Entry {
        let entry = r#"{"time":"2026-11-29T13:46:48Z","verb":"install","disk":"/dev/vda","disk_guid":null,"slot":"b","version":null,
            "code":4,"class":"not-authentic","why":"a \"b\"\u001b\nc","total_bytes":7,"kept_bytes":null,"boot_id":null}"#;
        Entry::of_line(entry).unwrap()
    }

    fn heard(log: &UnixDatagram) -> Vec<u8> {
        let mut bytes = [0; 4096];
        let len = log.recv(&mut bytes).unwrap();
        bytes[..len].to_vec()
    }

    #[test]
    fn a_listener_reads_the_fields_and_its_absence_is_nothing() {
        let entry = failed();
        let folder = tempfile::tempdir().unwrap();
        let sockets = [folder.path().join("journal"), folder.path().join("log")];
        let tell = || tell_at(sockets.each_ref().map(std::path::PathBuf::as_path), &entry);
        tell();
        let log = UnixDatagram::bind(&sockets[1]).unwrap();
        tell();
        let text = String::from_utf8(heard(&log)).unwrap();
        let (head, fields) = text.split_once("]: ").unwrap();
        assert!(head.starts_with("<27>updater-cli["), "{text}");
        let wanted = r#"verb=install event=end class=not-authentic code=4 disk=/dev/vda slot=b total_bytes=7 why="a \"b\"\u001b\nc""#;
        assert_eq!(fields, wanted);
        // Where journald listens, it alone is told.
        let journal = UnixDatagram::bind(&sockets[0]).unwrap();
        tell();
        let bytes = heard(&journal);
        let field = |wanted: &[u8]| bytes.windows(wanted.len()).any(|there| there == wanted);
        for wanted in [&b"PRIORITY=3\n"[..], b"UPDATER_CODE=4\n", b"UPDATER_WHY\n\x08\0\0\0\0\0\0\0a \"b\"\x1b\nc\n"] {
            assert!(field(wanted), "{}", String::from_utf8_lossy(&bytes));
        }
        assert!(bytes.starts_with(format!("MESSAGE={wanted}\nMESSAGE_ID={END_ID}\n").as_bytes()));
        log.set_nonblocking(true).unwrap();
        assert_eq!(log.recv(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    /// A listener that takes nothing from its socket stops nobody.
    #[test]
    fn a_log_that_does_not_keep_up_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("log");
        let _log = UnixDatagram::bind(&socket).unwrap();
        let entry = failed();
        (0..2000).for_each(|_| tell_at([&socket, &socket], &entry));
    }
}
