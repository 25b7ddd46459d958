//! `activate`: arms a staged slot, after reading every block of it again.

use libupdate::error::Rejected;
use libupdate::policy::Facts;
use libupdate::slot::SlotState;
use libupdate::{Error, SlotId};
use libupdate_linux::{Mode, OsError};

use crate::cli::SlotOption;
use crate::exit::{Exit, Failure};
use crate::open_device::OpenDevice;
use crate::output::Watch;
use crate::session::Session;
use crate::verb::status;

/// Reads, checks, and arms.
pub fn run(session: &Session, args: &SlotOption) -> Result<(), Failure> {
    let (setup, mut opened, inspection) = OpenDevice::begin(session, Mode::ReadWrite)?;
    let Some(slot) = staged(&inspection.facts, args.slot)? else {
        opened.settle(session)?;
        return Err(armed_already(&inspection.facts, args.slot));
    };
    session.record.changes(&inspection.facts, slot);
    let mut watch = Watch::new(&session.output, &session.interrupt);
    opened
        .long_act(|device, room, work| device.activate(Some(slot), room, work, &mut watch))
        .map(|_| ())
        .map_err(|failure| failure.doing(format!("cannot activate slot {slot}")))?;
    watch.finish();
    status::after(session, &mut opened, setup.profile)
}

fn staged(facts: &Facts<'_>, wanted: Option<SlotId>) -> Result<Option<SlotId>, Failure> {
    facts.staged(wanted).map_err(|rejected| match rejected {
        Rejected::NothingStaged => {
            let why = "no slot is staged";
            Failure::new(Exit::Refused, "cannot activate a slot", why, "run `install --no-activate` first")
        }
        rejected => Error::<OsError>::from(rejected).into(),
    })
}

/// The slot that was named, or the first of the boot order that is armed.
fn armed_already(facts: &Facts<'_>, wanted: Option<SlotId>) -> Failure {
    let armed = facts.slots.iter().filter(|slot| slot.state == SlotState::Trial && facts.booted != Some(slot.slot));
    let armed = wanted.or_else(|| armed.max_by_key(|slot| slot.bits.priority).map(|slot| slot.slot));
    let what = armed.map_or("no slot needs activation".to_owned(), |slot| format!("slot {slot} needs no activation"));
    Failure::new(Exit::Nothing, what, "it is armed already", "reboot to try it")
}
