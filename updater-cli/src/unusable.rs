//! A partition table that will not do: why, copy by copy and label by label, and what helps. A new table comes last: it loses everything.

use libupdate::error::TableFault;
use libupdate::gpt::{BothCopies, CopyReport, CopyState, Entry, Table};
use libupdate::slot::PartitionSpec;
use libupdate::{BlockIo, BlockSize, Error, Lba, SlotId};
use libupdate_linux::{AlignedBuf, Disk, OsError};

use crate::exit::Failure;

/// A whole usual table.
const SCRATCH: usize = 64 << 10;
/// Partitions that are listed.
const LISTED: usize = 32;
const GPT_SIGNATURE: &[u8] = b"EFI PART";
/// Type of the one partition of a protective MBR.
const PROTECTIVE: u8 = 0xee;

/// The failure of an act on `disk`, with what was found there.
pub fn explained(disk: &mut Disk, specs: &[PartitionSpec<'_>], error: Error<OsError>) -> Failure {
    let Error::Table(fault) = error else { return error.into() };
    let failure = Failure::from(error);
    let name = disk.path().display().to_string();
    match fault {
        TableFault::NoValidCopy => no_copy(disk, &name, failure),
        TableFault::PartitionMissing { slot } => missing(&entries(disk), of_slot(specs, slot), &name, failure),
        TableFault::PartitionAmbiguous { slot } => ambiguous(&entries(disk), of_slot(specs, slot), &name, failure),
        _ => failure,
    }
}

/// A line for each copy: which rule, and where.
fn no_copy(disk: &mut Disk, name: &str, failure: Failure) -> Failure {
    let Ok(survey) = BothCopies::read(disk, &mut AlignedBuf::new(SCRATCH)) else { return failure };
    let copies = [("primary", survey.primary()), ("backup", survey.backup())];
    let mut details: Vec<String> = copies.iter().map(|(which, copy)| line(which, copy)).collect();
    let others = others(disk);
    details.extend(others.iter().map(Other::line));
    let next = remedy(copies.map(|(_, copy)| fault_of(&copy)), &others, name);
    let last =
        "as the last resort, `provision --danger-overwrite` puts a new system there and destroys what is on the disk";
    Failure { details, next: format!("{next}; {last}"), ..failure }
}

fn line(which: &str, copy: &CopyReport) -> String {
    let place = copy.place().map_or_else(String::new, |place| format!(", {place}"));
    match copy.state() {
        CopyState::Faulty(fault) => format!("{which} copy{place}: {fault}"),
        CopyState::Ignored => format!("{which} copy{place}: marked IGNOREME, so that nobody uses it"),
        CopyState::Valid | CopyState::Differs => format!("{which} copy{place}: valid now"),
    }
}

const fn fault_of(copy: &CopyReport) -> Option<TableFault> {
    match copy.state() {
        CopyState::Faulty(fault) => Some(fault),
        _ => None,
    }
}

/// What helps, by the first fault that says more than "nothing there".
fn remedy(faults: [Option<TableFault>; 2], others: &[Other], name: &str) -> String {
    use TableFault as F;
    let told = faults.into_iter().flatten().find(|fault| !matches!(fault, F::Signature | F::AlternateLba { .. }));
    match (told, others) {
        (Some(F::DiskTooShort { .. }), _) => {
            "copy the image again, whole, or to a disk as large as the one it was made for".to_owned()
        }
        (Some(F::EntryCount { .. }), _) => {
            format!("give the table 128 entries, which keeps its partitions: sgdisk --resize-table=128 {name}")
        }
        (Some(F::Overlap { .. } | F::EntryRange { .. }), _) => {
            format!("correct the partitions with who made them so, or with gdisk {name}")
        }
        (Some(F::Unreadable), _) => "see the kernel log (dmesg): the medium is failing".to_owned(),
        (None, [Other::Gpt(size), ..]) => format!(
            "give --sector-size {}; on a device, whose sectors are what they are, use an image made for them",
            size.bytes()
        ),
        (None, _) => {
            "check that it is the right disk (--disk), and that the image was copied to the disk itself".to_owned()
        }
        (Some(_), _) => {
            format!("restore the table from a copy of it (sgdisk --load-backup), or see what gdisk {name} can recover")
        }
    }
}

/// Something else than a table for this disk's sectors.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Other {
    /// A header for sectors of another size.
    Gpt(BlockSize),
    /// A DOS partition table.
    Dos,
}

impl Other {
    fn line(&self) -> String {
        match self {
            Self::Gpt(size) => format!("byte {}: a GPT header, for sectors of {} bytes", size.bytes(), size.bytes()),
            Self::Dos => "LBA 0: a DOS (MBR) partition table; only GPT has room for slot bits".to_owned(),
        }
    }
}

fn others(disk: &mut Disk) -> Vec<Other> {
    let size = disk.block_size();
    let mut head = AlignedBuf::new(8192);
    if disk.read(Lba::new(0), &mut head).is_err() {
        return Vec::new();
    }
    let foreign = if size == BlockSize::B512 { BlockSize::B4096 } else { BlockSize::B512 };
    let gpt = head.get(foreign.bytes()..).is_some_and(|block| block.starts_with(GPT_SIGNATURE));
    let kinds = || (0..4_usize).filter_map(|number| head.get(446 + 16 * number + 4).copied());
    let dos = head.get(510..512) == Some(&[0x55, 0xaa]) && kinds().any(|kind| kind != 0 && kind != PROTECTIVE);
    gpt.then_some(Other::Gpt(foreign)).into_iter().chain(dos.then_some(Other::Dos)).collect()
}

fn entries(disk: &mut Disk) -> Vec<Entry> {
    let mut scratch = AlignedBuf::new(SCRATCH);
    let mut found = Vec::new();
    let read =
        Table::read(disk, &mut scratch).and_then(|table| table.entries(disk, &mut scratch, |entry| found.push(*entry)));
    if read.is_ok() { found } else { Vec::new() }
}

fn of_slot<'s, 'p>(specs: &'s [PartitionSpec<'p>], slot: SlotId) -> impl Iterator<Item = &'s PartitionSpec<'p>> {
    specs.iter().filter(move |spec| spec.slot == slot)
}

fn is_it(entry: &Entry, spec: &PartitionSpec<'_>) -> bool {
    entry.type_guid == spec.type_guid && entry.name.eq_str(spec.label)
}

fn listed(entry: &Entry) -> String {
    format!("partition {}: label {}, type {}", entry.number, entry.name, entry.type_guid)
}

/// Which label and type are looked for, what is there, and what comes close.
fn missing<'s, 'p: 's>(
    entries: &[Entry],
    mut specs: impl Iterator<Item = &'s PartitionSpec<'p>>,
    name: &str,
    failure: Failure,
) -> Failure {
    let absent = specs.find(|spec| !entries.iter().any(|entry| is_it(entry, spec)));
    let Some(spec) = absent else { return failure };
    let mut details = vec![format!("looked for: label {}, type {}", spec.label, spec.type_guid)];
    details.extend(entries.iter().take(LISTED).map(listed));
    if entries.len() > LISTED {
        details.push(format!("and {} more", entries.len() - LISTED));
    }
    let next = near(entries, spec, name).unwrap_or(failure.next);
    Failure { details, next, ..failure }
}

/// How the partition that is probably meant becomes the one that is looked for.
fn near(entries: &[Entry], spec: &PartitionSpec<'_>, name: &str) -> Option<String> {
    let plain = |text: &str| text.trim().to_lowercase();
    let (label, kind) = (spec.label, spec.type_guid);
    if let Some(entry) = entries.iter().find(|entry| entry.name.eq_str(label)) {
        return Some(format!(
            "where partition {0} is the one, give it the type: sgdisk --typecode={0}:{kind} {name}; else check that --profile and --disk \
             belong together",
            entry.number
        ));
    }
    let entry = entries.iter().find(|entry| plain(&entry.name.to_string()) == plain(label))?;
    Some(format!(
        "labels are compared letter by letter; rename it: sgdisk --change-name={}:{label} {name}, or correct the profile's label",
        entry.number
    ))
}

fn ambiguous<'s, 'p: 's>(
    entries: &[Entry],
    specs: impl Iterator<Item = &'s PartitionSpec<'p>>,
    name: &str,
    failure: Failure,
) -> Failure {
    let alike = |spec: &PartitionSpec<'_>| entries.iter().filter(|entry| is_it(entry, spec)).collect::<Vec<_>>();
    let Some(twins) = specs.map(alike).find(|alike| alike.len() > 1) else { return failure };
    let next = format!("rename the one that is not the slot's: sgdisk --change-name=NUMBER:LABEL {name}");
    Failure { details: twins.into_iter().map(listed).collect(), next, ..failure }
}
