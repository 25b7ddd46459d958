//! A disk under work: opened, locked, its slots known, the booted one protected. Every act of a verb is one call of the core's device.

use std::thread;
use std::time::Duration;

use libupdate::bundle::delta::MEMORY_BYTES;
use libupdate::bundle::hints::GROUP_BYTES;
use libupdate::device::{Board, Device, Next, OnGrown, Room, Work};
use libupdate::error::{Medium, TableFault};
use libupdate::inspect::{self, Inspection, View};
use libupdate::install::reuse::Memory;
use libupdate::install::{Buffers, Tools};
use libupdate::policy::Compression;
use libupdate::region::Block;
use libupdate::region::boot_note::BootNote;
use libupdate::region::trailer::{TRAILER_BYTES, trailer_offset};
use libupdate::slot::{Slot, SlotState, SlotTable};
use libupdate::units::digest::BLOCK_BYTES;
use libupdate::verity::CHUNK_BYTES;
use libupdate::{Error, Window};
use libupdate_linux::booted::{PassedOver, REPORT, Told};
use libupdate_linux::running::{self, Doubt, Running, Source};
use libupdate_linux::{AlignedBuf, Disk, DiskKind, GuardedDisk, Lock, Mode, OpenHow, OsError};

use crate::cores::{self, Hasher};
use crate::exit::{Exit, Failure};
use crate::loader_store::Store;
use crate::output::Watch;
use crate::session::{Session, Setup};
use crate::unusable;
use crate::zstd::Unpacker;

mod store;

use store::lent;

/// What a verb works on: the disk, and how this device looks at it.
pub struct OpenDevice {
    pub disk: GuardedDisk,
    pub view: View<'static>,
    /// Slots that the hook passed over in this boot, if it left a report.
    pub passed_over: Vec<PassedOver>,
    /// Whether a slot of this disk is what the machine runs, by its own word.
    pub runs_here: bool,
    /// What is known of the slot that runs, once it was asked for.
    pub running: Running,
    setup: Setup,
    purpose: Purpose,
    _lock: Option<Lock>,
    routed: bool,
    /// The store of the boot loader, if this disk's follows its acts.
    loader: Option<Store>,
    room: Box<Room<'static>>,
    scratch: AlignedBuf,
    long: Long,
    small: Small,
}

/// A commit is over in milliseconds.
const LOOKS_AGAIN: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Why slots are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Only to show what is there: a slot that runs may stay unknown.
    Look,
    /// To change something, or to say what would be changed: an act that took the running slot for a spare one would destroy the system
    /// under it.
    Act,
}

/// Memory of the long acts: 1 MiB for each chunk that is decompressed at once, whatever the image. Taken when it is used first.
struct Long {
    data: AlignedBuf,
    carried: Vec<u8>,
    reference: AlignedBuf,
    /// Entries and hints, if blocks of other slots are looked for.
    index: Vec<u64>,
    hints: Vec<u8>,
}

/// Memory for reading one slot's records.
pub struct Small {
    pub trailer: Box<[u8; TRAILER_BYTES]>,
    pub block: Box<Block>,
    pub other: Box<Block>,
}

/// Entries of the index of blocks, at most: 256 MiB. Slots of more than 85 GiB have a coarser one.
const MOST_ENTRIES: usize = 32 << 20;

/// A whole usual table and its header: one write for the primary.
const SCRATCH: usize = 64 << 10;

impl Long {
    fn new() -> Self {
        let (data, reference) = (AlignedBuf::new(0), AlignedBuf::new(0));
        Self { data, carried: Vec::new(), reference, index: Vec::new(), hints: Vec::new() }
    }

    fn with_work<T>(&mut self, act: impl FnOnce(&mut Work<'_, Hasher, Unpacker>) -> T) -> T {
        if self.data.is_empty() {
            self.data = AlignedBuf::new(crate::zstd::at_once() * CHUNK_BYTES);
            self.carried = vec![0; self.data.len()];
            // Whole bundles never touch it, and then it takes no memory.
            self.reference = AlignedBuf::new(MEMORY_BYTES);
        }
        let (mut hasher, mut decompressor) = (cores::hasher(), Unpacker::new());
        let Self { data, carried, reference, index, hints } = self;
        let reuse = Memory { index, hints };
        act(&mut Work { data, carried, reference, reuse, hasher: &mut hasher, decompressor: &mut decompressor })
    }
}

impl Small {
    fn new() -> Self {
        let block = || Box::new([0; BLOCK_BYTES]);
        Self { trailer: Box::new([0; TRAILER_BYTES]), block: block(), other: block() }
    }
}

impl OpenDevice {
    /// Opens the session's disk and reads what is on it: what every act on slots begins with.
    pub fn begin(session: &Session, mode: Mode) -> Result<(Setup, Self, Inspection<'static>), Failure> {
        let setup = session.setup()?;
        let mut opened = Self::open(session, &setup, mode)?;
        let inspection = opened.inspect(session)?;
        Ok((setup, opened, inspection))
    }

    /// Opens the session's disk. For writing, nobody else may be at work on it.
    pub fn open(session: &Session, setup: &Setup, mode: Mode) -> Result<Self, Failure> {
        let path = session.disk_path(setup.profile)?;
        session.record.on(&path);
        let how = OpenHow { sector_size: session.sector_size()?, mode, ..OpenHow::read_only() };
        let disk = Disk::open(&path, how)?;
        match mode {
            Mode::ReadOnly => Ok(Self::with(session, disk, None, setup, Purpose::Look)),
            Mode::ReadWrite => Self::locked(session, disk, setup),
        }
    }

    /// Takes an open disk for one act.
    pub fn locked(session: &Session, disk: Disk, setup: &Setup) -> Result<Self, Failure> {
        let lock = Lock::act(&disk)?;
        Ok(Self::with(session, disk, Some(lock), setup, Purpose::Act))
    }

    /// The same for an act that is only judged.
    #[must_use]
    pub fn for_an_act(self) -> Self {
        Self { purpose: Purpose::Act, ..self }
    }

    fn with(session: &Session, disk: Disk, lock: Option<Lock>, setup: &Setup, purpose: Purpose) -> Self {
        let Setup { profile, specs, anchors } = *setup;
        let compatible = profile.compatible.as_str();
        let view = View { compatible, specs, anchors, booted: None, compression: Compression::Delta };
        Self {
            disk: GuardedDisk::new(disk, session.interrupt.clone()).borrowing(&session.lending),
            view,
            passed_over: Vec::new(),
            runs_here: false,
            running: Running::Unknown,
            setup: *setup,
            purpose,
            _lock: lock,
            routed: false,
            loader: None,
            room: Box::default(),
            scratch: AlignedBuf::new(SCRATCH),
            long: Long::new(),
            small: Small::new(),
        }
    }

    /// Reads what is on the disk, finds out which slot is booted, and protects that one from every write.
    pub fn inspect(&mut self, session: &Session) -> Result<Inspection<'static>, Failure> {
        let first = self.look()?;
        self.running = self.running(session, &first)?;
        self.view.booted = match self.running {
            Running::Slot(slot) => Some(slot),
            Running::Elsewhere | Running::Unknown => None,
        };
        let untold = !self.routed;
        if untold {
            self.route(&first);
            self.open_store(session)?;
        }
        let survey = self.look()?;
        if untold {
            self.tell_unreadable(session, &survey);
        }
        Ok(survey)
    }

    /// Reads what is on the disk after an act. On a device the booted slot is the one it was.
    pub fn inspect_again(&mut self, session: &Session) -> Result<Inspection<'static>, Failure> {
        if self.is_file() { self.inspect(session) } else { self.look() }
    }

    /// Sends each partition's data to its own node, and protects the booted slot's.
    fn route(&mut self, survey: &Inspection<'_>) {
        for slot in survey.slots.slots() {
            for (number, partition) in slot.partitions.iter().enumerate() {
                self.disk.route_partition(partition.entry, partition.extent);
                if self.view.booted == Some(slot.id) {
                    // Words stand on a slot's first partition.
                    let spared = if number == 0 { BootNote::extent(partition.extent) } else { None };
                    self.disk.protect(partition.extent, slot.id, spared);
                }
            }
        }
        self.routed = true;
    }

    /// Reads what is on the disk now. Who only looks, looks again while an act of somebody else changes the table under it.
    pub fn look(&mut self) -> Result<Inspection<'static>, Failure> {
        let again = if self.purpose == Purpose::Look { LOOKS_AGAIN } else { 0 };
        self.with_device(|device, room| {
            for _ in 0..again {
                match device.inspect(room) {
                    Err(Error::Table(TableFault::ChangedUnderUs)) => thread::sleep(PAUSE),
                    answer => return answer,
                }
            }
            device.inspect(room)
        })
    }

    /// Why a slot cannot be read, where it cannot. What stands there is not judged.
    pub fn unreadable(&mut self, slot: &Slot<'_>) -> Option<OsError> {
        let Self { disk, small, .. } = self;
        slot.partitions.iter().find_map(|partition| {
            let at = trailer_offset(partition.extent.len())?;
            match Window::new(disk, partition.extent).read(at, &mut *small.block) {
                Err(Error::Medium(Medium::Failed(error))) => Some(error.cause),
                _ => None,
            }
        })
    }

    /// Says which slots cannot be read: the act goes on with the others.
    fn tell_unreadable(&mut self, session: &Session, survey: &Inspection<'_>) {
        for slot in survey.slots.slots() {
            let doubtful = survey.facts.slot(slot.id).is_ok_and(|facts| facts.state == SlotState::Unverified);
            if let Some(why) = doubtful.then(|| self.unreadable(slot)).flatten() {
                session.warn_once(format!("slot {} cannot be read: {why}", slot.id));
            }
        }
    }

    /// What is known of the slot that runs.
    ///
    /// # Errors
    /// What is said of it cannot be believed.
    pub fn judge(&mut self, session: &Session, survey: &Inspection<'_>) -> Result<Running, Doubt> {
        if self.is_file() {
            return running::judge(session.booted(), Source::File, survey);
        }
        let told = Told::read();
        let running = running::judge(session.booted(), Source::Device(&told), survey)?;
        self.runs_here = session.booted().said.is_none() && matches!(running, Running::Slot(_));
        // What the hook passed over in a boot from another disk is not of interest here.
        let report = told.report.and_then(Result::ok).filter(|report| running == Running::Slot(report.slot));
        self.passed_over = report.map(|report| report.passed_over).unwrap_or_default();
        Ok(running)
    }

    fn running(&mut self, session: &Session, survey: &Inspection<'_>) -> Result<Running, Failure> {
        match (self.judge(session, survey), self.purpose) {
            (Ok(Running::Unknown), Purpose::Act) => Err(unknown_slot_runs()),
            (Err(doubt), Purpose::Look) if doubt.is_of_the_system() => {
                session.output.warn(&doubt.to_string());
                Ok(Running::Unknown)
            }
            (judged, _) => Ok(judged?),
        }
    }

    /// What boots next, by the rules of a boot.
    pub fn next(&mut self) -> Result<Next, Failure> {
        self.with_device(|device, room| device.next(room))
    }

    /// One act of the core.
    pub fn act<T>(
        &mut self,
        session: &Session,
        act: impl FnOnce(
            &mut Device<'_, 'static, GuardedDisk>,
            &mut Room<'static>,
            &mut Watch<'_>,
        ) -> Result<T, Error<OsError>>,
    ) -> Result<T, Failure> {
        let mut watch = Watch::new(&session.output, &session.interrupt);
        self.with_device(|device, room| act(device, room, &mut watch))
    }

    fn with_device<T>(
        &mut self,
        act: impl FnOnce(&mut Device<'_, 'static, GuardedDisk>, &mut Room<'static>) -> Result<T, Error<OsError>>,
    ) -> Result<T, Failure> {
        let board = self.board();
        let Self { disk, view, room, scratch, loader, .. } = self;
        let done = act(&mut Device::new(disk, board, scratch).with_loader(lent(loader)), room);
        done.map_err(|error| unusable::explained(disk, view.specs, error))
    }

    /// One act of the core that reads or writes images.
    pub fn long_act<T>(
        &mut self,
        act: impl FnOnce(
            &mut Device<'_, 'static, GuardedDisk>,
            &mut Room<'static>,
            &mut Work<'_, Hasher, Unpacker>,
        ) -> Result<T, Error<OsError>>,
    ) -> Result<T, Failure> {
        let board = self.board();
        let Self { disk, view, room, scratch, long, loader, .. } = self;
        let loader = lent(loader);
        let done = long.with_work(|work| act(&mut Device::new(disk, board, scratch).with_loader(loader), room, work));
        done.map_err(|error| unusable::explained(disk, view.specs, error))
    }

    const fn board(&self) -> Board<'static> {
        let Setup { profile, .. } = self.setup;
        Board { view: self.view, tries: profile.tries, guard: profile.guard, backup: OnGrown::Moves }
    }

    /// For a verb that finds nothing to do.
    pub fn settle(&mut self, session: &Session) -> Result<(), Failure> {
        self.act(session, |device, _, watch| device.settle(watch)).map(|_| ())
    }

    /// Has the next long act look for blocks of new images in the slots. An entry and a half for each block that they could hold: what is not
    /// needed is never touched, and takes no memory.
    pub fn reuses_blocks_of(&mut self, slots: &SlotTable<'_>) {
        let extents =
            slots.slots().iter().flat_map(|slot| slot.partitions.iter()).map(|partition| partition.extent.len());
        let blocks = extents.fold(0, |sum: u64, len| sum.saturating_add(len.get())) / 4096;
        let entries =
            usize::try_from(blocks.saturating_add(blocks / 2)).map_or(MOST_ENTRIES, |all| all.min(MOST_ENTRIES));
        (self.long.index, self.long.hints) = (vec![0; entries], vec![0; GROUP_BYTES]);
    }

    /// Has it look nowhere else again.
    pub fn reuses_nothing(&mut self) {
        (self.long.index, self.long.hints) = (Vec::new(), Vec::new());
    }

    /// Memory for reading one slot's records.
    pub fn disk_and_memory(&mut self) -> (&mut GuardedDisk, inspect::Memory<'_>) {
        let Self { disk, small: Small { trailer, block, other }, .. } = self;
        (disk, inspect::Memory { trailer, block, other })
    }

    /// Whether this is a disk image file.
    pub fn is_file(&self) -> bool {
        *self.disk.kind() == DiskKind::File
    }
}

/// Lends memory and tools to a long act that has a disk of its own.
pub fn with_tools<T>(
    watch: &mut Watch<'_>,
    act: impl FnOnce(&mut Buffers<'_>, &mut Tools<'_, Hasher, Unpacker, Watch<'_>>) -> Result<T, Error<OsError>>,
) -> Result<T, Failure> {
    let [mut leaf, mut block, mut page] = [(); 3].map(|()| Box::new([0; BLOCK_BYTES]));
    let mut long = Long { hints: vec![0; GROUP_BYTES], ..Long::new() };
    let done = long.with_work(|Work { data, carried, reference, reuse, hasher, decompressor }| {
        let (leaf, block, page) = (&mut leaf, &mut block, &mut page);
        let reuse = Memory { index: &mut [], hints: reuse.hints };
        let mut buffers = Buffers { data, carried, reference, reuse, leaf, block, page };
        act(&mut buffers, &mut Tools { hasher, decompressor, observer: watch })
    });
    Ok(done?)
}

/// A failure of an act that had no slot to work on.
pub fn no_slot(what: &str) -> Failure {
    Failure::new(
        Exit::Usage,
        what,
        "no slot is booted, so it is not clear which one is meant",
        "name it with --slot, or say with --booted which one runs",
    )
}

/// A failure of an act that must not take the running slot for another one.
fn unknown_slot_runs() -> Failure {
    let why = format!(
        "it is not known which slot is running: there is no {REPORT}, and no updater.slot= on the kernel's command line"
    );
    let next = "boot through the initramfs hook, or say it with --booted a, --booted b or --booted none";
    Failure::new(Exit::Usage, "", why, next)
}
