//! `apply-live`: the version in the other slot, over `/usr` of the system that runs, until the next boot.
//!
//! ```text
//!  other slot ─► trailer, signatures ─► dm-verity ─► mounted ─► compared with /usr as the image has it ─► may a running system take it?
//!      nothing is changed or removed    below /usr: what that lacks is seen             ┐
//!      --force                          above it, with marks for what is removed       ├─► new defaults in /etc ─► services ─► health checks
//!      --only PATH                      copies of these files above it, in memory      ┘                                          │
//!  --reset, or a check that fails ◄───────────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! 1. Neither slot is written, no bit is changed: a reboot gives what the table says. Whether the version works is found out on its trial, as ever.
//! 2. `--dry-run` goes the same way in mounts of its own, and stops before the first step that others see.
//! 3. As long as it is laid, its slot is in use, and no installation begins there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libupdate_linux::{filesystem, overlay};

use crate::cli::apply_live::ApplyLive;
use crate::exit::{self, Exit, Failure};
use crate::session::Session;
use crate::verb::live::{self, Applied, Live, System};

mod defaults;
mod difference;
mod next;
mod plan;
mod services;
mod told;

use plan::Plan;
use told::Told;

/// What is memory of it: marks for what is removed, and copies.
const LAYER: &str = "/run/updater/next-layer";
const HEALTH: &str = "/usr/lib/updater/updater-health";

/// Runs it.
pub fn run(session: &Session, args: &ApplyLive) -> Result<(), Failure> {
    let what = if args.reset { "cannot take back what was applied" } else { "cannot apply the other version" };
    let done = if args.reset { reset(session, args) } else { apply(session, args) };
    match done.map_err(|failure| failure.doing(what)) {
        Ok(report) => {
            session.output.done(&report);
            Ok(())
        }
        Err(failure) => Err(failure),
    }
}

fn apply(session: &Session, args: &ApplyLive) -> Result<Told, Failure> {
    let system = System::of(session)?;
    let _lock = (!args.dry_run).then(live::lock).transpose()?;
    let live = Live::read();
    if let Some(applied) = &live.applied {
        let why = format!("version {} is applied", applied.version);
        return Err(Failure::new(Exit::Nothing, "nothing to do", why, "take it back with --reset first"));
    }
    if args.dry_run {
        overlay::apart().map_err(|error| failed("no mounts of its own", &error))?;
    }
    next::unmount();
    let plan = plan::of(session, &system, args).inspect_err(|_| next::unmount())?;
    if plan.difference.is_empty() {
        next::unmount();
        let why = format!("/usr of version {} is what runs", plan.next.version);
        return Err(Failure::new(Exit::Nothing, "nothing to apply", why, "a reboot brings all else"));
    }
    if args.dry_run {
        next::unmount();
        return Ok(plan.report(true, None));
    }
    plan::may_be(&plan, args.force).inspect_err(|_| next::unmount())?;
    session.record.names(&plan.next.version);
    session.record.begins();
    let done = carried_out(session, &system, plan, args);
    done.inspect_err(|_| {
        drop(taken_back(&system));
    })
}

fn carried_out(session: &Session, system: &System, mut plan: Plan, args: &ApplyLive) -> Result<Told, Failure> {
    let applied = plan.laid().map_err(|error| failed("its layer cannot be made", &error))?;
    let live = Live { applied: Some(applied), ..Live::read() };
    live::lay(system, live.clone()).map_err(|trouble| {
        let code = if trouble.busy { Exit::Busy } else { Exit::Io };
        Failure::new(code, "", trouble.why, "/usr is as it was; see the kernel log (dmesg)")
    })?;
    let mut added = Vec::new();
    for path in &plan.defaults {
        match defaults::add(path) {
            Ok(()) => added.push(path.clone()),
            Err(error) => session.output.warn(&format!("/etc/{} was not added: {error}", path.display())),
        }
        live::note(&Live {
            applied: live.applied.clone().map(|applied| Applied { defaults: added.clone(), ..applied }),
            ..live.clone()
        })
        .map_err(|error| failed("what is done cannot be noted", &error))?;
    }
    plan.defaults = added;
    if let Some(how) = args.restart_services {
        services::restart(&mut plan.services, how);
    }
    let healthy = healthy(args.health_timeout);
    if healthy == Some(false) {
        let next = "it was taken back; find out why before it is tried again";
        let failure = Failure::new(Exit::Unfit, "", "a health check failed afterwards", next);
        if let Some(how) = args.restart_services {
            taken_back(system)?;
            services::restart(&mut plan.services, how);
        }
        return Err(failure);
    }
    Ok(plan.report(false, healthy))
}

/// Runs the checks of this device, if it has any way to; what they say goes to stderr.
fn healthy(seconds: u32) -> Option<bool> {
    let program = Path::new(HEALTH);
    if !program.exists() {
        return None;
    }
    let ran = Command::new(program)
        .env("UPDATER_HEALTH_TIMEOUT", seconds.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    Some(ran.is_ok_and(|status| status.success()))
}

fn reset(session: &Session, args: &ApplyLive) -> Result<Told, Failure> {
    let system = System::of(session)?;
    let _lock = live::lock()?;
    let Some(applied) = Live::read().applied else {
        return Err(Failure::new(
            Exit::Nothing,
            "nothing to take back",
            "nothing is applied",
            "`status` shows what runs",
        ));
    };
    session.record.names(&applied.version);
    session.record.begins();
    let base = live::place("usr").map(|place| place.base()).unwrap_or_default();
    let mut services = match args.restart_services {
        Some(how) => {
            services::affected(&difference::between(&base, &next::folder("usr")).unwrap_or_default(), Some(how))
        }
        None => Vec::new(),
    };
    let edited = taken_back(&system)?;
    if let Some(how) = args.restart_services {
        services::restart(&mut services, how);
    }
    Ok(Told::reset(&applied, &edited, services))
}

/// Takes it back. Files of `/etc` that somebody has edited since stay.
fn taken_back(system: &System) -> Result<Vec<PathBuf>, Failure> {
    let live = Live::read();
    let defaults = live.applied.as_ref().map(|applied| applied.defaults.clone()).unwrap_or_default();
    live::lay(system, Live { applied: None, ..live }).map_err(|trouble| {
        let code = if trouble.busy { Exit::Busy } else { Exit::Io };
        Failure::new(code, "", trouble.why, "end what uses it, and run the same command again; or reboot")
    })?;
    let edited = defaults::take_back(&defaults);
    filesystem::unmount(Path::new(LAYER));
    fs::remove_dir(LAYER).unwrap_or_default();
    next::unmount();
    Ok(edited)
}

fn failed(what: &str, error: &io::Error) -> Failure {
    let (code, next) =
        exit::no_room(error).unwrap_or((Exit::Io, "see the kernel log (dmesg), then run the same command again"));
    Failure::new(code, "", format!("{what}: {error}"), next)
}
