//! `activate`: arms a staged slot, after reading every block of it again.

use libupdate::error::Rejected;
use libupdate::inspect::{self, SlotTrailer};
use libupdate::install;
use libupdate::policy::Facts;
use libupdate::slot::SlotState;
use libupdate::transition;
use libupdate::{Error, SlotId};
use libupdate_linux::{Mode, OsError};

use crate::bench::Bench;
use crate::cli::SlotOption;
use crate::exit::{Exit, Failure};
use crate::output::Watch;
use crate::session::Session;
use crate::verb::status;

/// Reads, checks, and arms.
pub fn run(session: &Session, args: &SlotOption) -> Result<(), Failure> {
    let what = "cannot activate a slot";
    let (device, mut bench, survey) = Bench::begin(session, Mode::ReadWrite)?;
    let slot = match staged(&survey.facts, args.slot) {
        Err(failure) if failure.code == Exit::Nothing => {
            bench.settle(session)?;
            return Err(failure);
        }
        answer => answer?,
    };
    let place = survey.slots.get(slot).map_err(Error::<OsError>::from)?.clone();
    let mut trailer = Box::new([0; libupdate::region::trailer::TRAILER_BYTES]);
    let view = bench.view;
    let (disk, memory) = bench.disk_and_memory();
    let found = inspect::trailer(disk, &place, &view, &mut trailer, [memory.block, memory.other])?;
    let (verified, extents) = match found {
        SlotTrailer::Valid(verified, extents) => (verified, extents),
        _ => return Err(not_staged(slot).doing(what)),
    };
    let mut watch = Watch::new(&session.output, &session.interrupt);
    let staged = bench
        .work(&mut watch, |disk, buffers, tools| {
            install::restage(disk, verified, (slot, place.control, &extents), buffers, tools)
        })
        .map_err(|failure| failure.doing(format!("cannot activate slot {slot}")))?;
    watch.finish();
    let outcome = bench
        .commit(session, |disk, specs, scratch| transition::arm(disk, specs, &staged, device.profile.tries, scratch))?;
    status::after(session, &mut bench, device.profile, &outcome)
}

fn staged(facts: &Facts<'_>, wanted: Option<SlotId>) -> Result<SlotId, Failure> {
    let state = |slot| facts.slot(slot).map(|facts| facts.state);
    match wanted {
        Some(slot) => match state(slot).map_err(Error::<OsError>::from)? {
            SlotState::Staged => Ok(slot),
            SlotState::Trial if facts.booted != Some(slot) => Err(armed_already(slot)),
            _ => Err(not_staged(slot)),
        },
        None => match facts.slots.iter().find(|facts| facts.state == SlotState::Staged) {
            Some(facts) => Ok(facts.slot),
            None => Err(nothing_staged(facts)),
        },
    }
}

fn nothing_staged(facts: &Facts<'_>) -> Failure {
    let armed = facts.slots.iter().filter(|slot| slot.state == SlotState::Trial && facts.booted != Some(slot.slot));
    let armed = armed.max_by_key(|slot| slot.bits.priority);
    armed.map_or_else(
        || {
            let why = "no slot is staged";
            Failure::new(Exit::Refused, "cannot activate a slot", why, "run `install --no-activate` first")
        },
        |slot| armed_already(slot.slot),
    )
}

fn armed_already(slot: SlotId) -> Failure {
    let what = format!("slot {slot} needs no activation");
    Failure::new(Exit::Nothing, what, "it is armed already", "reboot to try it")
}

fn not_staged(slot: SlotId) -> Failure {
    Error::<OsError>::Rejected(Rejected::SlotState { slot, needed: "staged" }).into()
}
