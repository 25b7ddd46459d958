//! `install`: a bundle into the slot that is not booted.

use std::path::{Path, PathBuf};

use libupdate::device::{Ending, Installed, Reach, Request, Then};
use libupdate::error::Rejected;
use libupdate::inspect::Inspection;
use libupdate::install::progress::Phase;
use libupdate::policy::{self, Downgrade, Facts, FailedBefore, Wishes};
use libupdate::slot::SlotState;
use libupdate::{Error, SlotId};
use libupdate_linux::{Mode, OsError, program};
use serde::Serialize;

use crate::cli::{Install, TrialOption};
use crate::exit::{Exit, Failure};
use crate::history;
use crate::loader_store;
use crate::open_device::{self, OpenDevice};
use crate::output::{Printable, Report, Size, Watch};
use crate::session::{Session, Setup};
use crate::source::{BundleSource, shown};

#[cfg(feature = "live")]
mod aim;

#[cfg(feature = "live")]
pub use aim::{Aim, aimed, judge};

/// Installs, and remembers how it ended.
pub fn run(session: &Session, args: &Install) -> Result<(), Failure> {
    run_if(session, args, |_, _, _| Ok(()))
}

/// The same if `judge` has nothing against the source, of which it may read the head and put it back.
pub fn run_if(
    session: &Session,
    args: &Install,
    judge: impl Fn(&mut BundleSource, &Setup, &Inspection<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let what = format!("cannot install {}", shown(&args.source));
    let answer = install(session, args, judge).map_err(|failure| match failure.code {
        Exit::Usage | Exit::Nothing => failure,
        _ => failure.doing(what),
    });
    let installed = answer?;
    if args.dry_run {
        return session.output.result(&installed);
    }
    session.output.done(&installed);
    if !args.reboot {
        return Ok(());
    }
    // The system may go down at once. Whether it does is nothing of the installation.
    history::keep(session, "install", &Ok::<_, Failure>(()));
    reboot(session)
}

fn reboot(session: &Session) -> Result<(), Failure> {
    let what = "the slot is armed, but the system does not reboot";
    let argument = loader_store::reboot_argument(&session.profile()?);
    program::reboot(argument).map_err(|error| Failure::new(Exit::Io, what, error, "reboot by hand"))
}

fn install(
    session: &Session,
    args: &Install,
    judge: impl Fn(&mut BundleSource, &Setup, &Inspection<'_>) -> Result<(), Failure>,
) -> Result<Document, Failure> {
    let mode = if args.dry_run { Mode::ReadOnly } else { Mode::ReadWrite };
    let device = session.setup()?;
    let mut opened = OpenDevice::open(session, &device, mode)?.for_an_act();
    if args.reboot && opened.is_file() {
        return Err(Failure::new(Exit::Usage, "cannot reboot", "this is a disk image file", "leave out --reboot"));
    }
    let inspection = opened.inspect(session)?;
    // Before a server is waited for: `mark-good` of this very boot needs the lock.
    policy::no_trial_runs(&inspection.facts).map_err(Error::<OsError>::from)?;
    let mut source = BundleSource::open(&args.source, &args.fetch, session)?;
    judge(&mut source, &device, &inspection)?;
    if source.fetched().is_some() {
        opened.reuses_blocks_of(&inspection.slots);
    }
    let mut from = args.source.clone();
    let mut ended = attempt(session, args, (&mut source, &from), (&device, &mut opened));
    if let Err(Attempt::NeedsWhole(full, failure)) = ended {
        source = whole(session, args, &full, failure)?;
        judge(&mut source, &device, &inspection)?;
        from = full;
        ended = attempt(session, args, (&mut source, &from), (&device, &mut opened));
    }
    if let Err(Attempt::ReusedOthers(failure)) = ended {
        session.output.note(&format!("{}; going on without blocks of other slots", failure.why));
        opened.reuses_nothing();
        source = BundleSource::open(&from, &args.fetch, session)?;
        // What the name leads to may have changed.
        judge(&mut source, &device, &inspection)?;
        ended = attempt(session, args, (&mut source, &from), (&device, &mut opened));
    }
    let (installed, seconds) = ended.map_err(Attempt::into_failure)?;
    let fetched = source.fetched();
    let state = match installed.ending {
        Ending::HeldAlready(state) => state,
        Ending::Staged | Ending::WouldInstall => SlotState::Staged,
        Ending::Armed => SlotState::Trial,
    };
    let bytes = (installed.sizes.total.get(), installed.sizes.kept.get());
    session.record.installed(installed.slot, installed.version.as_ref(), state, bytes);
    match installed.ending {
        Ending::HeldAlready(state) => Err(held(&installed, state)),
        _ => Ok(Document::of(&installed, asked(args), &seconds, fetched)),
    }
}

/// Why an installation from one bundle failed.
enum Attempt {
    /// It is made from an old image that the device does not have, or not whole; the bundle of whole images would be here.
    NeedsWhole(PathBuf, Failure),
    /// Blocks of another slot look like some of the bundle and are others.
    ReusedOthers(Failure),
    /// Anything else.
    Failed(Failure),
}

impl Attempt {
    fn into_failure(self) -> Failure {
        let (Self::NeedsWhole(_, failure) | Self::ReusedOthers(failure) | Self::Failed(failure)) = self;
        failure
    }
}

fn attempt(
    session: &Session,
    args: &Install,
    (source, from): (&mut BundleSource, &Path),
    (device, opened): (&Setup, &mut OpenDevice),
) -> Result<(Installed, Vec<(Phase, f64)>), Attempt> {
    let watch = Watch::new(&session.output, &session.interrupt).recording(&session.record);
    let mut watch = if args.dry_run { watch.judging() } else { watch };
    let estimate = args.dry_run && source.fetched().is_some();
    let mut request = request(args);
    if estimate {
        request.reach = Reach::Estimate;
    }
    let (mut of_old_image, mut of_reuse) = (false, false);
    let installed = opened.long_act(|device, room, work| {
        let installed = device.install(source, &request, room, work, &mut watch);
        of_old_image = installed.as_ref().is_err_and(is_of_an_old_image);
        of_reuse = matches!(&installed, Err(Error::Bundle(broken)) if broken.is_of_reuse());
        installed
    });
    match (installed, source.full(from).filter(|_| of_old_image)) {
        (Ok(installed), _) => Ok((installed, watch.finish())),
        (Err(failure), Some(full)) => Err(Attempt::NeedsWhole(full, failure)),
        (Err(failure), None) if of_reuse => Err(Attempt::ReusedOthers(failure)),
        (Err(failure), None) => Err(Attempt::Failed(source.explained_to(device, failure))),
    }
}

/// The bundle of whole images. Without it the failure of the delta is what there is to say.
fn whole(session: &Session, args: &Install, full: &Path, failure: Failure) -> Result<BundleSource, Failure> {
    match BundleSource::open(full, &args.fetch, session) {
        Ok(source) => {
            session.output.note(&format!("{}; going on with {}", failure.why, shown(full)));
            Ok(source)
        }
        Err(stopped) if stopped.code == Exit::Interrupted => Err(stopped),
        Err(_) => {
            let next = format!("put the bundle of whole images at {}, or install it", shown(full));
            Err(Failure { next, ..failure })
        }
    }
}

/// Whether the bundle of whole images helps.
fn is_of_an_old_image(error: &Error<OsError>) -> bool {
    match error {
        Error::Rejected(rejected) => matches!(rejected, Rejected::NoOldImage { .. }),
        Error::Bundle(broken) => broken.is_of_an_old_image(),
        _ => false,
    }
}

fn request(args: &Install) -> Request {
    let then = if args.no_activate { Then::Stage } else { Then::Arm };
    let reach = if args.dry_run { Reach::JudgeOnly } else { Reach::Whole };
    Request { wishes: wishes(args), then, reach, confirm_within: asked(args) }
}

/// What the operator asked for.
pub fn wishes(args: &Install) -> Wishes {
    Wishes {
        slot: args.slot,
        downgrade: if args.allow_downgrade { Downgrade::Allow } else { Downgrade::Refuse },
        failed_before: if args.retry_failed { FailedBefore::Retry } else { FailedBefore::Refuse },
    }
}

/// Seconds that a person shall have.
const fn asked(args: &Install) -> Option<u32> {
    match args.trial {
        TrialOption::Auto => None,
        TrialOption::Manual => Some(args.within),
    }
}

fn held(installed: &Installed, state: SlotState) -> Failure {
    let what = format!("slot {} holds {} already", installed.slot, installed.version);
    Failure::new(Exit::Nothing, what, format!("every block of it is right and it is {state}"), next_of(state))
}

/// What to do with a slot that holds what was asked for.
pub const fn next_of(state: SlotState) -> &'static str {
    match state {
        SlotState::Trial => "reboot to try it",
        SlotState::Staged => "run `activate` to arm it",
        _ => "run `rollback` to boot it next",
    }
}

/// The document of `install --json`.
#[derive(Serialize)]
struct Document {
    result: &'static str,
    slot: String,
    version: String,
    manifest_digest: String,
    total_bytes: u64,
    kept_bytes: u64,
    /// Those that came from other slots.
    reused_bytes: u64,
    /// Bytes that came over a network; `None` if the bundle is here.
    fetched_bytes: Option<u64>,
    /// What an installation would fetch; `None` if it is no dry run, or the bundle is here.
    to_fetch_bytes: Option<u64>,
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

impl Document {
    fn of(installed: &Installed, asked: Option<u32>, seconds: &[(Phase, f64)], fetched: Option<u64>) -> Self {
        let of = |wanted| seconds.iter().filter(|(phase, _)| *phase == wanted).map(|(_, seconds)| seconds).sum();
        let written = installed.ending != Ending::WouldInstall;
        let seconds = Seconds { write: of(Phase::Write), flush: of(Phase::Flush), read_back: of(Phase::ReadBack) };
        Self {
            result: match installed.ending {
                Ending::WouldInstall => "would-install",
                Ending::Staged => "staged",
                Ending::Armed | Ending::HeldAlready(_) => "armed",
            },
            slot: installed.slot.to_string(),
            version: installed.version.to_string(),
            manifest_digest: installed.digest.to_string(),
            total_bytes: installed.sizes.total.get(),
            kept_bytes: installed.sizes.kept.get(),
            reused_bytes: installed.sizes.reused.get(),
            fetched_bytes: fetched,
            to_fetch_bytes: installed.to_read.map(|bytes| bytes.get()),
            confirm_seconds: asked.filter(|_| written),
            seconds: written.then_some(seconds),
        }
    }
}

impl Report for Document {
    fn human(&self) -> String {
        let (version, slot) = (Printable(&self.version), &self.slot);
        let bytes = Size(self.total_bytes);
        match self.result {
            "would-install" => {
                let fetch = self.to_fetch_bytes.map(|bytes| format!(" and fetch {}", Size(bytes))).unwrap_or_default();
                format!("would install {version} ({bytes}) into slot {slot}{fetch}; nothing was written\n")
            }
            "staged" => format!("slot {slot} holds {version} ({bytes}), complete and not armed; `activate` arms it\n"),
            _ => {
                let mut from = String::new();
                if self.kept_bytes > 0 {
                    from += &format!(", {} of it was there already", Size(self.kept_bytes));
                }
                if self.reused_bytes > 0 {
                    from += &format!(", {} came from another slot", Size(self.reused_bytes));
                }
                if let Some(fetched) = self.fetched_bytes {
                    from += &format!(", {} were fetched", Size(fetched));
                }
                let next = match self.confirm_seconds {
                    None => "on trial; reboot, then run `mark-good` from it".to_owned(),
                    Some(seconds) => {
                        format!(
                            "on trial; reboot, then run `mark-good` from it within {seconds} s, else the old slot boots"
                        )
                    }
                };
                format!(
                    "installed {version} into slot {slot}: {bytes} read back and right{from}\n\
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
        (None, None) => Err(open_device::no_slot(what)),
    }
}
