//! `choose`: the slot that boots next and its partitions, as lines that a boot script can evaluate, or as JSON.

use libupdate::boot::{Boot, Kind, Unfit};
use libupdate::device::Next;
use libupdate::inspect::{self, SlotTrailer};
use libupdate::manifest::Payload;
use libupdate::slot::Slot;
use libupdate::{Error, SlotId};
use libupdate_linux::{Mode, OsError};
use serde::Serialize;

use crate::cli::Choose;
use crate::exit::{Exit, Failure};
use crate::open_device::OpenDevice;
use crate::output::Report;
use crate::session::Session;

/// Chooses, and with `--spend` spends the try as the boot loader does; of a slot that is passed over nothing is spent.
pub fn run(session: &Session, args: &Choose) -> Result<(), Failure> {
    let mode = if args.spend { Mode::ReadWrite } else { Mode::ReadOnly };
    let (_, mut opened, inspection) = OpenDevice::begin(session, mode)?;
    // One choice: a second one could be another, and then the try of a slot would be spent that is not told.
    let next = match args.spend {
        true => opened.act(session, |device, room, watch| device.choose(room, watch))?,
        false => opened.next()?,
    };
    let Some(boot) = next.boot else { return Err(nothing(&next)) };
    lines(&next).for_each(|line| session.output.warn(&line));
    let slot = inspection.slots.get(boot.candidate.slot).map_err(Error::<OsError>::from)?;
    let told = session.output.result(&Chosen { passed_over: rows(&next), ..Chosen::of(&mut opened, slot, &boot)? });
    // Whoever boots by what is told here cannot; a second run would spend a second try.
    let spent = |failure| Failure { next: "check where stdout goes; the try is spent".to_owned(), ..failure };
    if args.spend { told.map_err(spent) } else { told }
}

/// One line for each slot that is passed over.
pub fn lines(next: &Next) -> impl Iterator<Item = String> {
    next.passed_over.iter().map(|(slot, unfit)| format!("slot {slot} is passed over: {} ({unfit})", unfit.reason()))
}

/// The same for programs.
fn rows(next: &Next) -> Vec<PassedOver> {
    let row = |(slot, unfit): &(SlotId, Unfit)| PassedOver {
        slot: slot.to_string(),
        reason: unfit.reason().word(),
        detail: unfit.to_string(),
    };
    next.passed_over.iter().map(row).collect()
}

/// A slot that does not boot, in documents.
#[derive(Serialize)]
struct PassedOver {
    slot: String,
    reason: &'static str,
    detail: String,
}

fn nothing(next: &Next) -> Failure {
    let none = "none has a priority and either success or a try left".to_owned();
    let why = lines(next).reduce(|all, line| format!("{all}; {line}")).unwrap_or(none);
    Failure::new(Exit::Disk, "no slot boots next", why, "install a bundle, or boot the recovery partition")
}

#[derive(Serialize)]
struct Chosen {
    slot: String,
    kind: &'static str,
    tries_left: u8,
    check_all: bool,
    version: Option<String>,
    partitions: Vec<Place>,
    passed_over: Vec<PassedOver>,
}

#[derive(Serialize)]
struct Place {
    role: String,
    label: String,
    number: u32,
    start_bytes: u64,
    size_bytes: u64,
    verity: Option<Verity>,
}

/// What `veritysetup open` and a device-mapper table need.
#[derive(Serialize)]
struct Verity {
    root_hash: String,
    salt: String,
    data_blocks: u64,
    hash_offset_bytes: u64,
}

impl Chosen {
    fn of(opened: &mut OpenDevice, slot: &Slot<'_>, boot: &Boot) -> Result<Self, Failure> {
        let mut trailer = Box::new([0; libupdate::region::trailer::TRAILER_BYTES]);
        let view = opened.view;
        let (disk, memory) = opened.disk_and_memory();
        let found = inspect::trailer(disk, slot, &view, &mut trailer, [memory.block, memory.other])?;
        let manifest = match &found {
            SlotTrailer::Valid(verified, _) => Some(verified.manifest()),
            _ => None,
        };
        let place = |partition: &libupdate::slot::Partition<'_>| Place {
            role: partition.role.to_owned(),
            label: partition.label.to_owned(),
            number: partition.entry.get(),
            start_bytes: partition.extent.first().get() * partition.extent.block_size().bytes_u64(),
            size_bytes: partition.extent.len().get(),
            verity: manifest.and_then(|manifest| manifest.payload(partition.role)).map(|payload| Verity::of(&payload)),
        };
        let (kind, left) = match boot.kind {
            Kind::Trial { left } => ("trial", left),
            Kind::Counted { left } => ("counted", left),
            Kind::Good => ("good", boot.candidate.bits.tries_left),
            Kind::Suspect => ("suspect", boot.candidate.bits.tries_left),
        };
        Ok(Self {
            slot: slot.id.to_string(),
            kind,
            tries_left: left.get(),
            check_all: boot.kind == Kind::Suspect,
            version: manifest.map(|manifest| manifest.version().to_string()),
            partitions: slot.partitions.iter().map(place).collect(),
            passed_over: Vec::new(),
        })
    }
}

impl Verity {
    fn of(payload: &Payload<'_>) -> Self {
        Self {
            root_hash: payload.root_hash().to_string(),
            salt: payload.salt().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect(),
            data_blocks: payload.data_blocks(),
            hash_offset_bytes: payload.geometry().hash_offset().get(),
        }
    }
}

impl Report for Chosen {
    /// A shell can evaluate the lines: values are letters, digits and `._+~-` by construction, and labels are quoted where they are not.
    fn human(&self) -> String {
        let mut lines = vec![
            format!("UPDATER_SLOT={}", self.slot),
            format!("UPDATER_KIND={}", self.kind),
            format!("UPDATER_TRIES_LEFT={}", self.tries_left),
            format!("UPDATER_CHECK_ALL={}", u8::from(self.check_all)),
        ];
        lines.extend(self.version.iter().map(|version| format!("UPDATER_VERSION={version}")));
        for place in &self.partitions {
            let role: String = place.role.chars().map(shell_name).collect();
            lines.push(format!("UPDATER_{role}_LABEL={}", quoted(&place.label)));
            lines.push(format!("UPDATER_{role}_NUMBER={}", place.number));
            lines.push(format!("UPDATER_{role}_START_BYTES={}", place.start_bytes));
            lines.push(format!("UPDATER_{role}_SIZE_BYTES={}", place.size_bytes));
            if let Some(verity) = &place.verity {
                lines.push(format!("UPDATER_{role}_ROOT_HASH={}", verity.root_hash));
                lines.push(format!("UPDATER_{role}_SALT={}", verity.salt));
                lines.push(format!("UPDATER_{role}_DATA_BLOCKS={}", verity.data_blocks));
                lines.push(format!("UPDATER_{role}_HASH_OFFSET={}", verity.hash_offset_bytes));
            }
        }
        lines.join("\n") + "\n"
    }
}

fn shell_name(letter: char) -> char {
    if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' }
}

/// A word that a shell takes as it is.
fn quoted(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._+~-".contains(letter);
    if !text.starts_with('~') && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_quoted_where_a_shell_would_act_upon_them() {
        assert_eq!(quoted("root-a"), "root-a");
        assert_eq!(quoted("~root"), "'~root'");
        assert_eq!(quoted("it's $(id); root a"), "'it'\\''s $(id); root a'");
    }
}
