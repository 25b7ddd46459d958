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
use rustix::fs::{CWD, FileType, Mode};
use rustix::mount::MountFlags;
use serde::Serialize;

use crate::cli::apply_live::ApplyLive;
use crate::exit::{self, Exit, Failure};
use crate::output::{Printable, Report, Size};
use crate::session::Session;
use crate::verb::live::layer::{self, Change};
use crate::verb::live::{self, Applied, Live, System};

mod defaults;
mod difference;
mod next;
mod services;

use difference::{Difference, How};
use next::Next;
use services::Service;

/// What is memory of it: marks for what is removed, and copies.
const LAYER: &str = "/run/updater/next-layer";
const HEALTH: &str = "/usr/lib/updater/updater-health";
/// Marks and folders.
const SMALL: u64 = 4 << 20;
/// Files that are told by name.
const TOLD: usize = 10;

/// The document of `apply-live --json`.
#[derive(Serialize)]
struct Told {
    dry_run: bool,
    slot: String,
    version: String,
    root_hash: String,
    /// How it is laid; null: nothing differs, or it was taken back.
    how: Option<How>,
    added: usize,
    changed: usize,
    removed: usize,
    /// Of a `--dry-run`, and of what was refused: what differs.
    files: Vec<FileRow>,
    guarded: Vec<String>,
    kernel_changed: bool,
    /// Whether only a reboot brings all of it.
    reboot_needed: bool,
    /// Files below /etc.
    defaults: Vec<String>,
    /// Of those, what was edited since, and stays after a reset.
    edited: Vec<String>,
    services: Vec<Service>,
    memory_bytes: u64,
    /// Whether health checks were run, and are good.
    healthy: Option<bool>,
}

#[derive(Serialize)]
struct FileRow {
    path: String,
    change: Change,
}

/// What is to be done. All of it is known before anything is.
struct Plan {
    next: Next,
    difference: Difference,
    how: How,
    guarded: Vec<difference::Guarded>,
    defaults: Vec<PathBuf>,
    services: Vec<Service>,
    memory_bytes: u64,
}

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
    let plan = plan(session, &system, args).inspect_err(|_| next::unmount())?;
    if plan.difference.is_empty() {
        next::unmount();
        let why = format!("/usr of version {} is what runs", plan.next.version);
        return Err(Failure::new(Exit::Nothing, "nothing to apply", why, "a reboot brings all else"));
    }
    if args.dry_run {
        next::unmount();
        return Ok(plan.report(true, None));
    }
    may_be(&plan, args.force).inspect_err(|_| next::unmount())?;
    session.record.names(&plan.next.version);
    session.record.begins();
    let done = carried_out(session, &system, plan, args);
    done.inspect_err(|_| {
        drop(taken_back(&system));
    })
}

/// Compares, and says what would be done. Reads only.
fn plan(session: &Session, system: &System, args: &ApplyLive) -> Result<Plan, Failure> {
    let next = next::mount(session, &system.setup)?;
    if next.version == system.version && next.root_hash == system.root_hash {
        return Err(Failure::new(
            Exit::Nothing,
            "nothing to apply",
            "the other slot holds what runs",
            "install another version",
        ));
    }
    let new = next::folder("usr");
    let base = live::place("usr").map(|place| place.base()).unwrap_or_default();
    let unreadable = |error: io::Error| failed("/usr cannot be compared", &error);
    let mut difference = difference::between(&base, &new).map_err(unreadable)?;
    let only = wanted(&args.only)?;
    if !only.is_empty() {
        difference = difference.only(&only, &new);
    }
    let how = difference.how(!only.is_empty());
    let memory_bytes = match how {
        How::Below => 0,
        How::Above => SMALL,
        How::Copied => difference.bytes.saturating_add(SMALL),
    };
    live::memory::room_for(memory_bytes)?;
    let defaults = if only.is_empty() {
        defaults::missing().map_err(|error| failed("/etc cannot be compared", &error))?
    } else {
        Vec::new()
    };
    let services = services::affected(&difference, args.restart_services);
    Ok(Plan { guarded: difference.guarded(), next, how, defaults, services, memory_bytes, difference })
}

/// Paths below `/usr`.
fn wanted(only: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let inside = |path: &PathBuf| match path.strip_prefix("/usr") {
        Ok(inside) if !inside.as_os_str().is_empty() => Ok(inside.to_owned()),
        _ => {
            let why = format!("{} is not below /usr", path.display());
            Err(Failure::new(Exit::Usage, "", why, "give whole paths of files or folders there"))
        }
    };
    only.iter().map(inside).collect()
}

/// Whether a running system may take it.
fn may_be(plan: &Plan, force: bool) -> Result<(), Failure> {
    let Difference { changed, removed, .. } = &plan.difference;
    if force
        || (plan.how == How::Below && plan.guarded.is_empty())
        || (changed.is_empty() && removed.is_empty() && plan.guarded.is_empty())
    {
        return Ok(());
    }
    let why = if plan.guarded.is_empty() {
        format!("what runs may not take it well: changed {}, removed {}", changed.len(), removed.len())
    } else {
        format!("a running system does not take {} of its files well", plan.guarded.len())
    };
    let guarded = plan.guarded.iter().map(|(path, what)| format!("{path}: {what}"));
    let others = plan.difference.each().filter(|(change, _)| *change != Change::Added);
    let others = others.map(|(_, path)| format!("/usr/{}", path.display()));
    let details = guarded.chain(others).take(TOLD).collect();
    let next = match plan.kernel_changed() {
        true => "reboot, which tries the version; or kexec its kernel",
        false => "reboot, which tries the version; --only takes a part of it, --force all of it",
    };
    Err(Failure { details, ..Failure::new(Exit::Refused, "", why, next) })
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

impl Plan {
    fn kernel_changed(&self) -> bool {
        self.guarded.iter().any(|(_, what)| *what == live::guard::KERNEL)
    }

    /// Makes what it needs in memory.
    fn laid(&self) -> io::Result<Applied> {
        let (new, layer) = (next::folder("usr"), Path::new(LAYER));
        let mut above = Vec::new();
        if self.how != How::Below {
            filesystem::unmount(layer);
            fs::create_dir_all(layer)?;
            let options =
                std::ffi::CString::new(format!("size={},mode=0755", self.memory_bytes.next_multiple_of(4096)))?;
            rustix::mount::mount("updater-next", layer, "tmpfs", MountFlags::empty(), Some(options.as_c_str()))?;
            let base = live::place("usr").map(|place| place.base()).unwrap_or_default();
            for (change, path) in self.difference.each() {
                let at = layer.join(path);
                if change == Change::Removed {
                    layer::folders_above((layer, &base), path)?;
                    rustix::fs::mknodat(CWD, &at, FileType::CharacterDevice, Mode::empty(), 0)?;
                } else if self.how == How::Copied {
                    if fs::symlink_metadata(new.join(path))?.is_dir() {
                        layer::folders_above((layer, &new), &path.join("x"))?;
                    } else {
                        layer::put(&new.join(path), (layer, &new), path)?;
                    }
                }
            }
            above.push(layer.to_owned());
        }
        if self.how == How::Above {
            above.push(new.clone());
        }
        let below = if self.how == How::Below { vec![new] } else { Vec::new() };
        let Next { slot, version, root_hash } = self.next.clone();
        Ok(Applied { slot: slot.to_string(), version, root_hash, above, below, defaults: Vec::new() })
    }

    fn report(self, dry_run: bool, healthy: Option<bool>) -> Told {
        let row = |(change, path): (Change, &PathBuf)| FileRow {
            path: Path::new("/usr").join(path).display().to_string(),
            change,
        };
        Told {
            dry_run,
            slot: self.next.slot.to_string(),
            how: Some(self.how),
            added: self.difference.added.len(),
            changed: self.difference.changed.len(),
            removed: self.difference.removed.len(),
            files: self.difference.each().map(row).collect(),
            kernel_changed: self.kernel_changed(),
            reboot_needed: !self.guarded.is_empty(),
            guarded: self.guarded.into_iter().map(|(path, _)| path).collect(),
            defaults: self.defaults.iter().map(|path| Path::new("/etc").join(path).display().to_string()).collect(),
            edited: Vec::new(),
            services: self.services,
            memory_bytes: self.memory_bytes,
            healthy,
            version: self.next.version,
            root_hash: self.next.root_hash,
        }
    }
}

impl Told {
    fn reset(applied: &Applied, edited: &[PathBuf], services: Vec<Service>) -> Self {
        Self {
            dry_run: false,
            slot: applied.slot.clone(),
            version: applied.version.clone(),
            root_hash: applied.root_hash.clone(),
            how: None,
            added: 0,
            changed: 0,
            removed: 0,
            files: Vec::new(),
            guarded: Vec::new(),
            kernel_changed: false,
            reboot_needed: false,
            defaults: Vec::new(),
            edited: edited.iter().map(|path| Path::new("/etc").join(path).display().to_string()).collect(),
            services,
            memory_bytes: 0,
            healthy: None,
        }
    }
}

impl Report for Told {
    fn human(&self) -> String {
        let (version, slot) = (Printable(&self.version), &self.slot);
        let mut text = match (self.how, self.dry_run) {
            (None, _) => format!("version {version} of slot {slot} is taken back\n"),
            (Some(_), true) => format!("version {version} of slot {slot} would be applied\n"),
            (Some(_), false) => format!("version {version} of slot {slot} is applied until the next boot\n"),
        };
        if self.how.is_some() {
            let Self { added, changed, removed, .. } = self;
            text += &format!(
                "{added} files added, {changed} changed, {removed} removed, {} of memory\n",
                Size(self.memory_bytes)
            );
        }
        for (sign, paths) in [('+', &self.defaults), ('=', &self.edited)] {
            paths.iter().for_each(|path| text += &format!("  {sign} {}\n", Printable(path)));
        }
        for Service { unit, why, done } in &self.services {
            let done = done.as_ref().map_or("is not restarted: --restart-services does it", |done| done.as_str());
            text += &format!("{} {}: {}\n", Printable(unit), Printable(done), Printable(why));
        }
        if self.kernel_changed {
            text += "the kernel is another one: a reboot, or kexec, brings it\n";
        } else if self.reboot_needed {
            text += "some of it only a reboot brings\n";
        }
        text
    }
}
