//! `doctor`: whether this device can update and fall back, check by check. Reads only.
//!
//! ```text
//!  profile ─► keys ─► disk ─► table, slots       what the hook reads before it boots a slot
//!     │         └───► hook                       what the running initramfs has of them
//!     └─► watchdog, panic, boot loader           what the hook hands over, and who took it
//!  mark-good, health, /var, clock, lock          what an operator relies on
//! ```
//! Each file below is one subject: what is read there, and a pure judgement that makes rows of it.

use libupdate::UnixSeconds;
use libupdate::inspect::Inspection;
use libupdate_linux::booted::{BootReport, Told};
use libupdate_linux::profile::Profile;
use libupdate_linux::{Mode, OsError};
use serde::Serialize;

use crate::exit::{Exit, Failure};
use crate::open_device::OpenDevice;
use crate::output::{Printable, Report, Toned};
use crate::session::{Session, Setup};

mod boot_loader;
mod boot_report;
mod clock;
mod disk;
mod health;
mod hook;
mod keys;
mod lock;
mod mark_good;
mod panic;
mod row;
mod slots;
mod state_folder;
mod table;
mod var;
mod watchdog;

use row::{Row, State};

/// Shows every check. An error among them is an exit code of its own, and no failure of the program.
pub fn run(session: &Session) -> Result<Exit, Failure> {
    let checkup = Checkup { checks: checks(session) };
    session.output.result(&checkup)?;
    Ok(checkup.exit())
}

/// The document of `doctor --json`.
#[derive(Serialize)]
struct Checkup {
    checks: Vec<Row>,
}

/// Whether the machine's own state is of this disk, or of another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Machine {
    /// The system runs from a slot of the disk.
    Here,
    /// It does not, or nobody knows.
    Elsewhere,
}

fn checks(session: &Session) -> Vec<Row> {
    let told = Told::read();
    let report = told.report.as_ref().and_then(|report| report.as_ref().ok());
    let profile = session.profile();
    let mut rows = vec![row_of_profile(&profile)];
    let machine = match profile {
        Ok(profile) => {
            let profile = Box::leak(Box::new(profile));
            let setup = keyed(session, profile, &mut rows);
            rows.extend(hook::rows(setup.as_ref(), report));
            of_disk(session, profile, setup, &told, &mut rows)
        }
        Err(_) => {
            rows.push(Row::skipped("disk", "it is the profile that says which one it is"));
            Machine::Elsewhere
        }
    };
    rows.extend(state_folder::rows());
    if machine == Machine::Here {
        rows.push(lock::row());
    }
    rows
}

fn row_of_profile(profile: &Result<Profile, Failure>) -> Row {
    match profile {
        Ok(profile) => Row::ok("profile", format!("{}, for bundles made for {}", profile.name, profile.compatible)),
        Err(failure) => Row::failed("profile", failure),
    }
}

/// The profile with its keys; `None` if they cannot be used.
fn keyed(session: &Session, profile: &'static Profile, rows: &mut Vec<Row>) -> Option<Setup> {
    let trusted = session.trust(profile);
    rows.push(keys::judge(&trusted));
    let anchors = Box::leak(Box::new(trusted.ok()?.0));
    Some(Setup { profile, specs: profile.specs().leak(), anchors })
}

/// What is on the disk, and what the machine that runs from it has of its boot.
fn of_disk(
    session: &Session,
    profile: &'static Profile,
    setup: Option<Setup>,
    told: &Told,
    rows: &mut Vec<Row>,
) -> Machine {
    let Some(setup) = setup else {
        rows.push(Row::skipped("disk", "without keys it is not known what its slots hold"));
        return Machine::Elsewhere;
    };
    let mut opened = match OpenDevice::open(session, &setup, Mode::ReadOnly) {
        Ok(opened) => opened,
        Err(failure) => {
            rows.push(Row::failed("disk", &failure));
            return Machine::Elsewhere;
        }
    };
    let inspection = match opened.inspect(session) {
        Ok(inspection) => inspection,
        Err(failure) => {
            rows.push(Row::failed("table", &failure));
            return Machine::Elsewhere;
        }
    };
    let doubt = opened.judge(session, &inspection).err();
    let machine = if opened.runs_here { Machine::Here } else { Machine::Elsewhere };
    rows.push(boot_report::row(&opened, told, doubt.as_ref()));
    rows.extend(disk::rows(profile, &opened, &inspection, told, machine));
    rows.push(table::judge(&table::Seen::of(&inspection.table)));
    rows.extend(slots::rows(profile, &mut opened, &inspection));
    rows.push(boot_loader::row(profile, &opened, machine));
    rows.push(clock::judge(libupdate_linux::time::clock(), built(&mut opened, &inspection)));
    rows.push(watchdog::row(profile, machine));
    rows.push(panic::row(profile, machine));
    rows.push(var::row(profile, &mut opened, machine));
    rows.extend(mark_good::rows(profile, machine));
    rows.extend(health::row(machine));
    machine
}

/// When the release was built that the running slot holds.
fn built(opened: &mut OpenDevice, inspection: &Inspection<'_>) -> UnixSeconds {
    let slot = opened.view.booted.and_then(|booted| inspection.slots.get(booted).ok());
    slot.map_or(UnixSeconds::UNKNOWN, |slot| clock::built(opened, slot))
}

impl Checkup {
    fn count(&self, state: State) -> usize {
        self.checks.iter().filter(|row| row.state == state).count()
    }

    fn exit(&self) -> Exit {
        if self.count(State::Error) == 0 { Exit::Done } else { Exit::Unfit }
    }
}

impl Report for Checkup {
    fn human(&self) -> String {
        let mut text: String = self.checks.iter().map(Row::lines).collect();
        let count = |state, one: &str| match self.count(state) {
            1 => format!("1 {one}"),
            several => format!("{several} {one}s"),
        };
        let (errors, warnings) = (count(State::Error, "error"), count(State::Warning, "warning"));
        text += &format!("\n{} checks: {errors}, {warnings}\n", self.checks.len());
        text
    }

    fn toned(&self, line: &str) -> Option<Toned> {
        Row::toned(line)
    }
}

/// The words of an error of the system, as a row has them.
fn said(error: &OsError) -> String {
    Printable(&error.to_string()).to_string()
}

/// What the hook left, if the report can be understood.
fn understood(told: &Told) -> Option<&BootReport> {
    told.report.as_ref().and_then(|report| report.as_ref().ok())
}
