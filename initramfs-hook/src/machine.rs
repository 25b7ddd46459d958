//! The disk of this machine, and the core's device on it.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use libupdate::boot::Setback;
use libupdate::device::{Board, BootRules, Booted, Device, OnGrown, Room, Work};
use libupdate::gpt::{Table, TriesLeft};
use libupdate::inspect::View;
use libupdate::install::NoDecompressor;
use libupdate::policy::Compression;
use libupdate::slot::Partition;
use libupdate::verity::CHUNK_BYTES;
use libupdate::{Error, SoftHasher};
use libupdate_linux::find;
use libupdate_linux::hook_config::HookConfig;
use libupdate_linux::node::Node;
use libupdate_linux::profile::disk::holds_slots;
use libupdate_linux::{AlignedBuf, Disk, DiskKind, OpenHow, OsError, OsErrorKind};

use crate::boot_disk::BootDisk;
use crate::nodes;
use crate::say::say;
use crate::starter::{Ready, SlotStarter};
use crate::watchdog::Watchdog;

/// Between two looks for a disk that has not appeared.
const POLL: Duration = Duration::from_millis(20);
/// How long a drive beside the disk may take until it can be judged: it could hold the same slots, and then neither is taken.
const SETTLED: Duration = Duration::from_secs(1);
/// A whole usual table and its header: one write for the primary.
const SCRATCH: usize = 64 << 10;

/// The disk, opened, with the memory of a boot.
pub struct Machine<'c> {
    /// The board.
    pub config: &'c HookConfig<'c>,
    /// The kernel's view of the disk.
    pub node: Node,
    disk: BootDisk,
    board: Board<'c>,
    room: Box<Room<'c>>,
    scratch: AlignedBuf,
    data: AlignedBuf,
}

impl<'c> Machine<'c> {
    /// Waits for the profile's disk, with a bound, and opens it.
    ///
    /// # Errors
    /// None appeared, several match, or what the system says.
    pub fn find(config: &'c HookConfig<'c>, watchdog: &mut Watchdog) -> Result<Self, OsError> {
        let path = wait(config, watchdog)?;
        let disk = Disk::open(&path, OpenHow::read_write())?;
        let DiskKind::Device(node) = disk.kind().clone() else {
            return Err(OsError::new(&path, OsErrorKind::NotADisk));
        };
        let (compatible, specs) = (config.compatible, config.specs.as_slice());
        let view =
            View { compatible, specs, anchors: &config.anchors, booted: None, compression: Compression::default() };
        // A boot arms nothing.
        let tries = TriesLeft::ZERO;
        let board = Board { view, tries, guard: config.guard, backup: OnGrown::Stays };
        let (scratch, data) = (AlignedBuf::new(SCRATCH), AlignedBuf::new(CHUNK_BYTES));
        Ok(Self { config, node, disk: BootDisk::of(disk), board, room: Box::default(), scratch, data })
    }

    /// The whole boot, down to a mounted root, in the core's order.
    ///
    /// # Errors
    /// Neither copy of the table holds, a slot is not there, or what the system says.
    pub fn boot(
        &mut self,
        rules: &BootRules<'_>,
        starter: &mut SlotStarter<'_>,
    ) -> Result<Option<Booted<Ready>>, Error<OsError>> {
        let Self { disk, board, room, scratch, data, .. } = self;
        let (hasher, decompressor) = (&mut SoftHasher, &mut NoDecompressor);
        let mut work = Work::new(data, hasher, decompressor);
        Device::new(disk, *board, scratch).boot(rules, room, &mut work, starter)
    }

    /// The hand-over failed: a slot on trial has had its chance.
    pub fn came_back(&mut self, booted: &Booted<Ready>, setback: &Setback, starter: &mut SlotStarter<'_>) {
        let Self { disk, board, room, scratch, .. } = self;
        Device::new(disk, *board, scratch).came_back(booted, setback, room, starter);
    }

    /// The node of the partition with this label, wherever it is in the table.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn labelled(&mut self, label: &str) -> Result<Node, String> {
        let Self { disk, scratch, .. } = self;
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
}

fn wait(config: &HookConfig<'_>, watchdog: &mut Watchdog) -> Result<PathBuf, OsError> {
    let start = Instant::now();
    let holds = |node: &Path| holds_slots(node, &config.disk, &config.specs);
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
