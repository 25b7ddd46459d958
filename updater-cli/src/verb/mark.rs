//! `mark-good` and `mark-bad`: the verdict on the booted slot.

use std::time::{Duration, Instant};

use libupdate::boot::{Detail, Reason};
use libupdate::gpt::write::Outcome;
use libupdate::inspect::Inspection;
use libupdate::region::boot_note::BootNote;
use libupdate::region::{boot_note, confirmation};
use libupdate::slot::SlotState;
use libupdate::{Error, SlotId, transition};
use libupdate_linux::{Mode, OsError};

use crate::bench::Bench;
use crate::cli::{MarkBad, MarkGood};
use crate::exit::{Exit, Failure};
use crate::session::{Device, Session};
use crate::verb::install::meant;
use crate::verb::status;

/// Between two looks at a slot that waits for a person.
const POLL: Duration = Duration::from_secs(1);
/// How long somebody else may work on the disk.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long the last look may fail, for example because somebody else works on the disk.
const LATE: Duration = Duration::from_secs(30);

/// Says that a slot has completed a boot.
pub fn good(session: &Session, args: &MarkGood) -> Result<(), Failure> {
    let what = "cannot mark a slot good";
    let (device, mut bench, survey) =
        if args.unattended { patiently(session)? } else { Bench::begin(session, Mode::ReadWrite)? };
    let slot = meant(args.slot, &survey.facts, what)?;
    if !args.danger_untried {
        let tried = survey.facts.has_booted(slot).map_err(Error::<OsError>::from);
        tried.map_err(|error| Failure::from(error).doing(format!("cannot mark slot {slot} good")))?;
    }
    status::warn_of_watchdog(session, &bench, device.profile);
    if args.unattended
        && let Some(seconds) = asked(&mut bench, &survey, slot)?
    {
        // The person's own `mark-good` needs the disk.
        drop(bench);
        return confirmed(session, &device, slot, seconds);
    }
    let outcome = bench
        .commit(session, |disk, specs, scratch| transition::mark_good(disk, specs, slot, device.profile.guard, scratch))
        .map_err(|failure| failure.doing(format!("cannot mark slot {slot} good")))?;
    session.output.note(&format!("slot {slot} is good"));
    status::after(session, &mut bench, device.profile, &outcome)
}

/// Waits until nobody else works on the disk: a boot that is not marked good because an installation runs would count as a bad one.
fn patiently(session: &Session) -> Result<(Device, Bench, Inspection<'static>), Failure> {
    let until = Instant::now() + PATIENCE;
    let mut told = false;
    loop {
        match Bench::begin(session, Mode::ReadWrite) {
            Err(failure) if failure.code == Exit::Busy && Instant::now() < until => {
                if !std::mem::replace(&mut told, true) {
                    session.output.warn(&format!("{}; waiting for at most {} s", failure.why, PATIENCE.as_secs()));
                }
            }
            answer => return answer,
        }
        if session.interrupt.requested() {
            return Err(Error::<OsError>::Interrupted.into());
        }
        std::thread::sleep(POLL);
    }
}

/// Seconds that a person has to confirm a slot on trial.
fn asked(bench: &mut Bench, survey: &Inspection<'_>, slot: SlotId) -> Result<Option<u32>, Failure> {
    let facts = survey.facts.slot(slot).map_err(Error::<OsError>::from)?;
    let place = survey.slots.get(slot).map_err(Error::<OsError>::from)?;
    match (facts.state, &facts.installed) {
        (SlotState::Trial, Some(installed)) => {
            let (disk, memory) = bench.disk_and_memory();
            Ok(confirmation::asked(disk, place, installed.digest, memory.block))
        }
        _ => Ok(None),
    }
}

/// Waits until a person has marked the slot good. A look that fails is no answer: the next one may succeed.
fn confirmed(session: &Session, device: &Device, slot: SlotId, seconds: u32) -> Result<(), Failure> {
    let until = Instant::now() + Duration::from_secs(seconds.into());
    session.output.warn(&format!(
        "slot {slot} waits for a person: run `updater-cli mark-good` within {seconds} s, else the old slot boots again"
    ));
    loop {
        if session.interrupt.requested() {
            return Err(Error::<OsError>::Interrupted.into());
        }
        let last = Instant::now() >= until;
        // The last look keeps everybody else out: an answer after it comes too late.
        match look(session, device, if last { Mode::ReadWrite } else { Mode::ReadOnly }) {
            Ok((mut bench, survey)) if is_good(&survey, slot) => {
                session.output.note(&format!("slot {slot} was confirmed"));
                session.output.done(&status::Status::of(&mut bench, &survey, device.profile));
                return Ok(());
            }
            Ok((bench, survey)) if last => return Err(unconfirmed(session, bench, &survey, slot, seconds)),
            Err(failure) if Instant::now() >= until + LATE => return Err(failure),
            _ => std::thread::sleep(POLL),
        }
    }
}

fn is_good(survey: &Inspection<'_>, slot: SlotId) -> bool {
    survey.facts.slot(slot).is_ok_and(|facts| facts.state == SlotState::Good)
}

fn look(session: &Session, device: &Device, mode: Mode) -> Result<(Bench, Inspection<'static>), Failure> {
    let mut bench = Bench::open(session, device, mode)?;
    let survey = bench.survey(session)?;
    Ok((bench, survey))
}

/// Nobody answered: the slot is taken out, and whoever called restarts.
fn unconfirmed(session: &Session, bench: Bench, survey: &Inspection<'_>, slot: SlotId, seconds: u32) -> Failure {
    let detail = format!("within {seconds} s");
    let next = match condemn(session, bench, survey, (slot, Reason::UNCONFIRMED, Some(&detail))) {
        Ok(_) => "restart: the old slot boots; a second `install` of this version needs --retry-failed".to_owned(),
        Err(failure) => {
            format!("the slot keeps its bits ({}); restart: after its tries the old slot boots", failure.why)
        }
    };
    let why = format!("nobody confirmed it {detail}");
    Failure::new(Exit::Refused, format!("slot {slot} is not marked good"), why, next)
}

/// Says that a slot must not boot again, and why.
pub fn bad(session: &Session, args: &MarkBad) -> Result<(), Failure> {
    let (device, bench, survey) = Bench::begin(session, Mode::ReadWrite)?;
    let slot = meant(args.slot, &survey.facts, "cannot mark a slot bad")?;
    let why = (slot, Reason::MARKED_BAD, args.reason.as_deref());
    let (mut bench, outcome) = condemn(session, bench, &survey, why)?;
    session.output.note(&format!("slot {slot} does not boot again"));
    status::after(session, &mut bench, device.profile, &outcome)
}

/// Takes a slot out of the boot order, and leaves the reason on it.
fn condemn(
    session: &Session,
    mut bench: Bench,
    survey: &Inspection<'_>,
    (slot, reason, detail): (SlotId, Reason, Option<&str>),
) -> Result<(Bench, Outcome), Failure> {
    let outcome = bench
        .commit(session, |disk, specs, scratch| transition::mark_bad(disk, specs, &survey.facts, slot, scratch))
        .map_err(|failure| failure.doing(format!("cannot mark slot {slot} bad")))?;
    // The bits decide; the word only says why, and failing to write it changes nothing else.
    if let Err(failure) = explain(&mut bench, survey, slot, reason, detail) {
        session.output.warn(&format!("the reason could not be recorded: {}", failure.why));
    }
    Ok((bench, outcome))
}

/// Leaves a reason on a slot, for `status` on the one that takes over.
pub fn explain(
    bench: &mut Bench,
    survey: &Inspection<'_>,
    slot: SlotId,
    reason: Reason,
    detail: Option<&str>,
) -> Result<(), Failure> {
    let facts = survey.facts.slot(slot).map_err(Error::<OsError>::from)?;
    let place = survey.slots.get(slot).map_err(Error::<OsError>::from)?;
    let Some(installed) = &facts.installed else { return Ok(()) };
    let detail = Detail::new(detail.unwrap_or_default());
    let verdict = BootNote { reason, manifest: installed.digest, at: libupdate_linux::time::now(), detail };
    let (disk, memory) = bench.disk_and_memory();
    Ok(boot_note::leave(disk, place, &verdict, memory.block)?)
}
