//! `install`: a bundle into the slot that is not booted.

use libupdate::bundle::Unverified;
use libupdate::error::Rejected;
use libupdate::install::progress::Phase;
use libupdate::install::{self};
use libupdate::policy::{self, Admitted, Downgrade, Facts, FailedBefore, Wishes};
use libupdate::region::confirmation;
use libupdate::slot::SlotState;
use libupdate::transition;
use libupdate::transition::Staged;
use libupdate::transition::disarm;
use libupdate::units::limits::ENVELOPE_BYTES;
use libupdate::{Error, SlotId};
use libupdate_linux::profile::Profile;
use libupdate_linux::{Mode, OsError, program};
use serde::Serialize;

use crate::bench::{self, Bench};
use crate::cli::{Install, TrialOption};
use crate::exit::{Exit, Failure};
use crate::last_result;
use crate::output::{Printable, Report, Size, Watch};
use crate::session::Session;
use crate::source::{BundleSource, shown};

/// Installs, and remembers how it ended.
pub fn run(session: &Session, args: &Install) -> Result<(), Failure> {
    let what = format!("cannot install {}", shown(&args.source));
    let answer = install(session, args).map_err(|failure| match failure.code {
        Exit::Usage | Exit::Nothing => failure,
        _ => failure.doing(what),
    });
    if !args.dry_run {
        last_result::write(session, &answer);
    }
    let installed = answer?;
    if args.dry_run {
        return session.output.result(&installed);
    }
    session.output.done(&installed);
    if args.reboot { reboot() } else { Ok(()) }
}

fn reboot() -> Result<(), Failure> {
    let what = "the slot is armed, but the system does not reboot";
    program::reboot().map_err(|error| Failure::new(Exit::Io, what, error, "reboot by hand"))
}

fn install(session: &Session, args: &Install) -> Result<Installed, Failure> {
    let mode = if args.dry_run { Mode::ReadOnly } else { Mode::ReadWrite };
    let device = session.device()?;
    let mut bench = Bench::open(session, &device, mode)?.for_an_act();
    if args.reboot && bench.is_file() {
        return Err(Failure::new(Exit::Usage, "cannot reboot", "this is a disk image file", "leave out --reboot"));
    }
    let survey = bench.survey(session)?;
    // Before a server is waited for: `mark-good` of this very boot needs the lock.
    policy::no_trial_runs(&survey.facts).map_err(Error::<OsError>::from)?;
    let mut source = BundleSource::open(&args.source, &args.fetch, session)?;
    let mut head = Box::new([0; ENVELOPE_BYTES]);
    let read = Unverified::read(&mut source, &mut head);
    let unverified = read.map_err(|fault| source.explained(Error::<OsError>::from(fault).into()))?;
    let verified = unverified.verify(device.anchors).map_err(Error::<OsError>::from)?;
    source.expects(&verified);
    let admitted = policy::admit::<OsError>(verified, &survey.facts, &survey.slots, wishes(args))?;
    let slot = admitted.slot();
    let state = survey.facts.slot(slot).map_err(Error::<OsError>::from)?.state;
    announce(session, args, &admitted, &survey.facts);
    let mut watch = Watch::new(&session.output, &session.interrupt);
    let known = survey.facts.slot(slot).ok().and_then(|facts| facts.installed.as_ref()).map(|known| known.digest);
    let held = known == Some(admitted.verified().digest());
    if let Some(staged) = already(&mut bench, &admitted, held, state, &mut watch)? {
        if args.dry_run {
            nothing_left(&mut bench, session, args, (&staged, state))?;
            return Ok(Installed { bytes_kept: staged.kept().get(), ..Installed::dry(&admitted) });
        }
        return finish(session, &mut bench, device.profile, args, (staged, state), watch);
    }
    if args.dry_run {
        return Ok(Installed::dry(&admitted));
    }
    for extent in admitted.extents() {
        bench.disk.claim(*extent)?;
    }
    let (disarmed, outcome) = bench.commit(session, |disk, specs, scratch| disarm(disk, specs, admitted, scratch))?;
    bench::tell(&session.output, &outcome);
    let staged =
        bench.work(&mut watch, |disk, buffers, tools| install::stage(disk, disarmed, &mut source, buffers, tools));
    let staged = staged.map_err(|failure| source.explained(failure))?;
    finish(session, &mut bench, device.profile, args, (staged, SlotState::Disarmed), watch)
}

/// What the operator asked for.
fn wishes(args: &Install) -> Wishes {
    Wishes {
        slot: args.slot,
        downgrade: if args.allow_downgrade { Downgrade::Allow } else { Downgrade::Refuse },
        failed_before: if args.retry_failed { FailedBefore::Retry } else { FailedBefore::Refuse },
    }
}

fn announce(session: &Session, args: &Install, admitted: &Admitted<'_>, facts: &Facts<'_>) {
    let version = admitted.verified().manifest().version();
    let booted =
        facts.booted.map_or("no slot is booted".to_owned(), |slot| format!("slot {slot} is booted and stays as it is"));
    let doing = if args.dry_run { "judging" } else { "installing" };
    session.output.note(&format!("{doing} {version} into slot {}; {booted}", admitted.slot()));
}

/// The target holds this very manifest already: then it is read and checked instead of written.
fn already<'a>(
    bench: &mut Bench,
    admitted: &Admitted<'a>,
    held: bool,
    state: SlotState,
    watch: &mut Watch<'_>,
) -> Result<Option<Staged<'a>>, Failure> {
    if !held || !matches!(state, SlotState::Staged | SlotState::Trial | SlotState::Good) {
        return Ok(None);
    }
    let place = (admitted.slot(), admitted.entry(), admitted.extents());
    let checked = bench
        .work(watch, |disk, buffers, tools| install::restage(disk, admitted.verified().clone(), place, buffers, tools));
    match checked {
        Ok(staged) => Ok(Some(staged)),
        // What the slot holds is not what its trailer says, or cannot be read: it is written anew, which heals a bad sector.
        Err(failure) if matches!(failure.code, Exit::NotAuthentic | Exit::Io) => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn finish(
    session: &Session,
    bench: &mut Bench,
    profile: &Profile,
    args: &Install,
    (staged, state): (Staged<'_>, SlotState),
    watch: Watch<'_>,
) -> Result<Installed, Failure> {
    let seconds = watch.finish();
    let asked = asked(args);
    let ending = if args.no_activate { Ending::Staged } else { Ending::Armed };
    if complete(state, args) {
        nothing_left(bench, session, args, (&staged, state))?;
        // Complete already, but for who confirms its trial.
        ask(bench, session, &staged, asked)?;
        let ending = if state == SlotState::Staged { ending } else { Ending::Armed };
        return Ok(Installed::done(&staged, ending, asked, &seconds));
    }
    ask(bench, session, &staged, asked)?;
    let outcome = bench.commit(session, |disk, specs, scratch| match ending {
        Ending::Staged => transition::keep_staged(disk, specs, &staged, profile.tries, scratch),
        Ending::Armed => transition::arm(disk, specs, &staged, profile.tries, scratch),
    })?;
    bench::tell(&session.output, &outcome);
    Ok(Installed::done(&staged, ending, asked, &seconds))
}

/// Seconds that a person shall have.
const fn asked(args: &Install) -> Option<u32> {
    match args.trial {
        TrialOption::Auto => None,
        TrialOption::Manual => Some(args.within),
    }
}

/// Whether a slot that holds the bundle is what was asked for.
const fn complete(state: SlotState, args: &Install) -> bool {
    matches!(state, SlotState::Trial | SlotState::Good) || (matches!(state, SlotState::Staged) && args.no_activate)
}

/// Refuses to do again what is done, down to who confirms the trial.
fn nothing_left(
    bench: &mut Bench,
    session: &Session,
    args: &Install,
    (staged, state): (&Staged<'_>, SlotState),
) -> Result<(), Failure> {
    let done = complete(state, args) && (state == SlotState::Good || question(bench, session, staged)? == asked(args));
    let version = staged.verified().manifest().version();
    if !done {
        return Ok(());
    }
    if !args.dry_run {
        bench.settle(session)?;
    }
    Err(held(staged.slot(), version.as_str(), state))
}

/// Has the slot say, before it is armed, whether a person confirms its trial.
fn ask(bench: &mut Bench, session: &Session, staged: &Staged<'_>, within: Option<u32>) -> Result<(), Failure> {
    let survey = bench.survey_again(session)?;
    let place = survey.slots.get(staged.slot()).map_err(Error::<OsError>::from)?;
    let (disk, memory) = bench.disk_and_memory();
    Ok(confirmation::ask(disk, place, staged.verified().digest(), within, memory.block)?)
}

/// What the slot says now.
fn question(bench: &mut Bench, session: &Session, staged: &Staged<'_>) -> Result<Option<u32>, Failure> {
    let survey = bench.survey_again(session)?;
    let place = survey.slots.get(staged.slot()).map_err(Error::<OsError>::from)?;
    let (disk, memory) = bench.disk_and_memory();
    Ok(confirmation::asked(disk, place, staged.verified().digest(), memory.block))
}

fn held(slot: SlotId, version: &str, state: SlotState) -> Failure {
    let what = format!("slot {slot} holds {version} already");
    let next = match state {
        SlotState::Trial => "reboot to try it",
        SlotState::Staged => "run `activate` to arm it",
        _ => "run `rollback` to boot it next",
    };
    Failure::new(Exit::Nothing, what, format!("every block of it is right and it is {state}"), next)
}

/// How an installation ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    Staged,
    Armed,
}

/// The document of `install --json`.
#[derive(Serialize)]
struct Installed {
    result: &'static str,
    slot: String,
    version: String,
    manifest_digest: String,
    bytes_total: u64,
    bytes_kept: u64,
    /// Seconds that a person has to confirm the trial.
    confirm_seconds: Option<u32>,
    seconds: Option<Seconds>,
}

/// Seconds of each phase; the slot's images are durable after `write` and `flush`.
#[derive(Serialize)]
struct Seconds {
    write: f64,
    flush: f64,
    read_back: f64,
}

impl Installed {
    fn dry(admitted: &Admitted<'_>) -> Self {
        let manifest = admitted.verified().manifest();
        let total = manifest.payloads().iter().map(|payload| payload.geometry().image_blocks_bytes().get()).sum();
        Self {
            result: "would-install",
            slot: admitted.slot().to_string(),
            version: manifest.version().to_string(),
            manifest_digest: admitted.verified().digest().to_string(),
            bytes_total: total,
            bytes_kept: 0,
            confirm_seconds: None,
            seconds: None,
        }
    }

    fn done(staged: &Staged<'_>, ending: Ending, asked: Option<u32>, seconds: &[(Phase, f64)]) -> Self {
        let of = |wanted| seconds.iter().filter(|(phase, _)| *phase == wanted).map(|(_, seconds)| seconds).sum();
        Self {
            result: if ending == Ending::Staged { "staged" } else { "armed" },
            slot: staged.slot().to_string(),
            version: staged.verified().manifest().version().to_string(),
            manifest_digest: staged.verified().digest().to_string(),
            bytes_total: staged.total().get(),
            bytes_kept: staged.kept().get(),
            confirm_seconds: asked,
            seconds: Some(Seconds { write: of(Phase::Write), flush: of(Phase::Flush), read_back: of(Phase::ReadBack) }),
        }
    }
}

impl Report for Installed {
    fn human(&self) -> String {
        let (version, slot) = (Printable(&self.version), &self.slot);
        let bytes = Size(self.bytes_total);
        match self.result {
            "would-install" => format!("would install {version} ({bytes}) into slot {slot}; nothing was written\n"),
            "staged" => format!("slot {slot} holds {version} ({bytes}), complete and not armed; `activate` arms it\n"),
            _ => {
                let kept = if self.bytes_kept > 0 {
                    format!(", {} of it was there already", Size(self.bytes_kept))
                } else {
                    String::new()
                };
                let next = match self.confirm_seconds {
                    None => "on trial; reboot, then run `mark-good` from it".to_owned(),
                    Some(seconds) => {
                        format!(
                            "on trial; reboot, then run `mark-good` from it within {seconds} s, else the old slot boots"
                        )
                    }
                };
                format!(
                    "installed {version} into slot {slot}: {bytes} read back and right{kept}\n\
                     slot {slot} boots next, {next}\n"
                )
            }
        }
    }
}

/// The slot that an act means: the one given, or the booted one.
pub fn meant(slot: Option<SlotId>, facts: &Facts<'_>, what: &str) -> Result<SlotId, Failure> {
    match (slot, facts.booted) {
        (Some(slot), _) | (None, Some(slot)) => {
            facts.slot(slot).map_err(|_| Failure::from(Error::<OsError>::Rejected(Rejected::NoSuchSlot { slot })))?;
            Ok(slot)
        }
        (None, None) => Err(bench::no_slot(what)),
    }
}
