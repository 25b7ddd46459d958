//! `pack install`: a pack is checked, stored, looked through, and merged.

use std::path::Path;

use libupdate::bundle::{Unverified, Verified};
use libupdate::install::{self, Source as _};
use libupdate::units::limits::ENVELOPE_BYTES;
use libupdate::{Error, Extent};
use libupdate_linux::{OsError, filesystem, verity_image};
use serde::Serialize;

use super::change::{self, Done};
use super::check::judged;
use super::known::Known;
use super::parts::PartsDisk;
use super::plan::PACKS;
use super::steps::Step;
use super::store::{Listed, Set, Store};
use super::{extension_release, walk};
use crate::cli::pack::Install;
use crate::exit::{Exit, Failure};
use crate::open_device;
use crate::output::{Printable, Report, Size, Watch};
use crate::session::Session;
use crate::source::{BundleSource, shown};
use crate::verb::live::{self, System};

/// Where an image is mounted to be looked through.
const LOOK: &str = "/run/updater/packs-look";
/// Guarded files that are told by name.
const TOLD: usize = 10;

/// The document of `pack install --json`.
#[derive(Serialize)]
struct Installed {
    name: String,
    level: u32,
    version: String,
    /// Whether it is live; else the next boot merges it, or nobody, as `note` of `pack list` says.
    merged: bool,
    /// Packs whose place it took.
    replaced: Vec<String>,
    stored_bytes: u64,
    /// Bytes of images that were stored already.
    kept_bytes: u64,
    fetched_bytes: Option<u64>,
    steps: Vec<Step>,
}

impl Report for Installed {
    fn human(&self) -> String {
        let (name, level, size) = (Printable(&self.name), self.level, Size(self.stored_bytes));
        let how = if self.merged { "is merged" } else { "is stored, and not merged" };
        let mut text = format!("{name} of level {level} ({size}) {how}\n");
        if !self.replaced.is_empty() {
            text += &format!("it took the place of {}\n", Printable(&self.replaced.join(", ")));
        }
        text
    }
}

/// Installs it.
pub fn run(session: &Session, args: &Install) -> Result<(), Failure> {
    let what = format!("cannot install the pack {}", shown(&args.source));
    let installed = install(session, args).map_err(|failure| match failure.code {
        Exit::Nothing => failure,
        _ => failure.doing(what),
    })?;
    change::tell(session, &installed.steps);
    session.output.done(&installed);
    Ok(())
}

fn install(session: &Session, args: &Install) -> Result<Installed, Failure> {
    let (system, store) = (System::of(session)?, Store::usual());
    let _lock = live::lock()?;
    let set = store.set()?;
    let stored = store.stored(&set, &system);
    store.sweep(&stored)?;
    let mut source = BundleSource::open(&args.source, &args.fetch, session)?;
    let mut head = Box::new([0; ENVELOPE_BYTES]);
    let told = |source: &BundleSource, error: Error<OsError>| source.explained_to(&system.setup, Failure::from(error));
    let read = Unverified::read(&mut source, &mut head).map_err(Error::<OsError>::from);
    let verified = read.and_then(|head| head.verify(system.setup.anchors).map_err(Error::Bundle));
    let verified = verified.map_err(|error| told(&source, error))?;
    let known = Known::of(&verified, &system.setup.profile.compatible).map_err(|error| told(&source, error))?;
    let replaced = judged(&known, &stored, &system, args.force)?;
    session.record.names(&known.name);
    session.record.begins();
    let kept_bytes = keep(session, args, (&store, &system), &known, (&verified, &mut source)).inspect_err(|_| {
        // What is not whole takes no room; why it is not is what is told.
        drop(store.sweep(&stored));
    })?;
    let new = with(&set, &known, &replaced, &system);
    if new.packs.len() > PACKS {
        let why = format!("{} packs are stored, and more than {PACKS} are more than one system takes", set.packs.len());
        return Err(Failure::new(Exit::Refused, "", why, "remove some: `pack list` shows which ones do not count"));
    }
    if let Some(why) = &new.off {
        session.output.note(&format!("packs are off, and this one is stored only: {why}"));
    }
    let Done { merged, steps } = change::apply((&store, &system), (&set, &new), Some(&known), !args.no_merge)?;
    let stored_bytes = known.parts.iter().map(|part| part.stored_bytes).sum();
    let replaced = replaced.into_iter().filter(|name| set.packs.iter().any(|pack| pack.name == *name)).collect();
    Ok(Installed {
        name: known.name,
        level: known.level,
        version: known.version,
        merged,
        replaced,
        stored_bytes,
        kept_bytes,
        fetched_bytes: source.fetched(),
        steps,
    })
}

/// The set with a new pack in the place of others. A fallback of before is no reason to turn it off.
fn with(set: &Set, known: &Known, replaced: &[String], system: &System) -> Set {
    let stays = |pack: &&Listed| pack.name != known.name && !replaced.contains(&pack.name);
    let new = Listed { name: known.name.clone(), digest: known.digest.clone() };
    let packs = set.packs.iter().filter(stays).cloned().chain([new]).collect();
    let settled = if set.packs.is_empty() { system.fallback.clone() } else { set.settled.clone() };
    Set { packs, off: set.off.clone(), settled }
}

/// Stores the images of a pack, looks them through, and gives them and the head their names. Bytes that were there already.
fn keep(
    session: &Session,
    args: &Install,
    (store, system): (&Store, &System),
    known: &Known,
    (verified, source): (&Verified<'_>, &mut BundleSource),
) -> Result<u64, Failure> {
    let mut disk = PartsDisk::default();
    let mut new_parts = Vec::new();
    let mut extents: Vec<Extent> = Vec::new();
    for part in &known.parts {
        let opened = store.open_part(&part.root_hash, part.stored_bytes);
        let (file, held) = opened.map_err(|error| store.failed(&error))?;
        if !held {
            new_parts.push(part.root_hash.clone());
        }
        extents.extend(disk.add(store.part(&part.root_hash), file, part.stored_bytes, held));
    }
    source.expects(verified);
    let mut watch = Watch::new(&session.output, &session.interrupt);
    let stored = open_device::with_tools(&mut watch, |buffers, tools| {
        install::store(&mut disk, verified, &extents, source, buffers, tools)
    });
    let sizes = stored.map_err(|failure| source.explained_to(&system.setup, failure))?;
    watch.finish();
    look_through(session, args, &disk, known)?;
    store.keep(known, &new_parts)?;
    Ok(sizes.kept.get())
}

/// Every block of the images was read and found right a moment ago: they are looked at without dm-verity.
fn look_through(session: &Session, args: &Install, disk: &PartsDisk, known: &Known) -> Result<(), Failure> {
    verity_image::load_modules();
    let at = Path::new(LOOK);
    let mut guarded = Vec::new();
    for (part, file) in known.parts.iter().zip(disk.files()) {
        let unmountable = |error: OsError| {
            let next = "make it from an image that is squashfs or erofs, and that this kernel knows";
            Failure::new(Exit::Refused, "", format!("the image {} cannot be mounted: {error}", part.name), next)
        };
        // What a cut has left there.
        filesystem::unmount(at);
        verity_image::mount_checked(file, at).map_err(unmountable)?;
        let next = "make the pack again: docs/FORMAT.md, section 6, says what its images have";
        let walked = walk::walk(at, &session.interrupt).and_then(|found| {
            let wrong = |why| Failure::new(Exit::Refused, "", why, next);
            let hidden =
                walk::hides(at).map_err(|error| wrong(format!("the image {} cannot be read: {error}", part.name)))?;
            match hidden {
                Some(path) => Err(wrong(format!(
                    "{path} is a folder here or in the system, and not in both: what is there would be hidden"
                ))),
                None => extension_release::check(at, &part.name).map(|()| found).map_err(wrong),
            }
        });
        filesystem::unmount(at);
        guarded.extend(walked?);
    }
    drop(std::fs::remove_dir(at));
    if guarded.is_empty() || args.force {
        return Ok(());
    }
    let why = "it replaces files that a running system does not take well";
    let next = "make a release of it, and reboot; --force takes it all the same";
    let details = guarded.iter().take(TOLD).map(|(path, what)| format!("{path}: {what}")).collect();
    Err(Failure { details, ..Failure::new(Exit::Refused, "", why, next) })
}
