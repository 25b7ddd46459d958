//! `provision`: the partition table of a new disk, and the first image in its first slot, good.
//!
//! 1. Before the first write: the bundle is authentic, for this device, and its images fit; the table is built in memory.
//! 2. The core writes the table, with no slot armed.
//! 3. The bundle is streamed, read back, and sealed as by `install`.
//! 4. The first slot becomes good in one commit: until then nothing on the disk boots, and running again starts over.

use std::fs::OpenOptions;
use std::path::Path;

use libupdate::activate;
use libupdate::apply;
use libupdate::bundle::Unverified;
use libupdate::disarm;
use libupdate::gpt::Entry;
use libupdate::install;
use libupdate::limits::ENVELOPE_BYTES;
use libupdate::manifest::Manifest;
use libupdate::policy::{self, SlotFacts};
use libupdate::slot::{self, PartitionSpec, SlotFinder, SlotState};
use libupdate::{BlockSize, Digest, Error};

use crate::bench::Bench;
use crate::cli::Provision;
use crate::exit::{Exit, Failure};
use crate::new_table::NewTable;
use crate::os::{Disk, Mode, OpenHow, OsError};
use crate::output::Watch;
use crate::profile::parse_bytes;
use crate::session::Session;
use crate::source::BundleSource;
use crate::verb::status;

/// Makes the disk, the table, and the first slot.
pub fn run(session: &Session, args: &Provision) -> Result<(), Failure> {
    let Some(path) = session.disk() else {
        let why = "a disk that is to be overwritten is never guessed";
        return Err(Failure::new(Exit::Usage, "cannot provision", why, "name it with --disk"));
    };
    let what = format!("cannot provision {}", path.display());
    provision(session, args, path).map_err(|failure| match failure.code {
        Exit::Usage => failure,
        _ => failure.doing(what),
    })
}

fn provision(session: &Session, args: &Provision, path: &Path) -> Result<(), Failure> {
    let device = session.device()?;
    // The bundle is judged before anything of the disk is touched.
    let mut source = BundleSource::open(&args.bundle, &args.fetch, session)?;
    let mut head = Box::new([0; ENVELOPE_BYTES]);
    let read = Unverified::read(&mut source, &mut head);
    let unverified = read.map_err(|fault| source.explained(Error::<OsError>::from(fault).into()))?;
    let verified = unverified.verify(device.anchors).map_err(Error::<OsError>::from)?;
    source.expects(&verified);
    policy::compatible(&verified, &device.profile.compatible).map_err(Error::<OsError>::from)?;
    file_of_size(args, path)?;
    let sector_size = session.sector_size()?.or_else(|| path.is_file().then_some(BlockSize::B512));
    let how = OpenHow { sector_size, mode: Mode::ReadWrite, ..OpenHow::read_only() };
    let mut bench = Bench::locked(Disk::open(path, how)?, &device)?;
    let claim = bench.disk.claim_all()?;
    let table = NewTable::of(device.profile, &bench.disk)?;
    images_fit(verified.manifest(), &table, device.specs)?;
    if !args.danger_overwrite && !was_begun(&mut bench, &table, verified.digest()) {
        refuse_a_used_disk(&mut bench.disk)?;
    }
    bench.commit(session, |disk, _, scratch| apply::create(disk, &table.fresh(), scratch))?;
    let survey = bench.look()?;
    let admitted = policy::admit_first::<OsError>(verified, &survey.facts, &survey.slots)?;
    let (disarmed, _) = bench.commit(session, |disk, specs, scratch| disarm::disarm(disk, specs, admitted, scratch))?;
    let mut watch = Watch::new(&session.output, &session.interrupt);
    let staged =
        bench.work(&mut watch, |disk, buffers, tools| install::stage(disk, disarmed, &mut source, buffers, tools));
    let staged = staged.map_err(|failure| source.explained(failure))?;
    watch.finish();
    let outcome = bench.commit(session, |disk, specs, scratch| {
        activate::first_good(disk, specs, &staged, device.profile.guard, scratch)
    })?;
    drop(claim);
    crate::os::reread::table(&bench.disk, &session.output);
    status::after(session, &mut bench, device.profile, &outcome)
}

/// Makes a disk image file of `--size`, or takes the one that is there.
fn file_of_size(args: &Provision, path: &Path) -> Result<(), Failure> {
    let usage = |why: &str, next: &str| Failure::new(Exit::Usage, "cannot provision", why, next);
    let Some(text) = &args.size else {
        return match path.exists() {
            true => Ok(()),
            false => Err(usage("the disk image file does not exist", "give --size to make it")),
        };
    };
    let bytes = parse_bytes(text).filter(|bytes| bytes.is_multiple_of(4096) && *bytes > 0);
    let bytes = bytes.ok_or_else(|| usage("--size is no whole number of 4096 bytes", "give it as 8G, or 512M"))?;
    if path.exists() {
        let len = path.metadata().map_err(|error| crate::source::unreadable(path, &error))?.len();
        return match path.is_file() && len == bytes {
            true => Ok(()),
            false => Err(usage("there is a disk of another size", "leave out --size, or remove the file")),
        };
    }
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let made = file.and_then(|file| file.set_len(bytes).and_then(|()| file.sync_all()));
    made.map_err(|error| crate::verb::bundle::unwritable(path, &error))
}

/// What `install` asks of a bundle, asked of the table that is yet to be written.
fn images_fit(manifest: &Manifest<'_>, table: &NewTable, specs: &[PartitionSpec<'_>]) -> Result<(), Failure> {
    let mut finder = SlotFinder::new(specs);
    table.partitions().iter().for_each(|partition| finder.see(partition));
    let slots = finder.finish().map_err(Error::<OsError>::from)?;
    for slot in slots.slots().iter().take(1) {
        policy::extents(manifest, slot).map_err(Error::<OsError>::from)?;
    }
    Ok(())
}

/// Whether an earlier run of this very act was cut short: the disk has this table, nothing boots from it, and no slot holds anything but
/// what a cut leaves of this bundle. What the other partitions hold stays where it is.
fn was_begun(bench: &mut Bench, table: &NewTable, bundle: Digest) -> bool {
    let Ok(survey) = bench.look() else { return false };
    let vacant = |facts: &SlotFacts| {
        let ours = facts.installed.as_ref().is_none_or(|installed| installed.digest == bundle);
        let untried = matches!(facts.state, SlotState::Empty | SlotState::Disarmed | SlotState::Staged);
        // Slots that foreign tools took out of the order may still hold what they held.
        ours && untried && slot::out_of_order(facts.bits)
    };
    let mut found = Vec::new();
    let read = survey.table.entries(&mut bench.disk, &mut [0; 4096], |partition| found.push(*partition));
    let same = |(there, planned): (&Entry, &Entry)| {
        let layout = |entry: &Entry| (entry.number, entry.type_guid, entry.extent, entry.name);
        layout(there) == layout(planned)
    };
    let planned = table.partitions();
    read.is_ok()
        && survey.facts.slots.iter().all(vacant)
        && found.len() == planned.len()
        && found.iter().zip(&planned).all(same)
}

/// A disk that holds anything where a table or a boot sector would be is somebody's.
fn refuse_a_used_disk(disk: &mut Disk) -> Result<(), Failure> {
    use libupdate::{BlockIo, Lba};
    let blocks = disk.block_count().get();
    let edge = blocks.min(40);
    let mut bytes = vec![0; disk.block_size().bytes() * usize::try_from(edge).unwrap_or(0)];
    for first in [0, blocks.saturating_sub(edge)] {
        disk.read(Lba::new(first), &mut bytes)?;
        if !libupdate::bytes::all_zero(&bytes) {
            let why = "the disk is not empty: it holds a table or other data at its start or end";
            let next = "check that it is the right disk; --danger-overwrite destroys what is there";
            return Err(Failure::new(Exit::Disk, "", why, next));
        }
    }
    Ok(())
}
