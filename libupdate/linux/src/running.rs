//! Which slot runs, judged in one place: what the hook wrote, the kernel's command line, and what the caller claims (the program's
//! `--booted`). Pure.
//!
//! ```text
//!  disk image file   the claim, else the good slot of the highest priority
//!  device            boot.json ──┐ each: can it be read, is it of this disk and this profile, does the profile have its slot
//!                    updater.slot=┘   │
//!                                     ▼
//!                    the slots that are named ── one, and the claim is it or there is none ► that one
//!                                             ── none, and nothing is wrong ──────────────► the claim, else unknown
//!                                             ── else ─────────────────────────────────────► a doubt, which a claim may solve
//! ```
//!
//! 1. The booted slot is never guessed: the system under a guess would be overwritten.
//! 2. A claim names what is not known, or decides between two that disagree. It does not overrule what is known, unless it is of
//!    [`Weight::Danger`].
//! 3. What was written on a boot from another disk says nothing of this one.
//! 4. A command line names the slot that was asked for. The hook's report says whether that one was passed over.

use std::fmt;

use libupdate::SlotId;
use libupdate::error::Rejected;
use libupdate::gpt::Guid;
use libupdate::inspect::Inspection;
use libupdate::policy::{Facts, SlotFacts};
use libupdate::slot::SlotState;

use crate::OsError;
use crate::booted::{BootReport, COMMAND_LINE, REPORT, Told};

/// What the caller says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim {
    /// Where the system runs from, if the caller says so.
    pub said: Option<Said>,
    /// What that counts.
    pub weight: Weight,
}

/// Where the system runs from, by the caller's word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said {
    /// From this slot of the disk.
    Slot(SlotId),
    /// From another disk.
    Elsewhere,
}

/// What a claim counts against what is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    /// It may not differ.
    Usual,
    /// It is believed.
    Danger,
}

/// What is known of the slot that runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Running {
    /// This one.
    Slot(SlotId),
    /// The system does not run from this disk.
    Elsewhere,
    /// Nobody said.
    Unknown,
}

/// Why it is not known which slot runs, although somebody said something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Doubt {
    /// A source that cannot be read or understood.
    Unreadable(OsError),
    /// A slot that the profile lacks.
    NoSuchSlot {
        /// Who named it.
        source: &'static str,
        /// The slot.
        slot: SlotId,
        /// Those that the profile has.
        slots: String,
    },
    /// The report is of a device of another kind.
    OtherCompatible {
        /// What the report has.
        report: String,
        /// What the profile has.
        profile: String,
    },
    /// The report is of another disk.
    OtherDisk {
        /// What the report has.
        report: String,
        /// What this disk has.
        here: String,
    },
    /// Report and command line name different slots.
    Differ {
        /// The report's.
        report: SlotId,
        /// The command line's.
        command_line: SlotId,
    },
    /// The caller claims another slot than the system does.
    Overruled {
        /// Who named the slot that runs.
        source: &'static str,
        /// The slot that runs.
        slot: SlotId,
    },
    /// The caller claims a slot that the profile lacks.
    Rejected(Rejected),
}

/// Where what is known comes from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'t> {
    /// A disk image file: no system runs from it.
    File,
    /// A disk of this machine.
    Device(&'t Told),
}

/// Judges by the rules above.
///
/// # Errors
/// What was said cannot be believed.
pub fn judge(claim: Claim, source: Source<'_>, survey: &Inspection<'_>) -> Result<Running, Doubt> {
    let facts = &survey.facts;
    let said = match claim.said {
        Some(Said::Slot(slot)) => Some(Running::Slot(facts.slot(slot).map_err(Doubt::Rejected)?.slot)),
        Some(Said::Elsewhere) => Some(Running::Elsewhere),
        None => None,
    };
    let told = match (source, said, claim.weight) {
        (_, Some(said), Weight::Danger) => return Ok(said),
        (Source::File, Some(said), _) => return Ok(said),
        (Source::File, None, _) => return Ok(best_good(facts).map_or(Running::Elsewhere, Running::Slot)),
        (Source::Device(told), ..) => told,
    };
    let report = told.report.as_ref().map(|report| from_report(report, facts, survey.table.header().disk_guid()));
    let line = told.command_line.as_ref().filter(|slot| !was_passed_over(told, slot));
    let line = line.map(|slot| from_command_line(slot, facts));
    let Some(said) = said else { return alone(report, line) };
    let named = [(REPORT, report), (COMMAND_LINE, line)];
    let named: Vec<_> = named.into_iter().filter_map(|(source, slot)| Some((source, slot?.ok()?))).collect();
    match named.first() {
        Some((source, slot)) if named.iter().all(|(_, slot)| said != Running::Slot(*slot)) => {
            Err(Doubt::Overruled { source, slot: *slot })
        }
        _ => Ok(said),
    }
}

/// Whether the hook says that it passed over the slot which its command line named: a boot loader insists on a slot that does not start.
fn was_passed_over(told: &Told, named: &Result<SlotId, OsError>) -> bool {
    let report = told.report.as_ref().and_then(|report| report.as_ref().ok());
    let (Some(report), Ok(named)) = (report, named) else { return false };
    report.slot != *named && report.passed_over.iter().any(|one| one.slot == *named)
}

/// Nobody decides between what the system's own sources say.
fn alone(report: Option<Result<SlotId, Doubt>>, line: Option<Result<SlotId, Doubt>>) -> Result<Running, Doubt> {
    match (report.transpose()?, line.transpose()?) {
        (Some(report), Some(command_line)) if report != command_line => Err(Doubt::Differ { report, command_line }),
        (Some(slot), _) | (None, Some(slot)) => Ok(Running::Slot(slot)),
        (None, None) => Ok(Running::Unknown),
    }
}

fn from_report(report: &Result<BootReport, OsError>, facts: &Facts<'_>, disk: Guid) -> Result<SlotId, Doubt> {
    let report = report.as_ref().map_err(|error| Doubt::Unreadable(error.clone()))?;
    let here = disk.to_string();
    if let Some(guid) = report.disk_guid.as_ref().filter(|guid| **guid != here) {
        return Err(Doubt::OtherDisk { report: format!("GUID {guid}"), here: format!("GUID {here}") });
    }
    if let Some(compatible) = report.compatible.as_ref().filter(|compatible| *compatible != facts.compatible) {
        return Err(Doubt::OtherCompatible { report: compatible.clone(), profile: facts.compatible.to_owned() });
    }
    let slot = known(REPORT, report.slot, facts)?;
    let installed = facts.slot(slot).ok().and_then(|facts| facts.installed.as_ref());
    let holds = installed.map(|installed| installed.root_hash.to_string());
    match (&report.root_hash, holds) {
        (Some(ran), Some(holds)) if *ran != holds => {
            let of = |hash: &str| format!("root hash {hash} in slot {slot}");
            Err(Doubt::OtherDisk { report: of(ran), here: of(&holds) })
        }
        _ => Ok(slot),
    }
}

fn from_command_line(slot: &Result<SlotId, OsError>, facts: &Facts<'_>) -> Result<SlotId, Doubt> {
    known(COMMAND_LINE, *slot.as_ref().map_err(|error| Doubt::Unreadable(error.clone()))?, facts)
}

fn known(source: &'static str, slot: SlotId, facts: &Facts<'_>) -> Result<SlotId, Doubt> {
    let slots = || facts.slots.iter().map(|facts| facts.slot.to_string()).collect::<Vec<_>>().join(", ");
    facts.slot(slot).map(|facts| facts.slot).map_err(|_| Doubt::NoSuchSlot { source, slot, slots: slots() })
}

/// The slot that a disk image file is taken to run from: good, of the highest priority; never an armed trial.
fn best_good(facts: &Facts<'_>) -> Option<SlotId> {
    let good = facts.slots.iter().filter(|facts| facts.state == SlotState::Good);
    let best = good.max_by_key(|facts: &&SlotFacts| (facts.bits.priority, core::cmp::Reverse(facts.entry)));
    best.map(|facts| facts.slot)
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "it is not known which slot runs: {error}"),
            Self::NoSuchSlot { source, slot, slots } => {
                write!(f, "{source} says that slot {slot} is booted, and the profile has only {slots}")
            }
            Self::OtherCompatible { report, profile } => {
                write!(f, "{REPORT} is of a device of compatible {report}, and the profile is for {profile}")
            }
            Self::OtherDisk { report, here } => {
                write!(f, "{REPORT} is of a boot from another disk: it has {report}, and this disk {here}")
            }
            Self::Differ { report, command_line } => {
                write!(f, "{REPORT} says that slot {report} is booted, and {COMMAND_LINE} says slot {command_line}")
            }
            Self::Overruled { source, slot } => {
                write!(f, "{source} says that slot {slot} is booted, and the caller claims something else")
            }
            Self::Rejected(kind) => kind.fmt(f),
        }
    }
}

impl Doubt {
    /// Whether it is about what the system says of itself, and not about the claim.
    pub const fn is_of_the_system(&self) -> bool {
        !matches!(self, Self::Overruled { .. } | Self::Rejected(_))
    }
}

impl core::error::Error for Doubt {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Unreadable(error) => Some(error),
            Self::Rejected(kind) => Some(kind),
            _ => None,
        }
    }
}
