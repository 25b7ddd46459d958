//! `check`: whether a release is news for this device, from its head alone; `update`: the same, and then `install`. Both are for timers: exit code 7 says that
//! there is nothing to do.

use std::fs;
use std::path::Path;

use libupdate::Error;
use libupdate::bundle::rollout::Rollout;
use libupdate::bundle::{Unverified, Verified};
use libupdate::error::Rejected;
use libupdate::inspect::Inspection;
use libupdate::install::Source as _;
use libupdate::policy::{self, Wishes};
use libupdate::slot::SlotState;
use libupdate::units::limits::ENVELOPE_BYTES;
use libupdate::units::version;
use libupdate_linux::{Mode, OsError};
use serde::Serialize;

use super::install;
use crate::cli::Fetch;
use crate::cli::update::{Check, Update};
use crate::exit::{Exit, Failure};
use crate::open_device::OpenDevice;
use crate::output::{Printable, Report, Size};
use crate::session::Session;
use crate::source::{BundleSource, shown};

/// What a device is called, in the words of systemd's machine-id(5).
const MACHINE_ID: &str = "/etc/machine-id";

/// Says whether it is news.
pub fn check(session: &Session, args: &Check) -> Result<(), Failure> {
    let news = news(session, &args.source, &args.fetch, Wishes::default(), args.any_rollout)?;
    session.output.result(&news)
}

/// Installs it, if it is.
pub fn update(session: &Session, args: &Update) -> Result<(), Failure> {
    let Update { install, any_rollout } = args;
    news(session, &install.source, &install.fetch, install::wishes(install), *any_rollout)?;
    install::run(session, install)
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

/// Judges the head of what the user named.
fn news(session: &Session, from: &Path, fetch: &Fetch, wishes: Wishes, any_rollout: bool) -> Result<News, Failure> {
    let device = session.setup()?;
    // Nothing of the disk is held while a server is waited for.
    let inspection = OpenDevice::open(session, &device, Mode::ReadOnly)?.for_an_act().inspect(session)?;
    let mut source = BundleSource::open(from, fetch, session)?;
    let mut head = Box::new([0; ENVELOPE_BYTES]);
    let read = Unverified::read(&mut source, &mut head).map_err(Error::<OsError>::from);
    let verified = read.and_then(|head| head.verify(device.anchors).map_err(Error::Bundle));
    let what = format!("cannot use {}", shown(from));
    let told = |source: &BundleSource, error| source.explained_to(&device, Failure::from(error)).doing(&what);
    let verified = verified.map_err(|error| told(&source, error))?;
    source.expects(&verified);
    let news = News::of(&verified, &inspection, source.fetched());
    let compatible = policy::compatible(&verified, &device.profile.compatible).map_err(Error::Rejected);
    compatible.map_err(|error| told(&source, error))?;
    news.is_newer(&verified, &inspection)?;
    if !any_rollout {
        let rollout = Rollout::of(verified.manifest()).map_err(|broken| told(&source, Error::Bundle(broken)))?;
        news.is_for_this_device(rollout)?;
    }
    match policy::admit::<OsError>(verified, &inspection.facts, &inspection.slots, wishes) {
        Ok(_) => Ok(news),
        Err(Error::Rejected(Rejected::FailedBefore { slot })) => Err(news.nothing(
            format!("it failed here before, in slot {slot}"),
            "wait for a newer one, or `install --retry-failed`",
        )),
        Err(error) => Err(told(&source, error)),
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
    fn is_newer(&self, verified: &Verified<'_>, inspection: &Inspection<'_>) -> Result<(), Failure> {
        if let Some(runs) = self.running_version.as_ref().filter(|runs| version::compare(&self.version, runs).is_le()) {
            return Err(self.nothing(format!("{runs} runs"), "nothing has to be done"));
        }
        let holder = inspection.facts.slots.iter().find(|slot| {
            let same = slot.installed.as_ref().is_some_and(|known| known.digest == verified.digest());
            same && matches!(slot.state, SlotState::Staged | SlotState::Trial | SlotState::Good)
        });
        match holder {
            Some(slot) => Err(self
                .nothing(format!("slot {} holds it, and is {}", slot.slot, slot.state), install::next_of(slot.state))),
            None => Ok(()),
        }
    }

    /// A release may be for some devices only, for a while.
    fn is_for_this_device(&self, rollout: Rollout) -> Result<(), Failure> {
        if rollout.is_everybody() {
            return Ok(());
        }
        let id = fs::read_to_string(MACHINE_ID).unwrap_or_default();
        let id = id.trim();
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
