//! Packs in a boot.
//!
//! ```text
//!  fell back since a person looked, or boots of late were left unconfirmed ─► off, until `pack enable`
//!  each pack: head verified ─► fits? ─► every block of its images ─► merged; one that is wrong is left out, and told
//! ```

use libupdate::Error;
use libupdate::install;
use libupdate_linux::OsError;
use libupdate_linux::file;
use rustix::fs::OFlags;

use super::change;
use super::known::{self, Known};
use super::mounted;
use super::parts::PartsDisk;
use super::steps;
use super::store::{Set, Store};
use crate::exit::{Exit, Failure};
use crate::open_device;
use crate::output::Watch;
use crate::session::Session;
use crate::verb::live::boots::Boots;
use crate::verb::live::{Broken, System};

const WHAT: &str = "packs are not merged in this boot";

/// Whether any pack is stored.
pub fn any() -> Result<bool, Failure> {
    Ok(!Store::usual().set()?.packs.is_empty())
}

/// Unmounts all images, of which nothing is laid any more.
pub fn unmount_all() {
    mounted::forget(&[]);
}

/// Merges what this boot may have.
pub fn run(session: &Session, system: &System, boots: &Boots) -> Result<(), Failure> {
    let store = Store::usual();
    let set = store.set()?;
    if set.packs.is_empty() {
        return Ok(());
    }
    let reason = boots.reason_to_be_off(system, set.settled.as_ref()).filter(|_| set.off.is_none());
    if let Some(why) = reason {
        session.output.warn(&format!("{WHAT}, and are off until `pack enable`: {why}"));
        return store.switch(&Set { off: Some(why), ..set });
    }
    if let Some(why) = &set.off {
        session.output.note(&format!("{WHAT}: {why}"));
        return Ok(());
    }
    let stored = store.stored(&set, system);
    let mut broken = change::unfit(&stored);
    let mut packs = Vec::new();
    for pack in change::fitting(&stored, system) {
        match sound(session, &store, system, pack) {
            Ok(()) => packs.push(pack),
            // What was not looked at to its end is not at fault.
            Err(failure) if failure.code == Exit::Interrupted => return Err(failure.doing(WHAT)),
            Err(failure) => broken.push(Broken { name: pack.name.clone(), why: failure.why }),
        }
    }
    let merged = change::leaving_out((&store, system), packs.clone(), broken, |_| false);
    let broken = merged.map_err(|trouble| {
        let next = "`pack list` says which ones are merged; see the kernel log (dmesg)";
        Failure::new(Exit::Io, WHAT, trouble.why, next)
    })?;
    packs.retain(|pack| !broken.iter().any(|broken| broken.name == pack.name));
    change::tell(session, &steps::at_boot(&packs));
    for Broken { name, why } in &broken {
        session.output.warn(&format!("the pack {name} is not merged: {why}"));
    }
    Ok(())
}

/// Whether every block of the pack's images is right.
fn sound(session: &Session, store: &Store, system: &System, pack: &Known) -> Result<(), Failure> {
    let broken = |why: String| Failure::new(Exit::NotAuthentic, "", why, "");
    let verified = known::verified(&pack.head, system.setup.anchors).map_err(broken)?;
    let mut disk = PartsDisk::default();
    let mut extents = Vec::new();
    for part in &pack.parts {
        let path = store.part(&part.root_hash);
        let named = |error: std::io::Error| broken(format!("{}: {error}", path.display()));
        let opened = file::open(&path, OFlags::RDONLY | OFlags::NOFOLLOW).map_err(named)?;
        extents.extend(disk.add(path.clone(), opened, part.stored_bytes, true));
    }
    let mut watch = Watch::new(&session.output, &session.interrupt);
    let checked = open_device::with_tools(&mut watch, |buffers, tools| {
        install::check(&mut disk, &verified, &extents, buffers, tools).map_err(|error: Error<OsError>| error)
    });
    checked.map(|_| ())
}
