//! `provision`: the partition table of a new disk, and the first image in its first slot, good.
//!
//! 1. Before the first write: the bundle is authentic, for this device, and its images fit; the table is built in memory.
//! 2. The core writes the table, with no slot armed, and erases what the records of older slots say where the new ones are.
//! 3. The bundle is streamed, read back, and sealed as by `install`.
//! 4. The first slot becomes good in one commit: until then nothing on the disk boots, and running again starts over.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use libupdate::bundle::{Unverified, Verified};
use libupdate::gpt::Entry;
use libupdate::install::Source as _;
use libupdate::manifest::Manifest;
use libupdate::policy::{self, SlotFacts};
use libupdate::slot::{self, PartitionSpec, SlotFinder, SlotState, SlotTable};
use libupdate::units::limits::ENVELOPE_BYTES;
use libupdate::{BlockSize, Digest, Error};
use libupdate_linux::Shield;
use libupdate_linux::new_table::{NewTable, NewTableError};
use libupdate_linux::profile::parse_bytes;
use libupdate_linux::program;
use libupdate_linux::running::{Doubt, Running};
use libupdate_linux::used_disk;
use libupdate_linux::{Disk, Interrupt, Mode, OpenHow, OsError, file};
use rustix::fs::OFlags;

use crate::cli::provision::Provision;
use crate::exit::{Exit, Failure};
use crate::new_file::{target, unwritable};
use crate::open_device::OpenDevice;
use crate::output::Watch;
use crate::session::{Session, Setup};
use crate::source::{self, BundleSource};
use crate::verb::status;

/// Makes the disk, the table, and the first slot.
pub fn run(session: &Session, args: &Provision) -> Result<(), Failure> {
    let Some(path) = session.disk() else {
        let why = "a disk that is to be overwritten is never guessed";
        return Err(Failure::new(Exit::Usage, "cannot provision", why, "name it with --disk"));
    };
    session.record.on(path);
    let what = format!("cannot provision {}", path.display());
    provision(session, args, path).map_err(|failure| match failure.code {
        Exit::Usage => failure,
        _ => failure.doing(what),
    })
}

fn provision(session: &Session, args: &Provision, path: &Path) -> Result<(), Failure> {
    let device = session.setup()?;
    // The bundle is judged before anything of the disk is touched.
    let mut source = BundleSource::open(&args.bundle, &args.fetch, session)?;
    let mut head = Box::new([0; ENVELOPE_BYTES]);
    let read = Unverified::read(&mut source, &mut head);
    let unverified = read.map_err(|fault| source.explained(Error::<OsError>::from(fault).into()))?;
    let judged = unverified.verify(device.anchors).map_err(Error::<OsError>::Bundle).and_then(|verified| {
        policy::a_release(&verified)?;
        policy::compatible(&verified, &device.profile.compatible)?;
        Ok(verified)
    });
    let verified = judged.map_err(|error| source.explained_to(&device, error.into()))?;
    source.expects(&verified);
    let mut made = file_of_size(args, path, &session.interrupt)?;
    let answer = make(session, args, (&device, path, &mut made), (verified, &mut source));
    // Who interrupted it may run it again, and it goes on with the disk that was begun; no other failure leaves a disk image behind.
    if answer.as_ref().err().is_none_or(|failure| failure.code == Exit::Interrupted) {
        made.into_iter().for_each(MadeFile::stays);
    }
    answer
}

/// The disk, from its first byte to its first slot.
fn make(
    session: &Session,
    args: &Provision,
    (device, path, made): (&Setup, &Path, &mut Option<MadeFile>),
    (verified, source): (Verified<'_>, &mut BundleSource),
) -> Result<(), Failure> {
    let sector_size = session.sector_size()?.or_else(|| path.is_file().then_some(BlockSize::B512));
    let how = OpenHow { sector_size, mode: Mode::ReadWrite, ..OpenHow::read_only() };
    let mut opened = OpenDevice::locked(session, Disk::open(path, how)?, device)?;
    opened.open_store(session)?;
    let claim = opened.disk.claim_all()?;
    let table = NewTable::of(device.profile, &opened.disk)?;
    let slots = slots_of(&table, device.specs)?;
    if let Some(first) = slots.slots().first() {
        session.record.means(first.id, &verified.manifest().version().to_string());
    }
    images_fit(verified.manifest(), &slots)?;
    refuse_a_running_disk(session, &mut opened)?;
    if !args.danger_overwrite && !was_begun(&mut opened, &table, verified.digest()) {
        refuse_a_used_disk(&mut opened.disk)?;
    }
    if let Some(made) = made {
        made.begins();
    }
    let mut watch = Watch::new(&session.output, &session.interrupt);
    let fresh = table.fresh();
    session.record.begins();
    opened
        .long_act(|device, room, work| device.provision(&fresh, (verified, &mut *source), room, work, &mut watch))
        .map(|_| ())
        .map_err(|failure| source.explained(failure))?;
    watch.finish();
    drop(claim);
    tell_the_kernel(session, &opened.disk);
    status::after(session, &mut opened, device.profile)
}

/// The disk itself is right either way, so a refusal is only a warning.
fn tell_the_kernel(session: &Session, disk: &Disk) {
    if let Err(why) = program::reread_table(disk) {
        session
            .output
            .warn(&format!("the kernel does not know the new partitions yet ({why}); it will after a reboot"));
    }
}

/// A disk image file that this run has made. Dropped, it goes away unless it stays; no signal ends the process before a disk is begun in it.
struct MadeFile {
    path: PathBuf,
    unwanted: bool,
    /// Dropped last: a second signal must not come before the file is removed.
    shield: Option<Shield>,
}

impl MadeFile {
    /// From here on it is a disk that was begun: a second signal may end this, and the same command goes on with it.
    fn begins(&mut self) {
        self.shield = None;
    }

    fn stays(mut self) {
        self.unwanted = false;
    }
}

impl Drop for MadeFile {
    /// That it could not be removed helps nobody to know.
    fn drop(&mut self) {
        if self.unwanted {
            fs::remove_file(&self.path).unwrap_or_default();
        }
    }
}

/// Makes a disk image file of `--size`, where links lead to, or takes what is there.
fn file_of_size(args: &Provision, path: &Path, interrupt: &Interrupt) -> Result<Option<MadeFile>, Failure> {
    let usage = |why: &str, next: &str| Failure::new(Exit::Usage, "cannot provision", why, next);
    let there = path.try_exists().map_err(|error| source::unreadable(path, &error))?;
    let Some(text) = &args.size else {
        return match there {
            true => Ok(None),
            false => Err(usage("the disk image file does not exist", "give --size to make it")),
        };
    };
    let bytes = parse_bytes(text).filter(|bytes| bytes.is_multiple_of(4096) && *bytes > 0);
    let bytes = bytes.ok_or_else(|| usage("--size is no whole number of 4096 bytes", "give it as 8G, or 512M"))?;
    if there {
        let len = size(path)?;
        let why = format!("there is a disk of {len} bytes, not of {bytes}");
        return if len == bytes { Ok(None) } else { Err(usage(&why, "leave out --size, or remove the file")) };
    }
    let failed = |error: std::io::Error| unwritable(path, &error);
    let shield = interrupt.shield();
    let path = target(path).map_err(failed)?;
    let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(failed)?;
    let made = MadeFile { path, unwanted: true, shield: Some(shield) };
    file.set_len(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(Some(made))
}

/// Bytes of a file or a block device.
fn size(path: &Path) -> Result<u64, Failure> {
    let failed = |error: std::io::Error| source::unreadable(path, &error);
    let file = file::open(path, OFlags::RDONLY).map_err(failed)?;
    let kind = file.metadata().map_err(failed)?.file_type();
    if kind.is_file() || kind.is_block_device() {
        return source::local::len(path, &file);
    }
    Err(Failure::new(
        Exit::Usage,
        source::local::what(path),
        "it is neither a file nor a block device",
        "name one of them",
    ))
}

/// The slots of a table that is yet to be written.
fn slots_of<'p>(table: &NewTable, specs: &'p [PartitionSpec<'p>]) -> Result<SlotTable<'p>, Failure> {
    let mut finder = SlotFinder::new(specs);
    table.partitions().iter().for_each(|partition| finder.see(partition));
    Ok(finder.finish().map_err(Error::<OsError>::from)?)
}

/// What `install` asks of a bundle, asked of that table.
fn images_fit(manifest: &Manifest<'_>, slots: &SlotTable<'_>) -> Result<(), Failure> {
    for slot in slots.slots().iter().take(1) {
        policy::extents(manifest, slot).map_err(Error::<OsError>::from)?;
    }
    Ok(())
}

/// Whether an earlier run of this very act was cut short: the disk has this table, nothing boots from it, and no slot holds anything but
/// what a cut leaves of this bundle. What the other partitions hold stays where it is.
fn was_begun(opened: &mut OpenDevice, table: &NewTable, bundle: Digest) -> bool {
    let Ok(survey) = opened.look() else { return false };
    let vacant = |facts: &SlotFacts| {
        let ours = facts.installed.as_ref().is_none_or(|installed| installed.digest == bundle);
        let untried = matches!(facts.state, SlotState::Empty | SlotState::Disarmed | SlotState::Staged);
        // Slots that foreign tools took out of the order may still hold what they held.
        ours && untried && slot::out_of_order(facts.bits)
    };
    let mut found = Vec::new();
    let read = survey.table.entries(&mut opened.disk, &mut [0; 4096], |partition| found.push(*partition));
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

fn refuse_a_used_disk(disk: &mut Disk) -> Result<(), Failure> {
    let Some(found) = used_disk::content(disk)? else { return Ok(()) };
    let next = "check that it is the right disk; --danger-overwrite destroys what is there";
    Err(Failure::new(Exit::Disk, "", format!("the disk is not empty: it holds {found}"), next))
}

/// A disk that the system runs from is not made anew under it, whatever is asked for.
fn refuse_a_running_disk(session: &Session, opened: &mut OpenDevice) -> Result<(), Failure> {
    // A disk without slots has none that runs, and of a file it is only known where it is said.
    let Ok(survey) = opened.look() else { return Ok(()) };
    if opened.is_file() && session.booted().said.is_none() {
        return Ok(());
    }
    match opened.judge(session, &survey) {
        Ok(Running::Slot(slot)) => {
            let next = "name another disk; `install` renews what is on this one";
            Err(Failure::new(Exit::Refused, "", format!("slot {slot} of this disk is booted"), next))
        }
        Ok(Running::Elsewhere | Running::Unknown) | Err(Doubt::OtherDisk { .. }) => Ok(()),
        Err(doubt) => Err(doubt.into()),
    }
}

impl From<NewTableError> for Failure {
    fn from(error: NewTableError) -> Self {
        let next = match error {
            NewTableError::TooSmall { .. } => "use a larger disk (--size), or a smaller profile",
            _ => "use a larger disk, or a smaller profile",
        };
        Self::new(Exit::NoSpace, "", error, next)
    }
}
