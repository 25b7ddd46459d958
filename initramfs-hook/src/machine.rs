//! The disk of this machine, its slots, and what the hook changes on it.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use libupdate::boot::Boot;
use libupdate::boot::Detail;
use libupdate::gpt::write::{self, Relocate};
use libupdate::gpt::{CopyState, Guid, Table, TriesLeft};
use libupdate::inspect::{self, Memory, SlotTrailer, View};
use libupdate::policy::{Compression, Facts};
use libupdate::region::boot_note::BootNote;
use libupdate::region::trailer::TRAILER_BYTES;
use libupdate::region::{boot_note, confirmation};
use libupdate::slot::{Partition, PartitionSpec, Slot, SlotTable};
use libupdate::transition::{self, Spent};
use libupdate::units::digest::BLOCK_BYTES;
use libupdate::{Digest, Error, SlotId};
use libupdate_linux::find;
use libupdate_linux::hook_config::HookConfig;
use libupdate_linux::node::Node;
use libupdate_linux::profile::disk::holds_slots;
use libupdate_linux::time;
use libupdate_linux::{AlignedBuf, Disk, DiskKind, Lock, OpenHow, OsError};

use crate::decide::Consequence;
use crate::decide::Step;
use crate::nodes;
use crate::say::say;
use crate::setback::Setback;
use crate::watchdog::Watchdog;

/// Between two looks for a disk that has not appeared.
const POLL: Duration = Duration::from_millis(20);
/// How long a drive beside the disk may take until it can be judged: it could hold the same slots, and then neither is taken.
const SETTLED: Duration = Duration::from_secs(1);
/// A whole usual table and its header: one write for the primary.
const SCRATCH: usize = 64 << 10;

/// A trailer's memory.
pub type Trailer = [u8; TRAILER_BYTES];

/// The disk, opened.
pub struct Machine<'c> {
    /// The board.
    pub config: &'c HookConfig,
    /// The whole disk.
    pub disk: Disk,
    /// The kernel's view of it.
    pub node: Node,
    /// The GUID of its table, once that was read.
    pub disk_guid: Guid,
    view: View<'c>,
    scratch: AlignedBuf,
    trailer: Box<Trailer>,
    blocks: [Box<[u8; BLOCK_BYTES]>; 2],
}

impl<'c> Machine<'c> {
    /// Waits for the profile's disk, with a bound, and opens it.
    ///
    /// # Errors
    /// None appeared, several match, or what the system says.
    pub fn find(
        config: &'c HookConfig,
        specs: &'c [PartitionSpec<'c>],
        watchdog: &mut Watchdog,
    ) -> Result<Self, OsError> {
        let path = wait(config, specs, watchdog)?;
        let disk = Disk::open(&path, OpenHow::read_write())?;
        let DiskKind::Device(node) = disk.kind().clone() else {
            return Err(OsError::new(&path, libupdate_linux::OsErrorKind::NotADisk));
        };
        let compatible = config.compatible.as_str();
        let view =
            View { compatible, specs, anchors: &config.anchors, booted: None, compression: Compression::default() };
        let blocks = [Box::new([0; BLOCK_BYTES]), Box::new([0; BLOCK_BYTES])];
        let (scratch, trailer) = (AlignedBuf::new(SCRATCH), Box::new([0; TRAILER_BYTES]));
        Ok(Self { config, disk, node, disk_guid: Guid::ZERO, view, scratch, trailer, blocks })
    }

    /// Reads the partition table, writes a damaged copy anew, and has a node for each slot partition.
    ///
    /// # Errors
    /// Neither copy holds, a slot is not there, or what the system says. A repair that fails is told and does not end the boot.
    pub fn slots(&mut self) -> Result<SlotTable<'c>, Error<OsError>> {
        let (table, slots) = inspect::find(&mut self.disk, self.view.specs, &mut self.scratch)?;
        self.disk_guid = table.header().disk_guid();
        self.repair(&table);
        nodes::ensure(&self.node, &slots);
        Ok(slots)
    }

    /// The slots as they are now.
    ///
    /// # Errors
    /// As [`Machine::slots`].
    pub fn look(&mut self) -> Result<SlotTable<'c>, Error<OsError>> {
        inspect::find(&mut self.disk, self.view.specs, &mut self.scratch).map(|(_, slots)| slots)
    }

    fn repair(&mut self, table: &Table) {
        let sound = |state| matches!(state, CopyState::Valid | CopyState::Ignored);
        if sound(table.primary().state()) && sound(table.backup().state()) {
            return;
        }
        let _udev = Lock::table(&self.disk);
        match write::repair(&mut self.disk, table, Relocate::No, &mut self.scratch) {
            Ok(repair) => match repair.repaired {
                Some(copy) => say!("the {copy} copy of the partition table was damaged and is repaired"),
                None => say!("a copy of the partition table is damaged and has no place"),
            },
            Err(error) => say!("a copy of the partition table is damaged and stays so: {error}"),
        }
    }

    /// Spends the try that the boot costs, and gives the slot's tries as the disk has them; read back when it returns.
    ///
    /// # Errors
    /// The try of a slot on trial could not be spent. A good slot boots all the same.
    pub fn spend(&mut self, boot: &Boot) -> Result<TriesLeft, Error<OsError>> {
        let _udev = Lock::table(&self.disk);
        let attempt = transition::spend_try(&mut self.disk, self.view.specs, boot, &mut self.scratch)?;
        match attempt.spent {
            Spent::Failed(error) => {
                say!("the try of slot {} could not be spent: {error}", boot.candidate.slot);
                Ok(boot.candidate.bits.tries_left)
            }
            Spent::Yes(outcome) => {
                if let Some(warning) = outcome.warning {
                    say!("{warning}");
                }
                Ok(Step::Chosen(*boot).tries_left())
            }
            Spent::NotNeeded => Ok(boot.candidate.bits.tries_left),
        }
    }

    /// What the trailers of a slot say; `trailer` holds it.
    ///
    /// # Errors
    /// None of the slot's own.
    pub fn trailer<'b>(
        &mut self,
        slot: &Slot<'_>,
        trailer: &'b mut Trailer,
    ) -> Result<SlotTrailer<'b>, Error<OsError>> {
        let [block, other] = &mut self.blocks;
        inspect::trailer(&mut self.disk, slot, &self.view, trailer, [block, other])
    }

    /// The lowest rollback index that the slot may have.
    ///
    /// # Errors
    /// As [`Machine::slots`].
    pub fn floor(&mut self, slots: &SlotTable<'c>, trial: SlotId) -> Result<u64, Error<OsError>> {
        Ok(self.facts(slots)?.lowest_index_beside(trial))
    }

    fn facts(&mut self, slots: &SlotTable<'c>) -> Result<Facts<'c>, Error<OsError>> {
        let [block, other] = &mut self.blocks;
        let mut memory = Memory { trailer: &mut self.trailer, block, other };
        inspect::facts(&mut self.disk, &self.view, slots, &mut memory)
    }

    /// Says on the disk what became of a slot that did not hold, where another one is good.
    ///
    /// # Errors
    /// None is, or what the system says: the tries of the slot run out instead.
    pub fn carry_out(&mut self, slot: SlotId, consequence: Consequence) -> Result<(), Error<OsError>> {
        let act = match consequence {
            Consequence::PassedOver => return Ok(()),
            Consequence::Failed => transition::mark_bad,
            Consequence::GoodNoMore => transition::withdraw,
        };
        let slots = self.look()?;
        let facts = self.facts(&slots)?;
        let _udev = Lock::table(&self.disk);
        let outcome = act(&mut self.disk, self.view.specs, &facts, slot, &mut self.scratch)?;
        outcome.warning.iter().for_each(|warning| say!("{warning}"));
        Ok(())
    }

    /// Leaves the reason on the slot, for `status` in the system that runs instead.
    ///
    /// # Errors
    /// What the system says.
    pub fn record(&mut self, slot: &Slot<'_>, manifest: Digest, setback: &Setback) -> Result<(), Error<OsError>> {
        let Setback { reason, detail } = setback;
        let verdict = BootNote { reason: *reason, manifest, at: time::now(), detail: Detail::new(detail) };
        let [block, _] = &mut self.blocks;
        boot_note::leave(&mut self.disk, slot, &verdict, block)
    }

    /// Seconds that a person has to confirm the trial of this manifest.
    pub fn asked(&mut self, slot: &Slot<'_>, manifest: Digest) -> Option<u32> {
        let [block, _] = &mut self.blocks;
        confirmation::asked(&mut self.disk, slot, manifest, block)
    }

    /// What was left on the slot in words. It decides nothing, so one that cannot be read is none.
    pub fn word(&mut self, slot: &Slot<'_>) -> Option<BootNote> {
        let [block, _] = &mut self.blocks;
        boot_note::any(&mut self.disk, slot, block)
    }

    /// Marks the slot good.
    ///
    /// # Errors
    /// What the system says.
    pub fn mark_good(&mut self, slot: SlotId) -> Result<(), Error<OsError>> {
        let _udev = Lock::table(&self.disk);
        let guard = self.config.guard;
        let outcome = transition::mark_good(&mut self.disk, self.view.specs, slot, guard, &mut self.scratch)?;
        outcome.warning.iter().for_each(|warning| say!("{warning}"));
        Ok(())
    }

    /// The node of the partition with this label, wherever it is in the table.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn labelled(&mut self, label: &str) -> Result<Node, String> {
        let (disk, scratch) = self.disk_and_scratch();
        let table = Table::read(disk, scratch).map_err(|error| error.to_string())?;
        let mut found = None;
        let entries = table.entries(disk, scratch, |entry| {
            if entry.name.eq_str(label) {
                found = Some((entry.number, entry.extent));
            }
        });
        entries.map_err(|error| error.to_string())?;
        let (entry, extent) = found.ok_or_else(|| format!("no partition has the label {label}"))?;
        let partition = Partition { role: "", label, entry, extent };
        let node = nodes::of(&self.node, &partition).map_err(|error| error.to_string())?;
        node.ok_or_else(|| format!("the kernel has no node for {label}"))
    }

    /// The kernel's own name of the disk's node: a link to it may be this initramfs's alone.
    pub fn disk_name(&self) -> PathBuf {
        std::fs::canonicalize(self.node.path()).unwrap_or_else(|_| self.node.path().to_owned())
    }

    /// Memory for reading the disk.
    pub fn disk_and_scratch(&mut self) -> (&mut Disk, &mut AlignedBuf) {
        (&mut self.disk, &mut self.scratch)
    }
}

fn wait(config: &HookConfig, specs: &[PartitionSpec<'_>], watchdog: &mut Watchdog) -> Result<PathBuf, OsError> {
    let start = Instant::now();
    let holds = |node: &Path| holds_slots(node, &config.disk, specs);
    loop {
        // It may have less patience than the profile has with the disk.
        watchdog.feed();
        let waited = start.elapsed();
        let answer = find::whole_disk(&config.disk, holds);
        let enough = match &answer {
            Ok(found) => found.disk.exists() && (found.passed_over.is_empty() || waited >= SETTLED),
            Err(_) => false,
        };
        if enough || waited >= config.boot.disk_wait {
            let found = answer?;
            found.passed_over.iter().for_each(|why| say!("a drive is passed over: {why}"));
            return Ok(found.disk);
        }
        sleep(POLL);
    }
}
