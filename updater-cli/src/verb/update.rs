//! `check`: whether a release is news for this device, from its head alone; `update`: the same, and then `install`. Both are for timers: exit code 7 says that
//! there is nothing to do.

use std::fs;
use std::path::Path;

use libupdate::bundle::rollout::Rollout;
use libupdate::bundle::{Unverified, Verified};
use libupdate::error::Rejected;
use libupdate::inspect::Inspection;
use libupdate::policy::{self, Downgrade, Wishes};
use libupdate::slot::SlotState;
use libupdate::units::limits::ENVELOPE_BYTES;
use libupdate::units::version;
use libupdate::{Error, SlotId};
use libupdate_linux::{Mode, OsError};
use serde::Serialize;

use super::install;
use crate::cli::update::{Check, Update};
use crate::exit::{Exit, Failure};
use crate::open_device::OpenDevice;
use crate::output::{Printable, Report, Size};
use crate::session::{Session, Setup};
use crate::source::{BundleSource, shown};

/// What a device is called, in the words of systemd's machine-id(5).
const MACHINE_ID: &str = "/etc/machine-id";

/// Says whether it is news.
pub fn check(session: &Session, args: &Check) -> Result<(), Failure> {
    let device = session.setup()?;
    // Nothing of the disk is held while a server is waited for.
    let inspection = OpenDevice::open(session, &device, Mode::ReadOnly)?.for_an_act().inspect(session)?;
    let mut source = BundleSource::open(&args.source, &args.fetch, session)?;
    let judge = Judge { from: &args.source, wishes: Wishes::default(), any_rollout: args.any_rollout };
    session.output.result(&judge.news(&mut source, &device, &inspection)?)
}

/// Installs it, if it is.
pub fn update(session: &Session, args: &Update) -> Result<(), Failure> {
    let Update { install, any_rollout } = args;
    let judge = Judge { from: &install.source, wishes: install::wishes(install), any_rollout: *any_rollout };
    // Until that is over there is no news, and nobody is asked.
    let device = session.setup()?;
    let inspection = OpenDevice::open(session, &device, Mode::ReadOnly)?.for_an_act().inspect(session)?;
    if let Err(Rejected::TrialRunning { slot }) = policy::no_trial_runs(&inspection.facts) {
        return Err(waits_for_trial(slot));
    }
    // What is judged is what is installed: the source is opened once.
    install::run_if(session, install, |source, device, inspection| judge.news(source, device, inspection).map(|_| ()))
}

fn waits_for_trial(slot: SlotId) -> Failure {
    let why = format!("slot {slot} runs on trial, and is not marked good yet");
    Failure::new(Exit::Nothing, "there is no news", why, "run `mark-good` if it works; the next run looks again")
}

/// Who says whether a release is news.
struct Judge<'j> {
    from: &'j Path,
    wishes: Wishes,
    any_rollout: bool,
}

/// The document of `check --json`.
#[derive(Serialize)]
struct News {
    result: &'static str,
    version: String,
    manifest_digest: String,
    /// Version of the slot that runs, if one does.
    running_version: Option<String>,
    total_bytes: u64,
    fetched_bytes: Option<u64>,
}

impl Report for News {
    fn human(&self) -> String {
        let (version, size) = (Printable(&self.version), Size(self.total_bytes));
        let runs = match &self.running_version {
            Some(runs) => format!("{} runs", Printable(runs)),
            None => "no slot runs".to_owned(),
        };
        format!("{version} ({size}) is newer: {runs}\n")
    }
}

impl Judge<'_> {
    /// Judges the head of the source, which is read again after.
    fn news(&self, source: &mut BundleSource, device: &Setup, inspection: &Inspection<'_>) -> Result<News, Failure> {
        let mut head = Box::new([0; ENVELOPE_BYTES]);
        let read = Unverified::read(source, &mut head).map_err(Error::<OsError>::from);
        let verified = read.and_then(|head| head.verify(device.anchors).map_err(Error::Bundle));
        let what = format!("cannot use {}", shown(self.from));
        let told = |source: &BundleSource, error| source.explained_to(device, Failure::from(error)).doing(&what);
        let verified = verified.map_err(|error| told(source, error))?;
        source.put_back(verified.envelope());
        policy::a_release::<OsError>(&verified).map_err(|error| told(source, error))?;
        let compatible = policy::compatible(&verified, &device.profile.compatible).map_err(Error::Rejected);
        compatible.map_err(|error| told(source, error))?;
        let news = News::of(&verified, inspection, source.fetched());
        if let Err(Rejected::TrialRunning { slot }) = policy::no_trial_runs(&inspection.facts) {
            return Err(waits_for_trial(slot));
        }
        news.is_newer(&verified, inspection, self.wishes)?;
        if !self.any_rollout {
            let rollout = Rollout::of(verified.manifest()).map_err(|broken| told(source, Error::Bundle(broken)))?;
            news.is_for_this_device(rollout)?;
        }
        match policy::admit::<OsError>(verified, &inspection.facts, &inspection.slots, self.wishes) {
            Ok(_) => Ok(news),
            Err(Error::Rejected(Rejected::FailedBefore { slot })) => Err(news.nothing(
                format!("it failed here before, in slot {slot}"),
                "wait for a newer one, or `install --retry-failed`",
            )),
            Err(error) => Err(told(source, error)),
        }
    }
}

impl News {
    fn of(verified: &Verified<'_>, inspection: &Inspection<'_>, fetched: Option<u64>) -> Self {
        let manifest = verified.manifest();
        let runs = inspection.facts.booted.and_then(|slot| inspection.facts.slot(slot).ok());
        let bytes = manifest.payloads().iter().map(|payload| payload.geometry().image_blocks_bytes().get());
        Self {
            result: "newer",
            version: manifest.version().to_string(),
            manifest_digest: verified.digest().to_string(),
            running_version: runs.and_then(|slot| slot.installed.as_ref()).map(|known| known.version.to_string()),
            total_bytes: bytes.sum(),
            fetched_bytes: fetched,
        }
    }

    fn nothing(&self, why: String, next: &str) -> Failure {
        Failure::new(Exit::Nothing, format!("{} is no news", self.version), why, next)
    }

    /// Neither does it run, or something newer, nor is it in another slot already.
    fn is_newer(&self, verified: &Verified<'_>, inspection: &Inspection<'_>, wishes: Wishes) -> Result<(), Failure> {
        let lower = |runs: &str| wishes.downgrade == Downgrade::Allow && version::compare(&self.version, runs).is_lt();
        let not_above = |runs: &&String| self.is_not_above(runs) && !lower(runs);
        if let Some(runs) = self.running_version.as_ref().filter(not_above) {
            return Err(self.nothing(format!("{runs} runs"), "nothing has to be done"));
        }
        for slot in inspection.facts.slots.iter().filter(|slot| Some(slot.slot) != inspection.facts.booted) {
            let Some(known) = &slot.installed else { continue };
            let same = known.digest == verified.digest();
            let held = match slot.state {
                // An earlier run may have been cut right before it armed the slot: the next one does it.
                SlotState::Staged => !same && self.is_not_above(&known.version),
                SlotState::Trial => self.is_not_above(&known.version),
                SlotState::Good => same,
                _ => false,
            };
            if held {
                let why = format!("slot {} holds {}, and is {}", slot.slot, known.version, slot.state);
                return Err(self.nothing(why, install::next_of(slot.state)));
            }
        }
        Ok(())
    }

    fn is_not_above(&self, version: &str) -> bool {
        version::compare(&self.version, version).is_le()
    }

    /// A release may be for some devices only, for a while.
    fn is_for_this_device(&self, rollout: Rollout) -> Result<(), Failure> {
        if rollout.is_everybody() {
            return Ok(());
        }
        let id = fs::read_to_string(MACHINE_ID).unwrap_or_default();
        let id = id.trim();
        // Before the first boot has ended it is empty, or says so in a word.
        let id = if id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) { id } else { "" };
        let among =
            if id.is_empty() { "a device without a machine id is none of them" } else { "this one is none of them" };
        if !id.is_empty() && rollout.includes(id.as_bytes(), &self.version) {
            return Ok(());
        }
        let tenths = rollout.thousandths();
        let why = format!("it is for {}.{} % of devices so far, and {among}", tenths / 10, tenths % 10);
        Err(self.nothing(why, "wait, or give --any-rollout"))
    }
}
