//! What is laid over the system that runs: packs and overlays, in one overlay for each folder.
//!
//! ```text
//!  /run/updater/live.json    what is laid in this boot, and what could not be
//!
//!  over /usr, /opt    overlays, the highest priority on top ─► images of packs, the highest level on top ─► the version of the other slot ─► the folder
//!                     as its image has it
//!  over /etc          overlays ─► the folder
//!
//!  only packs, systemd-sysext there     it merges them, by its own rules
//!  an overlay over /usr or /opt, too    all of it is laid by the updater, in the same overlay
//! ```
//!
//! 1. The base is never written: what is live is mounts, and a reboot gives the image back.
//! 2. One act at a time ([`lock`]).
//! 3. Boots that nobody confirms end without any of it ([`boots`]).

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use libupdate::units::limits::STATE_BYTES;
use libupdate_linux::overlay::{self, Layers, Place, Upper};
use libupdate_linux::profile::Merge;
use libupdate_linux::{file, filesystem};
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Failure};
use crate::output;

pub mod boots;
pub mod command;
pub mod guard;
pub mod layer;
pub mod memory;
mod sysext;
mod system;

pub use system::System;

/// What is laid in this boot.
pub const STATE: &str = "/run/updater/live.json";
const LOCK: &str = "/run/updater/live.lock";
/// Where images of packs are mounted, by their root hashes.
pub const MOUNTED: &str = "/run/updater/packs";
const PLACES: [&str; 3] = ["usr", "opt", "etc"];
/// Places that packs have files for.
const OF_PACKS: [&str; 2] = ["usr", "opt"];
const POLL: Duration = Duration::from_millis(100);

/// What is live in this boot.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Live {
    /// Who merged packs: `own` or `systemd-sysext`.
    pub by: String,
    /// Images of packs, the one on top first.
    pub parts: Vec<LivePart>,
    /// Packs that could not be merged.
    pub broken: Vec<Broken>,
    /// Overlays, the one on top first.
    pub overlays: Vec<LiveOverlay>,
    /// Overlays that this boot has left out.
    pub left_out: Vec<Broken>,
    /// Another version, over or under `/usr`.
    pub applied: Option<Applied>,
}

/// An image that is merged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LivePart {
    pub name: String,
    pub root_hash: String,
}

/// A pack, or an overlay, that could not be laid.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Broken {
    pub name: String,
    pub why: String,
}

/// An overlay that is laid.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LiveOverlay {
    pub name: String,
    /// Name of the folder below `/`.
    pub place: String,
    /// The folder that has its layer, `upper`, and `work`.
    pub data: PathBuf,
    pub read_only: bool,
}

/// Another version that is laid.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Applied {
    pub slot: String,
    pub version: String,
    pub root_hash: String,
    /// Layers over `/usr`, the one on top first.
    pub above: Vec<PathBuf>,
    /// Layers below it.
    pub below: Vec<PathBuf>,
    /// Files that were added below `/etc`.
    pub defaults: Vec<PathBuf>,
}

/// Why it could not be laid.
#[derive(Debug)]
pub struct Trouble {
    /// The image of a pack that is at fault, if one is.
    pub part: Option<String>,
    pub why: String,
    /// Whether a file is open for writing.
    pub busy: bool,
}

impl Trouble {
    /// Of nobody.
    pub const fn of(why: String) -> Self {
        Self { part: None, why, busy: false }
    }
}

impl Live {
    /// What this boot has laid; nothing where nobody did.
    pub fn read() -> Self {
        let text = file::read_state(Path::new(STATE), STATE_BYTES).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Notes it, where no mount changes.
    pub fn write(&self) -> io::Result<()> {
        let text = output::json(self).map_err(io::Error::from)?;
        file::write_state(Path::new(STATE), text.as_bytes())
    }

    /// The overlay, if it is laid: another process may have lost its mounts.
    pub fn overlay(&self, name: &str) -> Option<&LiveOverlay> {
        let overlay = self.overlays.iter().find(|overlay| overlay.name == name)?;
        let place = place(&overlay.place)?;
        place.is_merged().unwrap_or(false).then_some(overlay)
    }

    /// Whether it is the one that writes to its folder go to.
    pub fn is_written(&self, overlay: &LiveOverlay) -> bool {
        !overlay.read_only && self.on(&overlay.place).next().is_some_and(|top| top.name == overlay.name)
    }

    /// Whether something is laid where packs are, which goes into the same overlay.
    fn needs_own(&self) -> bool {
        self.applied.is_some() || self.overlays.iter().any(|overlay| OF_PACKS.contains(&overlay.place.as_str()))
    }

    fn on<'l>(&'l self, place: &'l str) -> impl Iterator<Item = &'l LiveOverlay> {
        self.overlays.iter().filter(move |overlay| overlay.place == place)
    }

    /// What is laid over a folder.
    fn layers(&self, place: &str) -> Layers {
        let mut layers = Layers::default();
        for overlay in self.on(place) {
            let upper = overlay.data.join("upper");
            match self.is_written(overlay) {
                true => layers.upper = Some(Upper { upper, work: overlay.data.join("work") }),
                false => layers.above.push(upper),
            }
        }
        if OF_PACKS.contains(&place) && self.by == OWN {
            for part in &self.parts {
                let folder = mounted(&part.root_hash).join(place);
                // Two packs may bring the same image under two names; an overlay takes a folder once.
                if folder.is_dir() && !layers.above.contains(&folder) {
                    layers.above.push(folder);
                }
            }
        }
        if let Some(applied) = self.applied.as_ref().filter(|_| place == "usr") {
            layers.above.extend(applied.above.iter().cloned());
            layers.below.clone_from(&applied.below);
        }
        layers
    }
}

const OWN: &str = "own";
const SYSEXT: &str = "systemd-sysext";

/// A folder by its name.
pub fn place(name: &str) -> Option<Place> {
    PLACES.into_iter().find(|place| *place == name).map(Place::of)
}

/// Where the image with this root hash is mounted.
pub fn mounted(root_hash: &str) -> PathBuf {
    Path::new(MOUNTED).join(root_hash)
}

/// Lays this, and nothing else. Images of packs are mounted.
///
/// # Errors
/// [`Trouble`]: what was laid before is laid again, as far as that goes.
pub fn lay(system: &System, mut live: Live) -> Result<(), Trouble> {
    let before = Live::read();
    let sysext = sysext(system).filter(|_| !live.needs_own());
    live.by = if sysext.is_some() { SYSEXT } else { OWN }.to_owned();
    let laid = put_in_place(&live, &before);
    laid.inspect_err(|_| {
        // Who merged may have changed before the step that failed. What is to be told is why it did.
        drop(put_in_place(&before, &Live { parts: [&before.parts[..], &live.parts].concat(), ..live.clone() }));
    })?;
    live.write().map_err(|error| Trouble::of(format!("{STATE} cannot be written: {error}")))
}

/// One after the other, so that nobody merges over what the other one has laid.
fn put_in_place(live: &Live, before: &Live) -> Result<(), Trouble> {
    let theirs: &[LivePart] = if before.by == SYSEXT { &before.parts } else { &[] };
    match sysext::program() {
        Some(program) if live.by == SYSEXT => {
            lay_own(live, false)?;
            sysext::refresh(program, &live.parts, theirs)
        }
        Some(program) if !theirs.is_empty() => {
            sysext::refresh(program, &[], theirs)?;
            lay_own(live, false)
        }
        _ => lay_own(live, false),
    }
}

/// Lays it for this process alone, and for what it executes; no program there has rights of its own. What others see stays.
pub fn lay_apart(live: Live) -> Result<(), Trouble> {
    let told = |error: io::Error| Trouble::of(format!("no mounts of its own: {error}"));
    overlay::apart().map_err(told)?;
    for place in OF_PACKS.map(Place::of) {
        while place.is_another_programs().map_err(told)? {
            filesystem::unmount(place.at());
        }
    }
    lay_own(&Live { by: OWN.to_owned(), ..live }, true)
}

/// Who merges packs here, if it is not the updater.
fn sysext(system: &System) -> Option<&'static str> {
    let runs = system.setup.profile.merge == Merge::Auto && Path::new("/run/systemd/system").is_dir();
    sysext::program().filter(|_| runs)
}

/// One overlay over each place that something is laid over.
fn lay_own(live: &Live, nosuid: bool) -> Result<(), Trouble> {
    let told = |place: &Place, error: io::Error| {
        let busy = error.kind() == io::ErrorKind::ResourceBusy;
        Trouble { busy, ..Trouble::of(format!("no overlay over {}: {error}", place.at().display())) }
    };
    let places = PLACES.map(|name| (Place::of(name), Layers { nosuid, ..live.layers(name) }));
    // Of what can be known before, nothing is to stop it half way.
    for (place, layers) in places.iter().filter(|(_, layers)| !layers.is_empty()) {
        place.can_be_laid_over(layers).map_err(|error| told(place, error))?;
    }
    for (place, layers) in &places {
        place.lay(layers).map_err(|error| told(place, error))?;
    }
    Ok(())
}

/// Keeps other acts out; it is over with the answer.
pub fn lock() -> Result<File, Failure> {
    let failed = |error: &io::Error| {
        Failure::new(Exit::Io, "", format!("{LOCK} cannot be made: {error}"), "run it as root, in the system that runs")
    };
    let lock = file::lock(Path::new(LOCK)).map_err(|error| failed(&error))?;
    rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        let why = "another `pack`, `overlay` or `apply-live` works on what is laid over this system";
        Failure::new(Exit::Busy, "cannot change it", why, "wait until it has ended")
    })?;
    Ok(lock)
}

/// The same, but waits for who is at work.
pub fn lock_within(patience: Duration) -> Result<File, Failure> {
    let until = Instant::now() + patience;
    loop {
        match lock() {
            Err(failure) if failure.code == Exit::Busy && Instant::now() < until => sleep(POLL),
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay(name: &str, place: &str, read_only: bool) -> LiveOverlay {
        LiveOverlay { name: name.to_owned(), place: place.to_owned(), data: Path::new("/d").join(name), read_only }
    }

    #[test]
    fn only_the_top_overlay_of_a_folder_is_written() {
        let overlays = vec![
            overlay("a", "usr", false),
            overlay("b", "usr", false),
            overlay("c", "etc", true),
            overlay("d", "etc", false),
        ];
        let live = Live { overlays, ..Live::default() };
        let usr = live.layers("usr");
        assert_eq!(usr.upper.unwrap().upper, Path::new("/d/a/upper"));
        assert_eq!(usr.above, [Path::new("/d/b/upper")]);
        let etc = live.layers("etc");
        assert_eq!((etc.upper, etc.above), (None, vec![PathBuf::from("/d/c/upper"), PathBuf::from("/d/d/upper")]));
        assert!(live.layers("opt").is_empty());
    }
}
