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
    let act = if args.reset {
        reset
    } else if args.dry_run {
        predicted
    } else {
        apply
    };
    let told = act(session, args).map_err(|failure| failure.doing(what))?;
    session.output.done(&told);
    Ok(())
}

/// What would be done. Its mounts are its own, at a place of its own, and gone with it.
fn predicted(session: &Session, args: &ApplyLive) -> Result<Told, Failure> {
    let system = System::of(session)?;
    nothing_is_applied()?;
    overlay::apart().map_err(|error| failed("no mounts of its own", &error))?;
    let at = PathBuf::from(format!("{}-{}", next::NEXT, std::process::id()));
    let plan = plan::of(session, &system, args, &at);
    next::unmount(&at);
    plan.map(|plan| plan.report(true, None))
}

fn nothing_is_applied() -> Result<(), Failure> {
    let Some(applied) = Live::read().applied else { return Ok(()) };
    let why = format!("version {} is applied", applied.version);
    Err(Failure::new(Exit::Nothing, "nothing to do", why, "take it back with --reset first"))
}

fn apply(session: &Session, args: &ApplyLive) -> Result<Told, Failure> {
    let system = System::of(session)?;
    let _lock = live::lock()?;
    nothing_is_applied()?;
    // What a process has left that was killed.
    let at = Path::new(next::NEXT);
    next::unmount(at);
    let planned = plan::of(session, &system, args, at).and_then(|plan| plan::may_be(&plan, args.force).map(|()| plan));
    let mut plan = planned.inspect_err(|_| next::unmount(at))?;
    session.record.names(&plan.next.version);
    session.record.begins();
    let failure = match carried_out(&system, &mut plan, args) {
        Ok(healthy) => return Ok(plan.report(false, healthy)),
        Err(failure) => failure,
    };
    let back = taken_back(&system);
    if let Some(how) = args.restart_services.filter(|_| plan.services.iter().any(|service| service.done.is_some())) {
        services::restart(&mut plan.services, how);
    }
    Err(match back {
        Ok(_) => failure,
        Err(other) => Failure {
            details: vec![format!("it could not be taken back: {}", other.why)],
            next: "reboot: the next boot is without it".to_owned(),
            ..failure
        },
    })
}

/// Whether health checks were run, and are good: else it is a failure.
fn carried_out(system: &System, plan: &mut Plan, args: &ApplyLive) -> Result<Option<bool>, Failure> {
    let applied = plan.laid().map_err(|error| failed("its layer cannot be made", &error))?;
    let live = Live { applied: Some(applied.clone()), ..Live::read() };
    // Noted before it is laid: who is killed in between leaves something that can be taken back.
    live.write().map_err(|error| failed("what is done cannot be noted", &error))?;
    live::lay(system, live.clone()).map_err(|trouble| {
        let code = if trouble.busy { Exit::Busy } else { Exit::Io };
        Failure::new(code, "", trouble.why, "/usr is as it was; see the kernel log (dmesg)")
    })?;
    // These, too.
    let noted = Live { applied: Some(Applied { defaults: plan.defaults.clone(), ..applied }), ..Live::read() };
    noted.write().map_err(|error| failed("what is done cannot be noted", &error))?;
    for path in &plan.defaults {
        defaults::add(path, &plan.next.folder("etc"))
            .map_err(|error| failed(&format!("/etc/{} cannot be added", path.display()), &error))?;
    }
    if let Some(how) = args.restart_services {
        services::restart(&mut plan.services, how);
    }
    match healthy(args.health_timeout) {
        Some(false) => {
            let next = "it was taken back; find out why before it is tried again";
            Err(Failure::new(Exit::Unfit, "", "a health check failed afterwards", next))
        }
        healthy => Ok(healthy),
    }
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
            let difference = difference::between(&base, &Path::new(next::NEXT).join("usr"));
            let difference = difference.map_err(|error| failed("/usr cannot be compared", &error))?;
            services::affected(&difference, Some(how))
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
    let edited = defaults::take_back(&defaults, &Path::new(next::NEXT).join("etc"));
    filesystem::unmount(Path::new(LAYER));
    fs::remove_dir(LAYER).unwrap_or_default();
    next::unmount(Path::new(next::NEXT));
    Ok(edited)
}

fn failed(what: &str, error: &io::Error) -> Failure {
    let (code, next) =
        exit::no_room(error).unwrap_or((Exit::Io, "see the kernel log (dmesg), then run the same command again"));
    Failure::new(code, "", format!("{what}: {error}"), next)
}
