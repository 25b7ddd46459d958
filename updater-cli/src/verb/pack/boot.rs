//! `pack boot` and `pack shutdown`: what updater-packs.service does, early in each boot and late in each shutdown.
//!
//! ```text
//!  fell back since a person looked, or every boot of late was left unconfirmed ─► off, until `pack enable`
//!  a boot whose tries nobody counts is counted here, and `mark-good` begins anew
//!  each pack: head verified ─► fits? ─► every block of its images ─► merged; one that is wrong is left out, and told
//! ```

use std::time::Duration;

use libupdate::Error;
use libupdate::install;
use libupdate_linux::OsError;
use libupdate_linux::booted::Told;
use libupdate_linux::file;
use rustix::fs::OFlags;

use super::System;
use super::change;
use super::known::{self, Known};
use super::live::{self, Broken, Live};
use super::parts::PartsDisk;
use super::steps;
use super::store::{Set, Store};
use crate::exit::{Exit, Failure};
use crate::open_device;
use crate::output::Watch;
use crate::session::Session;

const WHAT: &str = "packs are not merged in this boot";
/// Boots with packs in a row that nobody has confirmed and nobody counts: the next one is without.
const UNCONFIRMED: u32 = 2;
/// How long another `pack` may be at work.
const PATIENCE: Duration = Duration::from_secs(30);

/// Merges what this boot may have.
pub fn run(session: &Session) -> Result<(), Failure> {
    let store = Store::usual();
    if store.set()?.packs.is_empty() {
        return Ok(());
    }
    let system = System::of(session).map_err(|failure| failure.doing(WHAT))?;
    let _lock = store.lock_within(PATIENCE)?;
    let set = store.set()?;
    let report = Told::read().report.and_then(Result::ok);
    let kind = report.as_ref().and_then(|report| report.kind.clone()).unwrap_or_default();
    let left = report.as_ref().and_then(|report| report.tries_left);
    let guard = system.setup.profile.guard.tries().get();
    let boots = store.boots();
    if let Some(why) = reason_to_be_off(&set, &system, (&kind, left, guard), boots) {
        session.output.warn(&format!("{WHAT}, and are off until `pack enable`: {why}"));
        return store.switch(&Set { off: Some(why), ..set });
    }
    if let Some(why) = &set.off {
        session.output.note(&format!("{WHAT}: {why}"));
        return Ok(());
    }
    if !is_counted(&kind) {
        store.count_boots(boots.saturating_add(1))?;
    }
    let stored = store.stored(&set, &system);
    let mut broken = change::unfit(&stored);
    let mut packs = Vec::new();
    for pack in change::fitting(&stored, &system) {
        match sound(session, &store, &system, pack) {
            Ok(()) => packs.push(pack),
            // What was not looked at to its end is not at fault.
            Err(failure) if failure.code == Exit::Interrupted => return Err(failure.doing(WHAT)),
            Err(failure) => broken.push(Broken { name: pack.name.clone(), why: failure.why }),
        }
    }
    let merged = change::leaving_out((&store, &system), packs.clone(), broken, |_| false);
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

/// Takes away what is merged: as long as it is, its images keep `/var` from being unmounted. The set stays as it is.
pub fn end(session: &Session) -> Result<(), Failure> {
    let (store, live) = (Store::usual(), Live::read());
    if live.parts.is_empty() {
        return Ok(());
    }
    let what = "packs stay merged until the power goes";
    let system = System::of(session).map_err(|failure| failure.doing(what))?;
    let _lock = store.lock_within(PATIENCE)?;
    live::merge(&store, &system, &[], live.broken).map_err(|trouble| {
        let next = "nothing has to be done: the next boot replays the journal of /var";
        Failure::new(Exit::Io, what, trouble.why, next)
    })
}

/// Why packs must not be merged from now on. Pure.
fn reason_to_be_off(
    set: &Set,
    system: &System,
    (kind, left, guard): (&str, Option<u8>, u8),
    boots: u32,
) -> Option<String> {
    if set.off.is_some() {
        return None;
    }
    if let Some(fallback) = system.fallback.as_ref().filter(|fallback| set.settled.as_ref() != Some(*fallback)) {
        return Some(format!("the device fell back: {fallback}"));
    }
    match kind {
        "suspect" | "last-resort" => Some("the last boots were not confirmed".to_owned()),
        // The next one would be checked in full, as if the image were at fault: first a boot without packs.
        "counted" if left == Some(0) && guard > 1 => Some("the last boots were not confirmed".to_owned()),
        // Nobody would fall back from a good slot that is not counted.
        kind if !is_counted(kind) && boots >= UNCONFIRMED => {
            Some(format!("the last {UNCONFIRMED} boots with packs were not confirmed by `mark-good`"))
        }
        _ => None,
    }
}

/// Whether the slot's tries are spent in such a boot.
fn is_counted(kind: &str) -> bool {
    matches!(kind, "counted" | "trial")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Setup;

    fn system(fallback: Option<&str>) -> System {
        let profile = libupdate_linux::profile::Profile::load(Some("qemu-x86_64")).unwrap();
        let profile = Box::leak(Box::new(profile));
        let key = libupdate::bundle::writer::LocalKey::from_scalar(&[7; 32]).unwrap();
        let key = *libupdate::bundle::writer::Signer::public_key(&key);
        let anchors = libupdate::bundle::Anchors::new(&[key], std::num::NonZeroUsize::MIN).unwrap();
        let setup = Setup { profile, specs: &[], anchors: Box::leak(Box::new(anchors)) };
        System { setup, version: "2.0".to_owned(), major: Some(2), fallback: fallback.map(str::to_owned) }
    }

    #[test]
    fn a_fallback_turns_packs_off_once() {
        let usual = ("counted", Some(2), 3);
        let set = Set::default();
        let reason_to_be_off = |set: &Set, system: &System, boot| super::reason_to_be_off(set, system, boot, 0);
        assert_eq!(reason_to_be_off(&set, &system(None), usual), None);
        assert!(reason_to_be_off(&set, &system(Some("b, 2.0")), usual).unwrap().contains("b, 2.0"));
        let settled = Set { settled: Some("b, 2.0".to_owned()), ..Set::default() };
        assert_eq!(reason_to_be_off(&settled, &system(Some("b, 2.0")), usual), None);
        assert!(reason_to_be_off(&settled, &system(Some("b, 3.0")), usual).is_some());
    }

    #[test]
    fn boots_that_nobody_confirms_end_without_packs() {
        let off = |kind, left, guard| {
            reason_to_be_off(&Set::default(), &system(None), (kind, Some(left), guard), 0).is_some()
        };
        assert!(!off("counted", 1, 3) && off("counted", 0, 3));
        // A guard of one knows no boot in between.
        assert!(!off("counted", 0, 1) && !off("good", 0, 0) && !off("trial", 0, 3));
        assert!(off("suspect", 0, 3) && off("last-resort", 3, 3));
    }

    #[test]
    fn boots_that_nobody_counts_are_counted_here() {
        let off = |kind, boots| reason_to_be_off(&Set::default(), &system(None), (kind, Some(3), 3), boots).is_some();
        for kind in ["good", "named", ""] {
            assert!(!off(kind, 0) && !off(kind, 1) && off(kind, 2) && off(kind, 9), "{kind}");
        }
        assert!(!off("counted", 9) && !off("trial", 9));
    }
}
