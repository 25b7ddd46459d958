//! `cancel`: takes back what was armed or staged and never booted, without a verdict on it.

use libupdate::policy::{Facts, SlotFacts};
use libupdate::slot::SlotState;
use libupdate::{Error, SlotId};
use libupdate_linux::{Mode, OsError};

use crate::cli::SlotOption;
use crate::exit::{Exit, Failure};
use crate::open_device::OpenDevice;
use crate::output::Printable;
use crate::session::Session;
use crate::verb::status;

const WHAT: &str = "cannot cancel";

/// Disarms, and says so.
pub fn run(session: &Session, args: &SlotOption) -> Result<(), Failure> {
    let (setup, mut opened, inspection) = OpenDevice::begin(session, Mode::ReadWrite)?;
    let facts = &inspection.facts;
    let meant = facts.to_cancel(args.slot).map_err(|kind| Failure::from(Error::<OsError>::from(kind)).doing(WHAT))?;
    let Some(slot) = meant else {
        opened.settle(session)?;
        return Err(nothing(facts, args.slot));
    };
    session.record.changes(facts, slot);
    opened
        .act(session, |device, room, watch| device.cancel(Some(slot), room, watch))
        .map(|_| ())
        .map_err(|failure| failure.doing(format!("cannot cancel what is in slot {slot}")))?;
    session.output.note(&done(facts.slot(slot).map_err(Error::<OsError>::from)?));
    status::after(session, &mut opened, setup.profile)
}

fn done(facts: &SlotFacts) -> String {
    let slot = facts.slot;
    match &facts.installed {
        Some(installed) => {
            let version = Printable(&installed.version);
            format!("slot {slot} does not boot; version {version} can be installed again, and is there already")
        }
        None => format!("slot {slot} does not boot"),
    }
}

fn nothing(facts: &Facts<'_>, wanted: Option<SlotId>) -> Failure {
    let Some(facts) = wanted.and_then(|slot| facts.slot(slot).ok()) else { return nothing_at_all(facts) };
    let why = format!("slot {} is {}", facts.slot, facts.state);
    let next = match facts.state {
        SlotState::Good => "`mark-bad` takes a good slot out of the boot order",
        _ => "it does not boot as it is; see `status`",
    };
    Failure::new(Exit::Nothing, "nothing to cancel", why, next)
}

fn nothing_at_all(facts: &Facts<'_>) -> Failure {
    let running = facts.booted.and_then(|slot| facts.slot(slot).ok()).filter(|one| one.state == SlotState::Trial);
    let (why, next) = match running {
        Some(one) => (
            format!("slot {} is on trial and runs already", one.slot),
            "say how it went with `mark-good` or `mark-bad`",
        ),
        None => ("no slot is armed or staged".to_owned(), "see `status` for the state of each slot"),
    };
    Failure::new(Exit::Nothing, "nothing to cancel", why, next)
}
