//! `offline`: an update while nothing else runs, as systemd.offline-updates(7) has it.
//!
//! ```text
//!  prepare ─► bundle, flushed ─► request.json, last            a request never names what was not checked in full
//!  trigger ─► a link to the folder, where the next boot looks   place.rs decides where; docs/LIVE.md argues it
//!  boot    ─► systemd: system-update.target ─► updater-offline.service: `offline run`
//!               1 is the request ours? ─► 2 it is removed, flushed ─► 3 result "cut short" ─► 4 `install` ─► 5 result
//!             whatever became of it: updater-offline-ends removes what is left of the request, and reboots or powers off
//! ```
//!
//! The slot that runs is not written, so what fails leaves a device that boots as before.

use libupdate_linux::program;
use serde::Serialize;

use crate::cli::offline::Offline;
use crate::exit::{Exit, Failure};
use crate::output::{Printable, Report, Size};
use crate::session::Session;

mod folder;
mod links;
mod place;
mod prepare;
mod run;
mod tee;
mod trigger;

use folder::{Ended, Folder, Request};
use links::Links;

/// Runs one of its verbs.
pub fn run(session: &Session, verb: Offline) -> Result<(), Failure> {
    match verb {
        Offline::Prepare(args) => prepare::run(session, args),
        Offline::Trigger(args) => trigger::run(session, &args),
        Offline::Status => session.output.result(&Status::read()?),
        #[cfg(feature = "history")]
        Offline::Log(args) => super::log::of_verb(session, &args, crate::history::OFFLINE),
        Offline::Cancel => cancel(session),
        Offline::Run => run::run(session),
    }
}

/// What the machine does after the update.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    Reboot,
    Poweroff,
}

/// The document of `offline status --json`, of `prepare`, of `trigger` and of `cancel`.
#[derive(Serialize)]
struct Status {
    prepared: Option<Request>,
    /// The link by which the next boot is told.
    triggered: Option<String>,
    then: Option<Then>,
    last: Option<Ended>,
}

impl Status {
    fn read() -> Result<Self, Failure> {
        let folder = Folder::usual();
        let triggered = Links::usual().ours().map_err(|error| links::unusable(&error))?.into_iter().next();
        let then = triggered.is_some().then(|| folder.then());
        let triggered = triggered.map(|link| link.display().to_string());
        Ok(Self { prepared: folder.request()?, triggered, then, last: folder.ended()? })
    }
}

impl Report for Status {
    fn human(&self) -> String {
        let mut text = match &self.prepared {
            Some(request) => {
                let (version, from) = (Printable(&request.version), Printable(&request.from));
                format!("prepared    {version} ({}), from {from}\n", Size(request.bundle_bytes))
            }
            None => "prepared    nothing\n".to_owned(),
        };
        text += &match (&self.triggered, self.then) {
            (Some(link), then) => {
                let then = if then == Some(Then::Poweroff) { "powers off" } else { "reboots" };
                format!("triggered   the next boot installs it, and then {then} ({})\n", Printable(link))
            }
            (None, _) => "triggered   no: the next boot is as usual\n".to_owned(),
        };
        if let Some(last) = &self.last {
            text += &format!("last        {}\n", last.in_words());
        }
        text
    }
}

fn cancel(session: &Session) -> Result<(), Failure> {
    let folder = Folder::usual();
    let _lock = folder.lock()?;
    // First what a boot would act upon.
    let links = Links::usual().remove_ours().map_err(|error| links::unusable(&error))?;
    let prepared = folder.forget()?;
    if links.is_empty() && !prepared {
        let why = "no offline update is prepared";
        return Err(Failure::new(Exit::Nothing, "nothing to cancel", why, "`offline prepare` prepares one"));
    }
    session.output.done(&Status::read()?);
    Ok(())
}

/// Restarts into the update.
fn restart() -> Result<(), Failure> {
    let what = "the next boot installs the update, but the system does not reboot";
    program::reboot(None).map_err(|error| Failure::new(Exit::Io, what, error, "reboot by hand"))
}
