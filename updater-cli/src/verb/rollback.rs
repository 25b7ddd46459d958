//! `rollback`: the other good slot boots next, on purpose.

use libupdate::error::Rejected;
use libupdate::policy::{Facts, SlotFacts};
use libupdate::slot::SlotState;
use libupdate_linux::Mode;

use crate::cli::SlotOption;
use crate::exit::{Exit, Failure};
use crate::open_device::OpenDevice;
use crate::session::Session;
use crate::verb::status;

const WHAT: &str = "cannot roll back";

/// Raises a good slot above every other.
pub fn run(session: &Session, args: &SlotOption) -> Result<(), Failure> {
    let (setup, mut opened, inspection) = OpenDevice::begin(session, Mode::ReadWrite)?;
    let slot = match args.slot {
        Some(slot) => slot,
        None => inspection.facts.rollback_target().map_err(|_| nowhere(&inspection.facts))?,
    };
    session.record.changes(&inspection.facts, slot);
    let (slot, _) = opened
        .act(session, |device, room, watch| device.rollback(args.slot, room, watch))
        .map_err(|failure| failure.doing(WHAT))?;
    session.output.note(&format!("slot {slot} boots next"));
    status::after(session, &mut opened, setup.profile)
}

/// No other slot is good. What the owner wants back may never have run, or may be running already.
fn nowhere(facts: &Facts<'_>) -> Failure {
    let others = || facts.slots.iter().filter(|one| Some(one.slot) != facts.booted);
    let states: Vec<String> = others().map(|one| format!("slot {} is {}, not good", one.slot, one.state)).collect();
    let why = format!("{}: {}", Rejected::NoTarget, states.join("; "));
    let any = |fits: &dyn Fn(&SlotFacts) -> bool| others().any(fits);
    let next = if any(&|one| facts.cancellable(one.slot).is_ok()) {
        "`cancel` takes back what is installed and has not booted"
    } else if any(&|one| one.state == SlotState::Trial) {
        "boot one of them, and run mark-good from it"
    } else {
        "install a release into another slot first"
    };
    Failure::new(Exit::Refused, WHAT, why, next)
}
