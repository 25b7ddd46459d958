//! One set of overlays instead of another: on the medium, and over the system that runs.
//!
//! ```text
//!  what a cut has left is removed ─► a new layer, empty ─► set.json, one rename ─► laid ─► what nobody holds any more is removed
//!                                                                                   └── not possible: the old set.json
//! ```

use std::path::{Path, PathBuf};

use libupdate_linux::processes;
use rustix::fs::StatVfsMountFlags;

use super::enter;
use super::shown::{Done, Row};
use super::store::{self, Overlay, Overlays};
use crate::cli::overlay::{Create, Keep, Priority, Remove, Scope};
use crate::exit::{Exit, Failure};
use crate::session::Session;
use crate::verb::live::{self, Live, System, Trouble, boots, memory};

/// Processes that are told by name.
const TOLD: usize = 10;

/// Makes one, and lays it.
pub fn create(session: &Session, args: &Create) -> Result<(), Failure> {
    let what = "cannot make the overlay";
    let overlay = new(args).map_err(|failure| failure.doing(what))?;
    made(session, overlay, |_| Ok(())).map_err(|failure| failure.doing(what))
}

/// Makes an overlay that `fill` fills before it is laid.
pub fn made(
    session: &Session,
    overlay: Overlay,
    fill: impl FnOnce(&Overlay) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let system = System::of(session)?;
    let _lock = live::lock()?;
    let old = Overlays::read()?;
    old.sweep()?;
    if old.named(&overlay.name).is_ok() {
        let why = format!("there is an overlay {}", overlay.name);
        return Err(Failure::new(Exit::Refused, "", why, "give another --name, or remove that one"));
    }
    if overlay.data().exists() {
        let why = format!("{} is there, and no set of overlays names it", overlay.data().display());
        return Err(Failure::new(Exit::Refused, "", why, "give another --name, or move that folder elsewhere"));
    }
    has_a_place(&overlay)?;
    let root_hash = (overlay.keep == Keep::Version).then(|| system.root_hash.clone());
    let overlay = Overlay { root_hash, ..overlay };
    if old.kept().is_empty() && overlay.keep != Keep::None {
        // What was counted was counted of others.
        boots::forget()?;
    }
    let new = old.with(overlay.clone())?;
    let new = if overlay.keep == Keep::None { new } else { new.settling(system.fallback.clone()) };
    session.record.names(&overlay.name);
    session.record.begins();
    old.begin(overlay.keep)?;
    let laid =
        overlay.make().and_then(|()| fill(&overlay)).and_then(|()| apply(&system, &old, &new, Some(&overlay.name)));
    laid.inspect_err(|_| drop(old.sweep()))?;
    session.output.done(&Done::of(&new, &overlay.name, "is made"));
    Ok(())
}

fn new(args: &Create) -> Result<Overlay, Failure> {
    let name = args.name.clone().unwrap_or_else(|| args.scope.name().to_owned());
    if !store::is_name(&name) {
        let why = format!("{name:?} is no name of an overlay");
        return Err(Failure::new(Exit::Usage, "", why, "give 1 to 32 of a-z, 0-9 and -, and a letter or digit first"));
    }
    if args.keep != Keep::None && args.size.is_some() {
        let next = "leave --size out: what is kept is bounded by the file system of /var";
        return Err(Failure::new(Exit::Usage, "", "--size is for an overlay that is memory", next));
    }
    let size_bytes = (args.keep == Keep::None).then(|| memory::size(args.size.as_deref())).transpose()?;
    Ok(Overlay {
        name,
        scope: args.scope,
        keep: args.keep,
        priority: 0,
        enabled: true,
        read_only: args.read_only,
        size_bytes,
        root_hash: None,
        off: None,
    })
}

/// Whether there is a folder that it is of use over.
fn has_a_place(overlay: &Overlay) -> Result<(), Failure> {
    let place = overlay.scope.place();
    if !place.at().is_dir() {
        let why = format!("{} is no folder in this system", place.at().display());
        return Err(Failure::new(Exit::Refused, "", why, "have the image bring it"));
    }
    if overlay.scope == Scope::Etc && !place.is_merged().unwrap_or(false) && can_be_written(place.at()) {
        return Err(Failure::new(Exit::Refused, "", "/etc can be written as it is", "change the files there"));
    }
    Ok(())
}

fn can_be_written(folder: &Path) -> bool {
    rustix::fs::statvfs(folder).is_ok_and(|facts| !facts.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Lays one that is off.
pub fn enable(session: &Session, name: &str) -> Result<(), Failure> {
    changed(session, name, ("is on", true), |overlay, live| {
        let on = overlay.enabled && overlay.off.is_none() && live;
        (!on).then_some(Overlay { enabled: true, off: None, ..overlay })
    })
}

/// Takes one away.
pub fn disable(session: &Session, name: &str) -> Result<(), Failure> {
    changed(session, name, ("is off", false), |overlay, live| {
        (overlay.enabled || live).then_some(Overlay { enabled: false, off: None, ..overlay })
    })
}

/// Says how high it is.
pub fn prioritize(session: &Session, args: &Priority) -> Result<(), Failure> {
    changed(session, &args.name, ("has its place", false), |overlay, _| {
        (overlay.priority != args.priority).then_some(Overlay { priority: args.priority, ..overlay })
    })
}

fn changed(
    session: &Session,
    name: &str,
    (how, turns_on): (&'static str, bool),
    change: impl FnOnce(Overlay, bool) -> Option<Overlay>,
) -> Result<(), Failure> {
    let what = format!("cannot change the overlay {name}");
    let act = || {
        let system = System::of(session)?;
        let _lock = live::lock()?;
        let old = Overlays::read()?;
        let overlay = old.named(name)?.clone();
        let live = overlay.scope == Scope::User || Live::read().overlay(name).is_some();
        let Some(overlay) = change(overlay, live) else {
            let why = format!("the overlay {name} is so already");
            return Err(Failure::new(Exit::Nothing, "nothing to do", why, "`overlay list` shows it"));
        };
        session.record.names(name);
        session.record.begins();
        overlay.make()?;
        let mut new = old.with(overlay.clone())?;
        if turns_on && overlay.keep != Keep::None {
            // Who turns one on knows of the fallback that turned it off.
            new = new.settling(system.fallback.clone());
            boots::forget()?;
        }
        apply(&system, &old, &new, turns_on.then_some(name))?;
        Ok(Done::of(&new, name, how))
    };
    let done = act().map_err(|failure: Failure| failure.doing(what))?;
    session.output.done(&done);
    Ok(())
}

/// Removes one.
pub fn remove(session: &Session, args: &Remove) -> Result<(), Failure> {
    let what = format!("cannot remove the overlay {}", args.name);
    let act = || {
        let system = System::of(session)?;
        let _lock = live::lock()?;
        let old = Overlays::read()?;
        let overlay = old.named(&args.name)?.clone();
        if args.keep_data && overlay.keep == Keep::None {
            let next = "write it into an archive with `overlay backup` first";
            return Err(Failure::new(Exit::Usage, "", "it is memory, which cannot be put aside", next));
        }
        if Live::read().overlay(&args.name).is_some() {
            unused(&overlay)?;
        }
        let _apart = enter::nobody_in(&overlay)?;
        session.record.names(&args.name);
        session.record.begins();
        let aside = args.keep_data.then(|| aside(&system, &old, &overlay)).transpose()?;
        if aside.is_none() {
            apply(&system, &old, &old.without(&args.name), None)?;
            overlay.drop_data()?;
        }
        Ok(Done { aside: aside.map(|path| path.display().to_string()), ..Done::gone(&overlay) })
    };
    let done = act().map_err(|failure: Failure| failure.doing(what))?;
    session.output.done(&done);
    Ok(())
}

/// It is put aside before it is forgotten: a cut in between leaves one that is empty and off, and nothing is lost.
fn aside(system: &System, old: &Overlays, overlay: &Overlay) -> Result<PathBuf, Failure> {
    let off = old.with(Overlay { enabled: false, ..overlay.clone() })?;
    apply(system, old, &off, None)?;
    let place = overlay.put_aside()?;
    apply(system, &off, &off.without(&overlay.name), None)?;
    Ok(place)
}

/// Nobody uses a file of it.
fn unused(overlay: &Overlay) -> Result<(), Failure> {
    let (place, upper) = (overlay.scope.place(), overlay.upper());
    let holds = |path: &Path| {
        let inside = path.strip_prefix(place.at()).ok().filter(|inside| !inside.as_os_str().is_empty());
        inside.is_some_and(|inside| std::fs::symlink_metadata(upper.join(inside)).is_ok_and(|facts| !facts.is_dir()))
    };
    let users = processes::users(holds);
    if users.is_empty() {
        return Ok(());
    }
    let why = format!("{} processes use files of it", users.len());
    let details = users.iter().take(TOLD).map(|user| format!("{} ({}): {}", user.name, user.pid, user.path.display()));
    Err(Failure {
        details: details.collect(),
        ..Failure::new(Exit::Busy, "", why, "end them, or use `overlay disable`")
    })
}

/// Puts `new` in the place of `old`, and lays what of it is live, and `also` this one. If that cannot be, `old` counts again.
pub fn apply(system: &System, old: &Overlays, new: &Overlays, also: Option<&str>) -> Result<(), Failure> {
    new.write(old)?;
    lay(system, new, also).map_err(|trouble| {
        let again = old.write(new).err().map(|failure| format!(", and {}", failure.why)).unwrap_or_default();
        not_laid(&trouble, &again)
    })
}

/// Lays those that are on and live already, and `also` this one.
pub fn lay(system: &System, all: &Overlays, also: Option<&str>) -> Result<(), Trouble> {
    let live = Live::read();
    let is_live = |overlay: &&Overlay| live.overlay(&overlay.name).is_some() || also == Some(&overlay.name);
    let wanted =
        all.all().into_iter().filter(|overlay| overlay.enabled && overlay.scope != Scope::User).filter(is_live);
    let overlays: Vec<_> = wanted.map(Overlay::live).collect();
    if overlays == live.overlays && overlays.iter().all(|overlay| live.overlay(&overlay.name).is_some()) {
        return Ok(());
    }
    live::lay(system, Live { overlays, ..live })
}

/// What was to be laid was not.
pub fn not_laid(trouble: &Trouble, again: &str) -> Failure {
    let (code, next) = match trouble.busy {
        true => (Exit::Busy, "end what has a file there open for writing, or is mounted inside"),
        false => (Exit::Io, "the overlays are as they were; see the kernel log (dmesg)"),
    };
    Failure::new(code, "", format!("{}{again}", trouble.why), next)
}

impl Done {
    /// An overlay as it is now.
    pub fn of(all: &Overlays, name: &str, how: &'static str) -> Self {
        let row = all.named(name).ok().map(|overlay| Row::of(overlay, &Live::read()));
        Self { name: name.to_owned(), how, aside: None, overlay: row }
    }

    fn gone(overlay: &Overlay) -> Self {
        Self { name: overlay.name.clone(), how: "is removed", aside: None, overlay: None }
    }
}
