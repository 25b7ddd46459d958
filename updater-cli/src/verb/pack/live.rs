//! Packs over the system that runs.
//!
//! ```text
//!  parts/ROOT-HASH ─► loop ─► dm-verity ─► /run/updater/packs/ROOT-HASH ─┬─► one overlay over /usr, one over /opt      own
//!                                                                        └─► /run/extensions/PART ─► systemd-sysext    where systemd runs
//!  /run/updater/packs.json     what was merged in this boot, and what could not be
//! ```
//! A change merges all anew: mounts that stay are kept, what is not needed any more goes after the new overlay is there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use libupdate::units::limits::STATE_BYTES;
use libupdate_linux::filesystem;
use libupdate_linux::overlay::{self, Place};
use libupdate_linux::profile::Merge;
use libupdate_linux::{file, verity_image};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::known::{self, Known, Part};
use super::store::Store;
use super::{System, extension_release, plan, walk};
use crate::output;

/// Where images of packs are mounted.
const MOUNTED: &str = "/run/updater/packs";
const STATE: &str = "/run/updater/packs.json";
const EXTENSIONS: &str = "/run/extensions";
const SYSEXT: [&str; 2] = ["/usr/bin/systemd-sysext", "/bin/systemd-sysext"];
const PLACES: [&str; 2] = ["usr", "opt"];

/// What is live in this boot.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Live {
    /// Who merged: `own` or `systemd-sysext`.
    pub by: String,
    /// Images, the one on top first.
    pub parts: Vec<LivePart>,
    /// Packs that could not be merged.
    pub broken: Vec<Broken>,
}

/// An image that is merged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LivePart {
    pub name: String,
    pub root_hash: String,
}

/// A pack that could not be merged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Broken {
    pub name: String,
    pub why: String,
}

/// Why packs could not be merged, and which one is at fault, if one is.
#[derive(Debug)]
pub struct Trouble {
    pub pack: Option<String>,
    pub why: String,
}

impl Live {
    /// What this boot has merged; nothing where nobody did.
    pub fn read() -> Self {
        let text = file::read_state(Path::new(STATE), STATE_BYTES).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn write(&self) -> io::Result<()> {
        let text = output::json(self).map_err(io::Error::from)?;
        file::write_state(Path::new(STATE), text.as_bytes())
    }

    /// Whether all of a pack is live.
    pub fn has(&self, pack: &Known) -> bool {
        pack.parts
            .iter()
            .all(|part| self.parts.iter().any(|live| live.root_hash == part.root_hash && live.name == part.name))
    }

    /// An image of the pack of which a wrong block was read.
    pub fn damaged(&self, pack: &Known) -> Option<String> {
        let mounts = overlay::mounts().ok()?;
        let wrong = |part: &&Part| {
            overlay::seen(&mounts, &at(&part.root_hash)).is_some_and(|mount| verity_image::damage(&mount.source))
        };
        pack.parts.iter().find(wrong).map(|part| part.name.clone())
    }

    /// Whether nothing is known that is wrong with the pack.
    pub fn is_sound(&self, pack: &Known) -> bool {
        self.damaged(pack).is_none() && !self.broken.iter().any(|broken| broken.name == pack.name)
    }
}

/// Who merges here.
fn sysext(system: &System) -> Option<&'static str> {
    let runs = system.setup.profile.merge == Merge::Auto && Path::new("/run/systemd/system").is_dir();
    SYSEXT.into_iter().find(|program| Path::new(program).exists()).filter(|_| runs)
}

/// Where the image with this root hash is mounted.
fn at(root_hash: &str) -> PathBuf {
    Path::new(MOUNTED).join(root_hash)
}

/// Merges these packs and no others. What could not be merged before is remembered as it is told.
///
/// # Errors
/// [`Trouble`]: what was merged before is merged still, or, where a mount had to go, less.
pub fn merge(store: &Store, system: &System, packs: &[&Known], broken: Vec<Broken>) -> Result<(), Trouble> {
    let (layers, before, sysext) = (plan::layers(packs), Live::read(), sysext(system));
    let by = if sysext.is_some() { "systemd-sysext" } else { "own" };
    if !layers.is_empty() {
        verity_image::load_modules();
    }
    for (pack, part) in &layers {
        let told = |why| Trouble { pack: Some(pack.name.clone()), why };
        mount(store, system, pack, part).map_err(told)?;
        fits_over(part).map_err(told)?;
    }
    let parts: Vec<&Part> = layers.iter().map(|(_, part)| *part).collect();
    let told = |why: String| Trouble { pack: None, why };
    let of_part = |(part, why): (Option<&str>, String)| {
        let named = |name| layers.iter().find(|(_, part)| part.name == name).map(|(pack, _)| pack.name.clone());
        Trouble { pack: part.and_then(named), why }
    };
    match sysext {
        Some(program) => refresh(program, &parts, &before).map_err(of_part)?,
        None => lay(&parts).map_err(told)?,
    }
    forget(&parts);
    let live = |(_, part): &(&Known, &Part)| LivePart { name: part.name.clone(), root_hash: part.root_hash.clone() };
    let live = Live { by: by.to_owned(), parts: layers.iter().map(live).collect(), broken };
    live.write().map_err(|error| told(format!("{STATE} cannot be written: {error}")))
}

/// Takes away the mounts of all other images, those of an act that failed, too.
fn forget(parts: &[&Part]) {
    for mount in overlay::mounts().unwrap_or_default() {
        let name = mount.at.strip_prefix(MOUNTED).ok().and_then(Path::to_str);
        if name.is_some_and(|name| !parts.iter().any(|part| part.root_hash == name)) {
            filesystem::unmount(&mount.at);
            drop(fs::remove_dir(&mount.at));
        }
    }
}

/// The system may be another one than that over which the pack was installed: of its major version, and not the same.
fn fits_over(part: &Part) -> Result<(), String> {
    let at = at(&part.root_hash);
    extension_release::check(&at, &part.name)?;
    match walk::hides(&at) {
        Ok(None) => Ok(()),
        Ok(Some(path)) => Err(format!("{path} would hide what the system has there")),
        Err(error) => Err(format!("the image {} cannot be read: {error}", part.name)),
    }
}

/// Mounts an image, unless it is mounted and no block of it was found wrong.
fn mount(store: &Store, system: &System, pack: &Known, part: &Part) -> Result<(), String> {
    let at = at(&part.root_hash);
    let mounts = overlay::mounts().map_err(|error| error.to_string())?;
    if let Some(mount) = overlay::seen(&mounts, &at) {
        if !verity_image::damage(&mount.source) {
            return Ok(());
        }
        // The overlay that is made of it keeps it as long as it needs it.
        filesystem::unmount(&at);
    }
    let path = store.part(&part.root_hash);
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let opened = file::open(&path, OFlags::RDONLY | OFlags::NOFOLLOW).map_err(|error| named(&error))?;
    let len = opened.metadata().map_err(|error| named(&error))?.len();
    if len != part.stored_bytes {
        return Err(named(&format!("it has {len} bytes and not {}", part.stored_bytes)));
    }
    let verified = known::verified(&pack.head, system.setup.anchors)?;
    let payload = verified.manifest().payload(&part.name).ok_or("its head names another image")?;
    verity_image::mount(&opened, &payload.tree(), &at).map_err(|error| error.to_string())
}

/// One overlay over each place that has one of the images.
fn lay(parts: &[&Part]) -> Result<(), String> {
    let layers = |name: &str| -> Vec<PathBuf> {
        let mut folders = Vec::new();
        for folder in parts.iter().map(|part| at(&part.root_hash).join(name)).filter(|folder| folder.is_dir()) {
            // Two packs may bring the same image under two names; an overlay takes a folder once.
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        folders
    };
    let told = |name: &str, error: io::Error| format!("no overlay over /{name}: {error}");
    let places = PLACES.map(|name| (Place::of(name), layers(name)));
    // Of what can be known before, nothing is to stop it half way.
    for (place, layers) in places.iter().filter(|(_, layers)| !layers.is_empty()) {
        place.can_be_laid_over(layers).map_err(|error| told(place.name(), error))?;
    }
    for (place, layers) in &places {
        place.lay(layers).map_err(|error| told(place.name(), error))?;
    }
    Ok(())
}

/// Hands the images to systemd-sysext, which merges by its own rules: in the order of their names.
///
/// # Errors
/// Why not, and the image that is at fault, if one is. None of these is merged then.
fn refresh<'p>(program: &str, parts: &[&'p Part], before: &Live) -> Result<(), (Option<&'p str>, String)> {
    let all = |why| (None, why);
    before.parts.iter().for_each(|part| take_back(&part.name));
    let merged = handed_over(parts).and_then(|()| refreshed(program)).map_err(all);
    let merged = merged.and_then(|()| parts.iter().try_for_each(|part| taken(part)));
    merged.inspect_err(|_| {
        // What stays there the next one who refreshes would merge.
        parts.iter().for_each(|part| take_back(&part.name));
        drop(refreshed(program));
    })
}

fn refreshed(program: &str) -> Result<(), String> {
    match Command::new(program).arg("refresh").output() {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => Err(format!("`systemd-sysext refresh`: {}", String::from_utf8_lossy(&done.stderr).trim())),
        Err(error) => Err(format!("`systemd-sysext refresh`: {error}")),
    }
}

fn handed_over(parts: &[&Part]) -> Result<(), String> {
    parts.iter().try_for_each(|part| {
        let place = Path::new(EXTENSIONS).join(&part.name);
        let bound = fs::create_dir_all(&place)
            .and_then(|()| rustix::mount::mount_bind(at(&part.root_hash), &place).map_err(io::Error::from));
        bound.map_err(|error| format!("{}: {error}", place.display()))
    })
}

/// It passes over, without a failure, what it takes for another system's.
fn taken(part: &Part) -> Result<(), (Option<&str>, String)> {
    let release = format!("/usr/lib/extension-release.d/extension-release.{}", part.name);
    match Path::new(&release).exists() {
        true => Ok(()),
        false => {
            let why = format!("systemd-sysext has not merged {}: see what its extension-release says", part.name);
            Err((Some(&part.name), why))
        }
    }
}

fn take_back(part: &str) {
    let place = Path::new(EXTENSIONS).join(part);
    filesystem::unmount(&place);
    drop(fs::remove_dir(place));
}
