//! What this boot says of itself: `boot.json`, and which slot runs by all that is known.

use std::path::Path;

use libupdate_linux::booted::{REPORT, Told};
use libupdate_linux::running::{Doubt, Running};

use super::row::Row;
use crate::open_device::OpenDevice;

const NAME: &str = "boot-report";
/// `TMPFS_MAGIC` and `RAMFS_MAGIC` of linux/magic.h.
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// What is known.
struct Seen {
    file: bool,
    report: Report,
    running: Running,
    doubt: Option<String>,
    /// Whether the report is gone after the boot.
    in_memory: bool,
}

enum Report {
    None,
    Unreadable(String),
    Understood,
}

/// The check.
pub fn row(opened: &OpenDevice, told: &Told, doubt: Option<&Doubt>) -> Row {
    let report = match &told.report {
        None => Report::None,
        Some(Ok(_)) => Report::Understood,
        Some(Err(error)) => Report::Unreadable(super::said(error)),
    };
    let kind = rustix::fs::statfs(Path::new(REPORT)).map(|facts| u64::try_from(facts.f_type).unwrap_or_default());
    judge(&Seen {
        file: opened.is_file(),
        report,
        running: opened.running,
        doubt: doubt.map(ToString::to_string),
        in_memory: kind.is_ok_and(|kind| IN_MEMORY.contains(&kind)),
    })
}

fn judge(seen: &Seen) -> Row {
    let boot = "boot through the initramfs hook, or say with --booted which slot runs";
    match seen {
        Seen { file: true, .. } => Row::skipped(NAME, "no system runs from a disk image file"),
        Seen { doubt: Some(doubt), .. } => Row::error(NAME, doubt.as_str(), boot),
        Seen { report: Report::Unreadable(why), .. } => Row::error(NAME, why.as_str(), boot),
        Seen { running: Running::Elsewhere, .. } => Row::skipped(NAME, "the system does not run from this disk"),
        Seen { running: Running::Unknown, .. } => {
            Row::error(NAME, format!("there is no {REPORT}, and it is not known which slot runs"), boot)
        }
        Seen { report: Report::None, running: Running::Slot(slot), .. } => {
            let detail = format!("there is no {REPORT}; by the kernel's command line or by --booted slot {slot} runs");
            Row::warning(NAME, detail, boot)
        }
        Seen { in_memory: false, running: Running::Slot(slot), .. } => {
            let detail = format!("slot {slot} runs by {REPORT}, which is not in memory: it may be of an earlier boot");
            Row::warning(NAME, detail, "mount a tmpfs on /run")
        }
        Seen { running: Running::Slot(slot), .. } => Row::ok(NAME, format!("slot {slot} runs")),
    }
}

#[cfg(test)]
mod tests {
    use libupdate::SlotId;

    use super::super::row::State;
    use super::*;

    fn seen(report: Report, running: Running) -> Seen {
        Seen { file: false, report, running, doubt: None, in_memory: true }
    }

    #[test]
    fn a_boot_that_says_which_slot_runs_is_as_it_should_be() {
        let a = Running::Slot(SlotId::A);
        assert_eq!(judge(&seen(Report::Understood, a)).told(), (State::Ok, "slot a runs"));
        assert_eq!(judge(&Seen { in_memory: false, ..seen(Report::Understood, a) }).state, State::Warning);
        assert_eq!(judge(&seen(Report::None, a)).state, State::Warning);
        assert_eq!(judge(&seen(Report::None, Running::Unknown)).state, State::Error);
        assert_eq!(judge(&seen(Report::Unreadable("a link".into()), a)).state, State::Error);
        assert_eq!(judge(&Seen { doubt: Some("x".into()), ..seen(Report::Understood, a) }).state, State::Error);
        assert_eq!(judge(&seen(Report::Understood, Running::Elsewhere)).state, State::Skipped);
        assert_eq!(judge(&Seen { file: true, ..seen(Report::None, Running::Unknown) }).state, State::Skipped);
    }
}
