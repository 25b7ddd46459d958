//! `mark-good` and `mark-bad`: the verdict on the booted slot.

use std::time::{Duration, Instant};

use libupdate::bundle::verdict::{Detail, Reason, Verdict};
use libupdate::slot::SlotState;
use libupdate::survey::Survey;
use libupdate::{Error, SlotId, activate, word};

use crate::bench::Bench;
use crate::cli::{MarkBad, MarkGood};
use crate::exit::{Exit, Failure};
use crate::os::{Mode, OsError};
use crate::session::Session;
use crate::verb::install::meant;
use crate::verb::status;

/// Between two looks at a slot that waits for a person.
const POLL: Duration = Duration::from_secs(1);

/// Says that a slot has completed a boot.
pub fn good(session: &Session, args: &MarkGood) -> Result<(), Failure> {
    let what = "cannot mark a slot good";
    let (device, mut bench, survey) = Bench::begin(session, Mode::ReadWrite)?;
    let slot = meant(args.slot, &survey.facts, what)?;
    if args.unattended
        && let Some(seconds) = asked(&mut bench, &survey, slot)?
    {
        // The person's own `mark-good` needs the disk.
        drop(bench);
        return confirmed(session, slot, seconds);
    }
    let outcome = bench
        .commit(session, |disk, specs, scratch| activate::mark_good(disk, specs, slot, device.profile.guard, scratch))
        .map_err(|failure| failure.doing(format!("cannot mark slot {slot} good")))?;
    session.output.note(&format!("slot {slot} is good"));
    status::after(session, &mut bench, device.profile, &outcome)
}

/// Seconds that a person has to confirm a slot on trial.
fn asked(bench: &mut Bench, survey: &Survey<'_>, slot: SlotId) -> Result<Option<u32>, Failure> {
    let facts = survey.facts.slot(slot).map_err(Error::<OsError>::from)?;
    let place = survey.slots.get(slot).map_err(Error::<OsError>::from)?;
    match (facts.state, &facts.installed) {
        (SlotState::Trial, Some(installed)) => {
            let (disk, memory) = bench.disk_and_memory();
            Ok(word::asked(disk, place, installed.digest, memory.block))
        }
        _ => Ok(None),
    }
}

/// Waits until a person has marked the slot good.
fn confirmed(session: &Session, slot: SlotId, seconds: u32) -> Result<(), Failure> {
    let until = Instant::now() + Duration::from_secs(seconds.into());
    session.output.warn(&format!(
        "slot {slot} waits for a person: run `updater-cli mark-good` within {seconds} s, else the old slot boots again"
    ));
    while Instant::now() < until {
        if session.interrupt.requested() {
            return Err(Error::<OsError>::Interrupted.into());
        }
        std::thread::sleep(POLL);
        let (device, mut bench, survey) = Bench::begin(session, Mode::ReadOnly)?;
        if survey.facts.slot(slot).map_err(Error::<OsError>::from)?.state == SlotState::Good {
            session.output.note(&format!("slot {slot} was confirmed"));
            return session.output.result(&status::Status::of(&mut bench, &survey, device.profile));
        }
    }
    let (_, mut bench, survey) = Bench::begin(session, Mode::ReadWrite)?;
    let detail = format!("within {seconds} s");
    if let Err(failure) = explain(&mut bench, &survey, slot, Reason::UNCONFIRMED, Some(&detail)) {
        session.output.warn(&format!("the reason could not be recorded: {}", failure.why));
    }
    let why = format!("nobody confirmed it within {seconds} s");
    let next = "restart: the old slot boots; or run `mark-good` if this one works after all";
    Err(Failure::new(Exit::Refused, format!("slot {slot} is not marked good"), why, next))
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
    if let Err(failure) = explain(&mut bench, &survey, slot, Reason::MARKED_BAD, args.reason.as_deref()) {
        session.output.warn(&format!("the reason could not be recorded: {}", failure.why));
    }
    session.output.note(&format!("slot {slot} does not boot again"));
    status::after(session, &mut bench, device.profile, &outcome)
}

/// Leaves a reason on a slot, for `status` on the one that takes over.
pub fn explain(
    bench: &mut Bench,
    survey: &Survey<'_>,
    slot: SlotId,
    reason: Reason,
    detail: Option<&str>,
) -> Result<(), Failure> {
    let facts = survey.facts.slot(slot).map_err(Error::<OsError>::from)?;
    let place = survey.slots.get(slot).map_err(Error::<OsError>::from)?;
    let Some(installed) = &facts.installed else { return Ok(()) };
    let detail = Detail::new(detail.unwrap_or_default());
    let verdict = Verdict { reason, manifest: installed.digest, at: crate::time::now(), detail };
    let (disk, memory) = bench.disk_and_memory();
    Ok(word::explain(disk, place, &verdict, memory.block)?)
}
