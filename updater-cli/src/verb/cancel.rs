//! `cancel`: takes back what was armed or staged and never booted, without a verdict on it.

use libupdate::policy::{Facts, SlotFacts};
use libupdate::slot::SlotState;
use libupdate::transition;
use libupdate::{Error, SlotId};
use libupdate_linux::{Mode, OsError};

use crate::bench::Bench;
use crate::cli::SlotOption;
use crate::exit::{Exit, Failure};
use crate::output::Printable;
use crate::session::Session;
use crate::verb::status;

const WHAT: &str = "cannot cancel";

/// Disarms, and says so.
pub fn run(session: &Session, args: &SlotOption) -> Result<(), Failure> {
    let (device, mut bench, survey) = Bench::begin(session, Mode::ReadWrite)?;
    let facts = match meant(&survey.facts, args.slot) {
        Err(failure) if failure.code == Exit::Nothing => {
            bench.settle(session)?;
            return Err(failure);
        }
        answer => answer?,
    };
    let slot = survey.slots.get(facts.slot).map_err(Error::<OsError>::from)?;
    let outcome = bench
        .commit(session, |disk, specs, scratch| transition::cancel(disk, specs, &survey.facts, slot, scratch))
        .map_err(|failure| failure.doing(format!("cannot cancel what is in slot {}", slot.id)))?;
    session.output.note(&done(facts));
    status::after(session, &mut bench, device.profile, &outcome)
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

/// The slot that was named; else an armed one, the next to boot first; else a staged one.
fn meant<'f>(facts: &'f Facts<'_>, wanted: Option<SlotId>) -> Result<&'f SlotFacts, Failure> {
    if let Some(slot) = wanted {
        let facts = facts.slot(slot).map_err(|kind| Failure::from(Error::<OsError>::from(kind)).doing(WHAT))?;
        return if cancels(facts) || facts.state == SlotState::Trial { Ok(facts) } else { Err(nothing(facts)) };
    }
    let others = facts.slots.iter().filter(|one| Some(one.slot) != facts.booted && cancels(one));
    let first = others.max_by_key(|one| (one.bits.priority, core::cmp::Reverse(one.entry)));
    first.ok_or_else(|| nothing_at_all(facts))
}

fn cancels(facts: &SlotFacts) -> bool {
    facts.is_armed() || facts.state == SlotState::Staged
}

fn nothing(facts: &SlotFacts) -> Failure {
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
