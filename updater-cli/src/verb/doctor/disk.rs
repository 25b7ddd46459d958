//! The disk: which one the next boot finds, whether it can be written, and whether slots begin where its sectors do.

use std::path::{Path, PathBuf};

use libupdate::BlockIo as _;
use libupdate::inspect::Inspection;
use libupdate::units::limits::SYSTEM_BYTES;
use libupdate_linux::booted::Told;
use libupdate_linux::find::{self, Found};
use libupdate_linux::profile::Profile;
use libupdate_linux::profile::disk::holds_slots;
use libupdate_linux::{DiskKind, OsError, file};

use super::Machine;
use super::row::Row;
use crate::open_device::OpenDevice;

const NAME: &str = "disk";
const OTHERS: &str = "other-disks";
const PROTECTION: &str = "write-protection";
const SECTORS: &str = "sectors";

/// The checks.
pub fn rows(
    profile: &Profile,
    opened: &OpenDevice,
    inspection: &Inspection<'_>,
    told: &Told,
    machine: Machine,
) -> Vec<Row> {
    let path = opened.disk.path();
    let mut rows = match machine {
        Machine::Here => {
            let specs = profile.specs();
            let found = find::whole_disk(&profile.disk, |node| holds_slots(node, &profile.disk, &specs));
            let runs = super::understood(told).and_then(|report| report.disk.clone());
            judge(&named(runs.as_deref().unwrap_or(path)), &found.map(|found| (named(&found.disk), found)))
        }
        Machine::Elsewhere => vec![Row::ok(NAME, path.display().to_string())],
    };
    if let DiskKind::Device(node) = opened.disk.kind() {
        rows.push(judge_protection(path, node.name().and_then(read_only).as_deref()));
    }
    let physical = opened.disk.physical_block_size().bytes_u64();
    let slots = inspection.slots.slots().iter().flat_map(|slot| slot.partitions.iter());
    let starts = slots.map(|partition| {
        let extent = partition.extent;
        (partition.label.to_owned(), extent.first().get().saturating_mul(extent.block_size().bytes_u64()))
    });
    rows.push(judge_sectors([opened.disk.block_size().bytes_u64(), physical], &starts.collect::<Vec<_>>()));
    rows
}

/// The kernel's own name: links to a node differ from system to system.
fn named(node: &Path) -> PathBuf {
    std::fs::canonicalize(node).unwrap_or_else(|_| node.to_owned())
}

/// The disk that the system runs from, against the one that the next boot finds.
fn judge(runs: &Path, found: &Result<(PathBuf, Found), OsError>) -> Vec<Row> {
    let runs_from = runs.display();
    let distinct = "have the profile name it: `node`, `bus` or `guid` in [disk]; or take the other one out";
    let (node, found) = match found {
        Ok(found) => found,
        Err(error) => {
            let detail = format!("the system runs from {runs_from}, and the next boot may not find it: {error}");
            return vec![Row::error(NAME, detail, distinct)];
        }
    };
    let disk = if node == runs {
        Row::ok(NAME, format!("{runs_from}: the next boot finds it, too"))
    } else {
        let detail = format!("the system runs from {runs_from}, and the next boot finds {}", node.display());
        Row::error(NAME, detail, distinct)
    };
    let others: Vec<String> = found.passed_over.iter().map(ToString::to_string).collect();
    let others = if others.is_empty() {
        Row::ok(OTHERS, "no other drive is in the way")
    } else {
        let next = "each boot waits a second for such a drive: take it out, or see the kernel log (dmesg)";
        Row::warning(OTHERS, format!("passed over: {}", others.join("; ")), next)
    };
    vec![disk, others]
}

/// What sysfs has of the switch: "0" or "1".
fn read_only(name: &str) -> Option<String> {
    file::read_text(&Path::new("/sys/class/block").join(name).join("ro"), SYSTEM_BYTES).ok()
}

fn judge_protection(disk: &Path, switch: Option<&str>) -> Row {
    let disk = disk.display();
    match switch.map(str::trim) {
        Some("0") => Row::ok(PROTECTION, format!("{disk} can be written")),
        Some("1") => Row::error(
            PROTECTION,
            format!("{disk} is read-only: no try is spent, and no slot is written"),
            "see the medium's switch, and `blockdev --getro`",
        ),
        _ => Row::skipped(PROTECTION, format!("the kernel does not say whether {disk} can be written")),
    }
}

/// `sizes`: logical and physical bytes of a sector; `starts`: each partition's label and first byte.
fn judge_sectors(sizes: [u64; 2], starts: &[(String, u64)]) -> Row {
    let [logical, physical] = sizes;
    let detail = format!("of {logical} bytes, {physical} on the medium");
    let askew: Vec<&str> = starts
        .iter()
        .filter(|(_, start)| start.checked_rem(physical).is_some_and(|rest| rest != 0))
        .map(|(label, _)| label.as_str())
        .collect();
    if askew.is_empty() {
        return Row::ok(SECTORS, detail);
    }
    let detail = format!("{detail}; {} begins inside one: each write there is two", askew.join(", "));
    Row::warning(SECTORS, detail, "make the table with `provision`, which begins at whole MiB")
}

#[cfg(test)]
mod tests {
    use libupdate_linux::OsErrorKind;

    use super::super::row::State;
    use super::*;

    #[test]
    fn the_next_boot_finds_the_disk_that_runs_and_no_other() {
        let runs = Path::new("/dev/sda");
        let found = |disk: &str, passed_over| Ok((PathBuf::from(disk), Found { disk: disk.into(), passed_over }));
        let states = |found| judge(runs, &found).iter().map(|row| row.state).collect::<Vec<_>>();
        assert_eq!(states(found("/dev/sda", vec![])), [State::Ok, State::Ok]);
        let ended = || OsError::new(Path::new("/dev/sr0"), OsErrorKind::Ended);
        assert_eq!(states(found("/dev/sda", vec![ended()])), [State::Ok, State::Warning]);
        assert_eq!(states(found("/dev/sdb", vec![])), [State::Error, State::Ok]);
        let several = OsErrorKind::SeveralDisks { found: vec!["/dev/sda".into(), "/dev/sdb".into()] };
        assert_eq!(states(Err(OsError::new(Path::new("/sys/block"), several))), [State::Error]);
    }

    #[test]
    fn a_switch_that_is_on_is_an_error() {
        let state = |switch| judge_protection(Path::new("/dev/sda"), switch).state;
        assert_eq!([Some("0\n"), Some("1\n"), None].map(state), [State::Ok, State::Error, State::Skipped]);
    }

    #[test]
    fn a_partition_inside_a_sector_is_named() {
        let starts = [("root-a".to_owned(), 1 << 20), ("root-b".to_owned(), 34 * 512)];
        assert_eq!(judge_sectors([512, 512], &starts).state, State::Ok);
        let row = judge_sectors([512, 4096], &starts);
        assert!(row.state == State::Warning && row.told().1.contains("root-b begins"), "{row:?}");
        assert!(!row.told().1.contains("root-a"), "{row:?}");
    }
}
