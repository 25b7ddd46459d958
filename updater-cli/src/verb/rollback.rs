//! `rollback`: the other good slot boots next, on purpose.

use libupdate::{Error, activate};

use crate::bench::Bench;
use crate::cli::SlotOption;
use crate::exit::Failure;
use crate::os::{Mode, OsError};
use crate::session::Session;
use crate::verb::status;

/// Raises a good slot above every other.
pub fn run(session: &Session, args: &SlotOption) -> Result<(), Failure> {
    let (device, mut bench, survey) = Bench::begin(session, Mode::ReadWrite)?;
    let what = |failure: Failure| failure.doing("cannot roll back");
    let slot = match args.slot {
        Some(slot) => slot,
        None => survey.facts.rollback_target().map_err(|kind| what(Error::<OsError>::from(kind).into()))?,
    };
    let outcome = bench
        .commit(session, |disk, specs, scratch| activate::rollback(disk, specs, &survey.facts, slot, scratch))
        .map_err(what)?;
    session.output.note(&format!("slot {slot} boots next"));
    status::after(session, &mut bench, device.profile, &outcome)
}
