//! `mark-good` and `mark-bad`: the verdict on the booted slot.

use libupdate::activate;
use libupdate::bundle::verdict::{Detail, Reason, Verdict};
use libupdate::io::Window;
use libupdate::{Error, SlotId};

use crate::bench::Bench;
use crate::cli::{MarkBad, SlotOption};
use crate::exit::Failure;
use crate::os::{Mode, OsError};
use crate::session::Session;
use crate::verb::install::meant;
use crate::verb::status;

/// Says that a slot has completed a boot.
pub fn good(session: &Session, args: &SlotOption) -> Result<(), Failure> {
    let what = "cannot mark a slot good";
    let (device, mut bench, survey) = Bench::begin(session, Mode::ReadWrite)?;
    let slot = meant(args.slot, &survey.facts, what)?;
    let outcome = bench
        .commit(session, |disk, specs, scratch| activate::mark_good(disk, specs, slot, device.profile.guard, scratch))
        .map_err(|failure| failure.doing(format!("cannot mark slot {slot} good")))?;
    session.output.note(&format!("slot {slot} is good"));
    status::after(session, &mut bench, device.profile, &outcome)
}

/// Says that a slot must not boot again, and why.
pub fn bad(session: &Session, args: &MarkBad) -> Result<(), Failure> {
    let what = "cannot mark a slot bad";
    let (device, mut bench, survey) = Bench::begin(session, Mode::ReadWrite)?;
    let slot = meant(args.slot, &survey.facts, what)?;
    let outcome = bench
        .commit(session, |disk, specs, scratch| activate::mark_bad(disk, specs, &survey.facts, slot, scratch))
        .map_err(|failure| failure.doing(format!("cannot mark slot {slot} bad")))?;
    // The bits decide; the record only says why, and failing to write it changes nothing else.
    // The booted slot is in use, and nothing here writes to it.
    if bench.view.booted != Some(slot)
        && let Err(failure) = record(&mut bench, &survey, slot, args.reason.as_deref())
    {
        session.output.warn(&format!("the reason could not be recorded: {}", failure.why));
    }
    session.output.note(&format!("slot {slot} does not boot again"));
    status::after(session, &mut bench, device.profile, &outcome)
}

fn record(
    bench: &mut Bench,
    survey: &libupdate::survey::Survey<'_>,
    slot: SlotId,
    reason: Option<&str>,
) -> Result<(), Failure> {
    let facts = survey.facts.slot(slot).map_err(Error::<OsError>::from)?;
    let place = survey.slots.get(slot).map_err(Error::<OsError>::from)?;
    let (Some(installed), Some(partition)) = (&facts.installed, place.partitions.first()) else { return Ok(()) };
    let verdict = Verdict {
        reason: Reason::MARKED_BAD,
        manifest: installed.digest,
        at: crate::time::now(),
        detail: Detail::new(reason.unwrap_or_default()),
    };
    let (disk, memory) = bench.disk_and_memory();
    let mut window = Window::new(disk, partition.extent);
    verdict.write(&mut window, memory.block)?;
    Ok(window.flush()?)
}
