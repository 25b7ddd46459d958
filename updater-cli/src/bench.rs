//! A disk under work: opened, locked, its slots known, the booted one protected.

use libupdate::Error;
use libupdate::gpt::write::Outcome;
use libupdate::inspect::{self, Inspection, Memory, View};
use libupdate::install::Buffers;
use libupdate::install::Tools;
use libupdate::policy::Compression;
use libupdate::region::boot_note::BootNote;
use libupdate::region::trailer::{TRAILER_BYTES, trailer_offset};
use libupdate::slot::{PartitionSpec, Slot, SlotState};
use libupdate::units::digest::BLOCK_BYTES;
use libupdate::verity::CHUNK_BYTES;
use libupdate::{Window, transition};
use libupdate_linux::booted::{PassedOver, REPORT, Told};
use libupdate_linux::hasher::Hasher;
use libupdate_linux::running::{self, Doubt, Running, Source};
use libupdate_linux::{AlignedBuf, Disk, DiskKind, Lock, Mode, OpenHow, OsError, Queue};

use crate::backup;
use crate::exit::{Exit, Failure};
use crate::output::{Output, Watch};
use crate::session::{Device, Session};
use crate::unusable;
use crate::zstd::Unpacker;

/// What a verb works on: the disk, and how this device looks at it.
pub struct Bench {
    pub disk: Disk,
    pub view: View<'static>,
    /// Slots that the hook passed over in this boot, where it left a report.
    pub passed_over: Vec<PassedOver>,
    /// Whether a slot of this disk is what the machine runs, by its own word.
    pub runs_here: bool,
    /// What is known of the slot that runs, once it was asked for.
    pub running: Running,
    purpose: Purpose,
    _lock: Option<Lock>,
    routed: bool,
    backup_seen: bool,
    memory: Memories,
}

/// Why slots are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Only to show what is there: a slot that runs may stay unknown.
    Look,
    /// To change something, or to say what would be changed: an act that took the running slot for a spare one would destroy the system
    /// under it.
    Act,
}

/// Memory of the core's acts: 1 MiB for each chunk that is decompressed at once, whatever the image.
struct Memories {
    trailer: Box<[u8; TRAILER_BYTES]>,
    block: Box<[u8; BLOCK_BYTES]>,
    other: Box<[u8; BLOCK_BYTES]>,
    page: Box<[u8; BLOCK_BYTES]>,
    data: AlignedBuf,
    carried: Vec<u8>,
}

/// The profile's slot partitions.
type Specs = &'static [PartitionSpec<'static>];
/// How an act of the core ended.
type Acted<T> = Result<T, Error<OsError>>;
/// How it is told.
type Done<T> = Result<T, Failure>;

/// A whole usual table and its header: one write for the primary.
const SCRATCH: usize = 64 << 10;

impl Memories {
    fn new() -> Self {
        let block = || Box::new([0; BLOCK_BYTES]);
        Self {
            trailer: Box::new([0; TRAILER_BYTES]),
            block: block(),
            other: block(),
            page: block(),
            data: AlignedBuf::new(0),
            carried: Vec::new(),
        }
    }

    fn with_tools<T>(
        &mut self,
        watch: &mut Watch<'_>,
        act: impl FnOnce(&mut Buffers<'_>, &mut Tools<'_, Hasher, Unpacker, Watch<'_>>) -> Result<T, Error<OsError>>,
    ) -> Result<T, Failure> {
        if self.data.is_empty() {
            // Memory, and threads, that are taken only where they are used.
            self.data = AlignedBuf::new(crate::zstd::at_once() * CHUNK_BYTES);
            self.carried = vec![0; self.data.len()];
        }
        let mut buffers = Buffers {
            data: &mut self.data,
            carried: &mut self.carried,
            leaf: &mut self.block,
            block: &mut self.other,
            page: &mut self.page,
        };
        let (mut hasher, mut decompressor) = (Hasher::default(), Unpacker::new());
        let mut tools = Tools { hasher: &mut hasher, decompressor: &mut decompressor, observer: watch };
        Ok(act(&mut buffers, &mut tools)?)
    }

    fn survey(&mut self) -> Memory<'_> {
        Memory { trailer: &mut self.trailer, block: &mut self.block, other: &mut self.other }
    }
}

impl Bench {
    /// Opens the session's disk and reads what is on it: what every act on slots begins with.
    pub fn begin(session: &Session, mode: Mode) -> Result<(Device, Self, Inspection<'static>), Failure> {
        let device = session.device()?;
        let mut bench = Self::open(session, &device, mode)?;
        let survey = bench.survey(session)?;
        Ok((device, bench, survey))
    }

    /// Opens the session's disk. For writing, nobody else may be at work on it.
    pub fn open(session: &Session, device: &Device, mode: Mode) -> Result<Self, Failure> {
        let path = session.disk_path(device.profile)?;
        let how = OpenHow { sector_size: session.sector_size()?, mode, ..OpenHow::read_only() };
        let disk = Disk::open(&path, how)?;
        match mode {
            Mode::ReadOnly => Ok(Self::with(disk, None, device, Purpose::Look)),
            Mode::ReadWrite => Self::locked(disk, device),
        }
    }

    /// Takes an open disk for one act.
    pub fn locked(disk: Disk, device: &Device) -> Result<Self, Failure> {
        let lock = Lock::act(&disk)?;
        Ok(Self::with(disk, Some(lock), device, Purpose::Act))
    }

    /// The same for an act that is only judged.
    #[must_use]
    pub fn for_an_act(self) -> Self {
        Self { purpose: Purpose::Act, ..self }
    }

    fn with(disk: Disk, lock: Option<Lock>, device: &Device, purpose: Purpose) -> Self {
        let Device { profile, specs, anchors } = *device;
        let compatible = profile.compatible.as_str();
        let view = View { compatible, specs, anchors, booted: None, compression: Compression::Zstd };
        let (passed_over, running, memory) = (Vec::new(), Running::Unknown, Memories::new());
        Self {
            disk,
            view,
            passed_over,
            runs_here: false,
            running,
            purpose,
            _lock: lock,
            routed: false,
            backup_seen: false,
            memory,
        }
    }

    /// Reads what is on the disk, finds out which slot is booted, and protects that one from every write.
    pub fn survey(&mut self, session: &Session) -> Result<Inspection<'static>, Failure> {
        let first = self.look()?;
        self.running = self.running(session, &first)?;
        self.view.booted = match self.running {
            Running::Slot(slot) => Some(slot),
            Running::Elsewhere | Running::Unknown => None,
        };
        let untold = !self.routed;
        if untold {
            self.route(&first);
        }
        let survey = self.look()?;
        if untold {
            self.tell_unreadable(session, &survey);
        }
        Ok(survey)
    }

    /// Reads what is on the disk after an act. On a device the booted slot is the one it was.
    pub fn survey_again(&mut self, session: &Session) -> Result<Inspection<'static>, Failure> {
        if self.is_file() { self.survey(session) } else { self.look() }
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

    /// Reads what is on the disk now.
    pub fn look(&mut self) -> Result<Inspection<'static>, Failure> {
        let Self { disk, view, memory, .. } = self;
        inspect::inspect(disk, view, &mut memory.survey()).map_err(|error| unusable::explained(disk, view.specs, error))
    }

    /// Why a slot cannot be read, where it cannot. What stands there is not judged.
    pub fn unreadable(&mut self, slot: &Slot<'_>) -> Option<OsError> {
        let Self { disk, memory, .. } = self;
        slot.partitions.iter().find_map(|partition| {
            let at = trailer_offset(partition.extent.len())?;
            match Window::new(disk, partition.extent).read(at, &mut *memory.block) {
                Err(Error::Io(error)) => Some(error.cause),
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

    /// Runs one act that changes slot bits, once the backup of the table stands at the disk's end: see `backup.rs`.
    pub fn commit<T>(
        &mut self,
        session: &Session,
        act: impl FnOnce(&mut Disk, Specs, &mut [u8]) -> Acted<T>,
    ) -> Done<T> {
        if !std::mem::replace(&mut self.backup_seen, true) {
            let told = &session.output;
            self.alone(session, |disk, _, scratch| backup::to_the_end(disk, told, scratch))?;
        }
        self.alone(session, act)
    }

    /// Runs one act on the table and nothing else: udev is kept away, and no signal ends the process in between.
    pub fn alone<T>(
        &mut self,
        session: &Session,
        act: impl FnOnce(&mut Disk, Specs, &mut [u8]) -> Acted<T>,
    ) -> Done<T> {
        let _table = Lock::table(&self.disk)?;
        let _shield = session.interrupt.shield();
        let Self { disk, view, .. } = self;
        act(disk, view.specs, &mut AlignedBuf::new(SCRATCH))
            .map_err(|error| unusable::explained(disk, view.specs, error))
    }

    /// For an act that finds nothing to do: what it found is made durable, since an earlier act may have been killed before it was, and
    /// both copies of the table are made equal.
    pub fn settle(&mut self, session: &Session) -> Result<(), Failure> {
        let outcome = self.commit(session, |disk, _, scratch| transition::settle(disk, scratch))?;
        tell(&session.output, &outcome);
        Ok(())
    }

    /// Lends disk, memory and tools to a long act.
    pub fn work<T>(
        &mut self,
        watch: &mut Watch<'_>,
        act: impl FnOnce(
            &mut Disk,
            &mut Buffers<'_>,
            &mut Tools<'_, Hasher, Unpacker, Watch<'_>>,
        ) -> Result<T, Error<OsError>>,
    ) -> Result<T, Failure> {
        let Self { disk, memory, .. } = self;
        // What came before a bundle broke off, or broke, is right: the next run need not fetch it.
        let bundle_failed = |failure: &Failure| matches!(failure.code, Exit::NotAuthentic | Exit::Network);
        let act = |disk: &mut Disk| memory.with_tools(watch, |buffers, tools| act(disk, buffers, tools));
        disk.in_flight(Box::new(Queue::default()), act, bundle_failed)
    }

    /// Memory for reading one slot's trailers.
    pub fn disk_and_memory(&mut self) -> (&mut Disk, Memory<'_>) {
        let Self { disk, memory, .. } = self;
        (disk, memory.survey())
    }

    /// Whether this is a disk image file.
    pub fn is_file(&self) -> bool {
        *self.disk.kind() == DiskKind::File
    }
}

/// What a commit has to say besides that it is done.
pub fn tell(output: &Output, outcome: &Outcome) {
    if let Some(copy) = outcome.repaired {
        output.note(&format!("repaired the {copy} copy of the partition table"));
    }
    if let Some(warning) = outcome.warning {
        output.warn(&format!("{warning}; the change itself is durable. Run `repair`"));
    }
}

/// Lends memory and tools to a long act that has a disk of its own.
pub fn with_tools<T>(
    watch: &mut Watch<'_>,
    act: impl FnOnce(&mut Buffers<'_>, &mut Tools<'_, Hasher, Unpacker, Watch<'_>>) -> Result<T, Error<OsError>>,
) -> Result<T, Failure> {
    Memories::new().with_tools(watch, act)
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
