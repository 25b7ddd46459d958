//! `mark-good` and `mark-bad`: the verdict on the booted slot.

use std::time::{Duration, Instant};

use libupdate::boot::{Detail, Reason};
use libupdate::device::{Claim, Note};
use libupdate::inspect::Inspection;
use libupdate::region::confirmation;
use libupdate::slot::SlotState;
use libupdate::{Error, SlotId};
use libupdate_linux::{Mode, OsError};

use crate::cli::{MarkBad, MarkGood};
use crate::exit::{Exit, Failure};
use crate::open_device::OpenDevice;
use crate::session::{Session, Setup};
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
    let (setup, mut opened, inspection) =
        if args.unattended { patiently(session)? } else { OpenDevice::begin(session, Mode::ReadWrite)? };
    let slot = meant(args.slot, &inspection.facts, what)?;
    session.record.changes(&inspection.facts, slot);
    let claim = if args.danger_untried { Claim::Untried } else { Claim::Booted };
    if claim == Claim::Booted {
        let tried = inspection.facts.has_booted(slot).map_err(Error::<OsError>::from);
        tried.map_err(|error| Failure::from(error).doing(format!("cannot mark slot {slot} good")))?;
    }
    status::warn_of_watchdog(session, &opened, setup.profile);
    if args.unattended
        && let Some(seconds) = asked(&mut opened, &inspection, slot)?
    {
        // The person's own `mark-good` needs the disk.
        drop(opened);
        return confirmed(session, &setup, slot, seconds);
    }
    opened
        .act(session, |device, room, watch| device.mark_good(slot, claim, room, watch))
        .map(|_| ())
        .map_err(|failure| failure.doing(format!("cannot mark slot {slot} good")))?;
    if inspection.facts.booted == Some(slot) && !opened.is_file() {
        status::Laid::boot_is_good(session);
    }
    session.output.note(&format!("slot {slot} is good"));
    status::after(session, &mut opened, setup.profile)
}

/// Waits until nobody else works on the disk: a boot that is not marked good because an installation runs would count as a bad one.
fn patiently(session: &Session) -> Result<(Setup, OpenDevice, Inspection<'static>), Failure> {
    let until = Instant::now() + PATIENCE;
    let mut told = false;
    loop {
        match OpenDevice::begin(session, Mode::ReadWrite) {
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
fn asked(opened: &mut OpenDevice, survey: &Inspection<'_>, slot: SlotId) -> Result<Option<u32>, Failure> {
    let facts = survey.facts.slot(slot).map_err(Error::<OsError>::from)?;
    let place = survey.slots.get(slot).map_err(Error::<OsError>::from)?;
    match (facts.state, &facts.installed) {
        (SlotState::Trial, Some(installed)) => {
            let (disk, memory) = opened.disk_and_memory();
            Ok(confirmation::asked(disk, place, installed.digest, memory.block))
        }
        _ => Ok(None),
    }
}

/// Waits until a person has marked the slot good. A look that fails is no answer: the next one may succeed.
fn confirmed(session: &Session, setup: &Setup, slot: SlotId, seconds: u32) -> Result<(), Failure> {
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
        match look(session, setup, if last { Mode::ReadWrite } else { Mode::ReadOnly }) {
            Ok((mut opened, survey)) if is_good(&survey, slot) => {
                session.output.note(&format!("slot {slot} was confirmed"));
                session.output.done(&status::Status::of(&mut opened, &survey, setup.profile));
                return Ok(());
            }
            Ok((opened, _)) if last => return Err(unconfirmed(session, opened, slot, seconds)),
            Err(failure) if Instant::now() >= until + LATE => return Err(failure),
            _ => std::thread::sleep(POLL),
        }
    }
}

fn is_good(survey: &Inspection<'_>, slot: SlotId) -> bool {
    survey.facts.slot(slot).is_ok_and(|facts| facts.state == SlotState::Good)
}

fn look(session: &Session, setup: &Setup, mode: Mode) -> Result<(OpenDevice, Inspection<'static>), Failure> {
    let mut opened = OpenDevice::open(session, setup, mode)?;
    let survey = opened.inspect(session)?;
    Ok((opened, survey))
}

/// Nobody answered: the slot is taken out, and whoever called restarts.
fn unconfirmed(session: &Session, mut opened: OpenDevice, slot: SlotId, seconds: u32) -> Failure {
    let detail = format!("within {seconds} s");
    let next = match condemn(session, &mut opened, slot, &note(Reason::UNCONFIRMED, Some(&detail))) {
        Ok(()) => "restart: the old slot boots; a second `install` of this version needs --retry-failed".to_owned(),
        Err(failure) => {
            format!("the slot keeps its bits ({}); restart: after its tries the old slot boots", failure.why)
        }
    };
    let why = format!("nobody confirmed it {detail}");
    Failure::new(Exit::Refused, format!("slot {slot} is not marked good"), why, next)
}

/// Says that a slot must not boot again, and why.
pub fn bad(session: &Session, args: &MarkBad) -> Result<(), Failure> {
    let (setup, mut opened, inspection) = OpenDevice::begin(session, Mode::ReadWrite)?;
    let slot = meant(args.slot, &inspection.facts, "cannot mark a slot bad")?;
    session.record.changes(&inspection.facts, slot);
    condemn(session, &mut opened, slot, &note(Reason::MARKED_BAD, args.reason.as_deref()))?;
    session.output.note(&format!("slot {slot} does not boot again"));
    status::after(session, &mut opened, setup.profile)
}

fn condemn(session: &Session, opened: &mut OpenDevice, slot: SlotId, note: &Note) -> Result<(), Failure> {
    let marked = opened.act(session, |device, room, watch| device.mark_bad(slot, note, room, watch));
    marked.map(|_| ()).map_err(|failure| failure.doing(format!("cannot mark slot {slot} bad")))
}

/// A reason for `status` on the slot that takes over.
pub fn note(reason: Reason, detail: Option<&str>) -> Note {
    Note { reason, detail: Detail::new(detail.unwrap_or_default()), at: libupdate_linux::time::now() }
}
