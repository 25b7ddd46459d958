//! Images of packs, mounted behind dm-verity, and laid over the system that runs.
//!
//! ```text
//!  parts/ROOT-HASH ─► loop ─► dm-verity ─► /run/updater/packs/ROOT-HASH ─► laid over /usr and /opt, below overlays
//! ```
//! A change lays all anew: mounts that stay are kept, what is not needed any more goes after the new overlay is there.

use std::fs;
use std::path::Path;

use libupdate_linux::{file, filesystem, mounts, verity_image};
use rustix::fs::OFlags;

use super::known::{self, Known, Part};
use super::store::Store;
use super::{extension_release, plan, walk};
use crate::verb::live::{self, Broken, Live, LivePart, MOUNTED, System, mounted};

/// Why packs could not be merged, and which one is at fault, if one is.
#[derive(Debug)]
pub struct Trouble {
    pub pack: Option<String>,
    pub why: String,
}

/// Whether all of a pack is live.
pub fn is_live(live: &Live, pack: &Known) -> bool {
    let has = |part: &Part| live.parts.iter().any(|live| live.root_hash == part.root_hash && live.name == part.name);
    pack.parts.iter().all(has)
}

/// An image of the pack of which a wrong block was read.
pub fn damaged(pack: &Known) -> Option<String> {
    let mounts = mounts::all().ok()?;
    let wrong = |part: &&Part| {
        mounts::seen(&mounts, &mounted(&part.root_hash)).is_some_and(|mount| verity_image::damage(&mount.source))
    };
    pack.parts.iter().find(wrong).map(|part| part.name.clone())
}

/// Whether nothing is known that is wrong with the pack.
pub fn is_sound(live: &Live, pack: &Known) -> bool {
    damaged(pack).is_none() && !live.broken.iter().any(|broken| broken.name == pack.name)
}

/// Merges these packs and no others. What could not be merged before is remembered as it is told.
///
/// # Errors
/// [`Trouble`]: what was merged before is merged still, or, where a mount had to go, less.
pub fn merge(store: &Store, system: &System, packs: &[&Known], broken: Vec<Broken>) -> Result<(), Trouble> {
    let layers = plan::layers(packs);
    if !layers.is_empty() {
        verity_image::load_modules();
    }
    for (pack, part) in &layers {
        let told = |why| Trouble { pack: Some(pack.name.clone()), why };
        mount(store, system, pack, part).map_err(told)?;
        fits_over(part).map_err(told)?;
    }
    let live = |(_, part): &(&Known, &Part)| LivePart { name: part.name.clone(), root_hash: part.root_hash.clone() };
    let new = Live { parts: layers.iter().map(live).collect(), broken, ..Live::read() };
    live::lay(system, new).map_err(|trouble| {
        let named = |name| layers.iter().find(|(_, part)| part.name == name).map(|(pack, _)| pack.name.clone());
        Trouble { pack: trouble.part.and_then(named), why: trouble.why }
    })?;
    forget(&layers.iter().map(|(_, part)| *part).collect::<Vec<_>>());
    Ok(())
}

/// Takes away the mounts of all other images, those of an act that failed, too.
pub fn forget(parts: &[&Part]) {
    for mount in mounts::all().unwrap_or_default() {
        let name = mount.at.strip_prefix(MOUNTED).ok().and_then(Path::to_str);
        if name.is_some_and(|name| !parts.iter().any(|part| part.root_hash == name)) {
            filesystem::unmount(&mount.at);
            drop(fs::remove_dir(&mount.at));
        }
    }
}

/// The system may be another one than that over which the pack was installed: of its major version, and not the same.
fn fits_over(part: &Part) -> Result<(), String> {
    let at = mounted(&part.root_hash);
    extension_release::check(&at, &part.name)?;
    match walk::hides(&at) {
        Ok(None) => Ok(()),
        Ok(Some(path)) => Err(format!("{path} would hide what the system has there")),
        Err(error) => Err(format!("the image {} cannot be read: {error}", part.name)),
    }
}

/// Mounts an image, unless it is mounted and no block of it was found wrong.
fn mount(store: &Store, system: &System, pack: &Known, part: &Part) -> Result<(), String> {
    let at = mounted(&part.root_hash);
    let mounts = mounts::all().map_err(|error| error.to_string())?;
    if let Some(mount) = mounts::seen(&mounts, &at) {
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
