//! `note`: why the booted slot, which is on trial, is not marked good. What `status` says on the slot that takes over.

use libupdate::boot::Reason;
use libupdate::policy::SlotFacts;
use libupdate::slot::SlotState;
use libupdate::{Error, SlotId};
use libupdate_linux::{Mode, OsError};
use serde::Serialize;

use crate::cli::{self, NoteOption};
use crate::exit::{Exit, Failure};
use crate::open_device::{self, OpenDevice};
use crate::output::{Printable, Report};
use crate::session::Session;
use crate::verb::mark;

/// Leaves the word on the slot.
pub fn run(session: &Session, args: &cli::Note) -> Result<(), Failure> {
    let (_, mut opened, survey) = OpenDevice::begin(session, Mode::ReadWrite)?;
    let slot = opened.view.booted.ok_or_else(|| open_device::no_slot("cannot leave a note"))?;
    let facts = survey.facts.slot(slot).map_err(Error::<OsError>::from)?;
    if facts.state != SlotState::Trial {
        return Err(no_trial(slot, facts.state));
    }
    let reason = match args.what {
        NoteOption::HealthCheck => Reason::HEALTH_CHECK,
        NoteOption::Restarted => Reason::RESTARTED,
    };
    let note = mark::note(reason, args.detail.as_deref());
    opened.act(session, |device, room, _| device.explain(slot, &note, room))?;
    session.output.done(&Noted::of(facts, reason, args.detail.as_deref()));
    Ok(())
}

fn no_trial(slot: SlotId, state: SlotState) -> Failure {
    let why = format!("slot {slot} is {state}, not on trial");
    Failure::new(
        Exit::Nothing,
        "there is nothing to note",
        why,
        "use `mark-bad --reason` for a slot that must not boot",
    )
}

/// The document of `note --json`.
#[derive(Serialize)]
struct Noted {
    slot: String,
    version: Option<String>,
    tries_left: u8,
    reason: &'static str,
    #[serde(skip)]
    words: String,
}

impl Noted {
    fn of(facts: &SlotFacts, reason: Reason, detail: Option<&str>) -> Self {
        let detail = detail.map_or(String::new(), |detail| format!(" ({})", Printable(detail)));
        Self {
            slot: facts.slot.to_string(),
            version: facts.installed.as_ref().map(|installed| installed.version.to_string()),
            tries_left: facts.bits.tries_left.get(),
            reason: reason.word(),
            words: format!("{reason}{detail}"),
        }
    }
}

impl Report for Noted {
    fn human(&self) -> String {
        let Self { slot, version, tries_left, words, .. } = self;
        let version = Printable(version.as_deref().unwrap_or("unknown")).to_string();
        let next = match tries_left {
            0 => "its tries are spent: another slot boots next".to_owned(),
            1 => "1 try is left".to_owned(),
            more => format!("{more} tries are left"),
        };
        format!("slot {slot}, version {version}, is on trial and not marked good: {words}; {next}\n")
    }
}
