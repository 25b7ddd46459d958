//! A whole disk, be it a block device or a disk image file, as the core sees it.
//!
//! ```text
//!  access ─► inside the disk? ─► a write into a protected extent? refused
//!         ─► inside a routed extent? ─► the partition's own node        (block devices only)
//!         ─► else                   ─► the whole disk                  (the GPT; everything in a file)
//! ```
//!
//! 1. A partition's own node has another page cache than the whole disk, so each address has one way only.
//! 2. Before the first write the node must lie where the table says, be unmounted, and open with `O_EXCL`.
//! 3. Data go around the page cache where the file system allows, see `medium.rs`.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

use libupdate::gpt::EntryNumber;
#[cfg(feature = "signals")]
use libupdate::io::Ended;
use libupdate::units::bytes::len_u64;
use libupdate::{BlockCount, BlockIo, BlockSize, Extent, Lba, SlotId};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::error::{OsError, OsErrorKind};
#[cfg(feature = "signals")]
use crate::lent::Lending;
use crate::node::Node;

#[cfg(feature = "signals")]
mod guarded;
mod in_flight;
mod map;
pub(crate) mod medium;
mod mode;
#[cfg(feature = "signals")]
mod queue;
mod route;
mod sectors;

#[cfg(feature = "signals")]
pub use guarded::GuardedDisk;
pub use medium::Caching;
pub use mode::Mode;

use in_flight::{InFlight, Place};
use map::Map;
use medium::{Bounce, Medium, memory};
use mode::flags;
#[cfg(feature = "signals")]
use queue::Queue;
use route::{Route, lies_at};

/// How a disk is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenHow {
    /// For what.
    pub mode: Mode,
    /// `--sector-size`. A device knows its own; a file is probed for a table where nothing is given.
    pub sector_size: Option<BlockSize>,
    /// Around the page cache or through it.
    pub caching: Caching,
}

/// What the path names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DiskKind {
    /// A disk image file.
    File,
    /// A block device.
    Device(Node),
}

/// A disk.
#[derive(Debug)]
pub struct Disk {
    kind: DiskKind,
    mode: Mode,
    caching: Caching,
    block_size: BlockSize,
    physical: BlockSize,
    blocks: BlockCount,
    whole: Medium,
    map: Map,
    bounce: Bounce,
    /// Accesses in flight, during a long act.
    queue: Option<Box<dyn InFlight>>,
}

impl OpenHow {
    /// For reading, sector size and caching as the disk offers them.
    pub const fn read_only() -> Self {
        Self { mode: Mode::ReadOnly, sector_size: None, caching: Caching::Direct }
    }

    /// For reading and writing, sector size and caching as the disk offers them.
    pub const fn read_write() -> Self {
        Self { mode: Mode::ReadWrite, ..Self::read_only() }
    }
}

impl Disk {
    /// Opens a whole disk or a disk image file.
    ///
    /// # Errors
    /// What the kernel says; a partition instead of a whole disk; a sector size other than 512 and 4096, or one that
    /// contradicts the device.
    pub fn open(path: &Path, how: OpenHow) -> Result<Self, OsError> {
        let kind = match Node::of(path)? {
            Some(node) if node.partition()?.is_some() => return Err(OsError::new(path, OsErrorKind::NotAWholeDisk)),
            Some(node) => DiskKind::Device(node),
            None if path.is_file() => DiskKind::File,
            None => return Err(OsError::new(path, OsErrorKind::NotADisk)),
        };
        let whole = Medium::open(path, flags(how.mode), how.caching)?;
        let mut bounce = Bounce::default();
        let bytes = whole.file().seek(SeekFrom::End(0)).map_err(|error| OsError::io(path, "measure", &error))?;
        let (block_size, physical) = match kind {
            DiskKind::Device(_) => sectors::of_device(&whole, how.sector_size)?,
            DiskKind::File => {
                let size = match how.sector_size {
                    Some(size) => size,
                    None => sectors::of_file(&whole, bytes, &mut bounce)?,
                };
                (size, size)
            }
        };
        let blocks = BlockCount::new(bytes / block_size.bytes_u64());
        Ok(Self {
            kind,
            mode: how.mode,
            caching: how.caching,
            block_size,
            physical,
            blocks,
            whole,
            map: Map::default(),
            bounce,
            queue: None,
        })
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        self.whole.path()
    }

    /// What the path names.
    pub const fn kind(&self) -> &DiskKind {
        &self.kind
    }

    /// What it was opened for.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether data go around the page cache now: known for sure after the first access.
    pub fn caching(&self) -> Caching {
        self.whole.caching()
    }

    /// Refuses, from now on, every write that touches the extent, which belongs to the booted slot, except those inside `spared`.
    pub fn protect(&mut self, extent: Extent, slot: SlotId, spared: Option<Extent>) {
        self.map.protect(extent, slot, spared);
    }

    /// Sends, from now on, accesses to partition `number` to its own node, where this is a device and the kernel has
    /// that node; the whole disk serves elsewhere. A node that is missing, or that the kernel has at another place
    /// ([`OsErrorKind::NodeDiffers`]), is the answer to each access to that partition, and to no other.
    pub fn route_partition(&mut self, number: EntryNumber, extent: Extent) {
        let DiskKind::Device(whole) = &self.kind else { return };
        let node = match whole.partition_node(number) {
            Ok(None) => return,
            Ok(Some(node)) => lies_at(node, extent),
            Err(error) => Err(error),
        };
        self.map.routes.push(Route { extent, node, medium: None });
    }

    /// Sends, from now on, accesses to `extent` to `node`.
    ///
    /// # Errors
    /// [`OsErrorKind::NodeDiffers`] where the node lies elsewhere.
    pub fn route(&mut self, extent: Extent, node: PathBuf) -> Result<(), OsError> {
        let node = Ok(lies_at(node, extent)?);
        self.map.routes.push(Route { extent, node, medium: None });
        Ok(())
    }

    /// Opens the node of a partition for writing, for itself alone, before anything depends on it: a partition that is mounted,
    /// or that the kernel has elsewhere, is found out while nothing has been changed.
    ///
    /// # Errors
    /// [`OsErrorKind::InUse`], [`OsErrorKind::NodeDiffers`], or what the kernel says.
    pub fn claim(&mut self, extent: Extent) -> Result<(), OsError> {
        let caching = self.caching;
        match self.map.routes.iter_mut().find(|route| route.extent == extent) {
            Some(route) => route.open(Mode::ReadWrite, caching).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Opens the whole device for itself alone: nobody may have a file system, a mapping or swap on any part of it. Keeps others
    /// out until the claim is dropped. A file needs none.
    ///
    /// # Errors
    /// [`OsErrorKind::InUse`], or what the kernel says.
    pub fn claim_all(&self) -> Result<Option<File>, OsError> {
        if self.kind == DiskKind::File {
            return Ok(None);
        }
        match medium::open(self.path(), OFlags::RDONLY | OFlags::EXCL) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.errno() == Some(Errno::BUSY) => Err(OsError::new(
                self.path(),
                OsErrorKind::InUse { by: "a file system or a mapping on one of its partitions".into() },
            )),
            Err(error) => Err(error),
        }
    }

    /// Has accesses in flight from here on: a write returns before it is done, and reads go ahead.
    #[cfg(feature = "signals")]
    fn begin_in_flight(&mut self, lending: &Lending) {
        self.queue = Some(Box::new(Queue::new(lending.clone())));
    }

    /// Nothing is in flight any more when this returns. After a section that failed, what had not begun is left out, unless it is worth
    /// having.
    ///
    /// # Errors
    /// That of a write that failed, after a section that did not fail itself.
    #[cfg(feature = "signals")]
    fn end_in_flight(&mut self, ended: Ended) -> Result<(), OsError> {
        match (ended, self.queue.take()) {
            (Ended::Done, Some(mut queue)) => queue.settle(),
            // The first failure is the one to tell.
            (Ended::BundleFailed, Some(mut queue)) => {
                queue.settle().unwrap_or_default();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn lent(queue: &mut Option<Box<dyn InFlight>>) -> Option<&mut dyn InFlight> {
        if let Some(queue) = queue { Some(queue.as_mut()) } else { None }
    }

    /// Bytes from `at` on that go one way, `len` at most, and that way's number.
    fn piece(&self, at: Lba, len: u64) -> (Option<usize>, u64) {
        let size = self.block_size.bytes_u64();
        let (way, blocks) = self.map.piece(at, len / size);
        (way, blocks.saturating_mul(size))
    }

    /// The medium of a piece, its byte address there, and the bounce buffer.
    fn way(
        &mut self,
        index: Option<usize>,
        at: Lba,
        mode: Mode,
    ) -> Result<(Place<'_>, &mut Bounce, Option<&mut dyn InFlight>), OsError> {
        let size = self.block_size.bytes_u64();
        match index.and_then(|index| self.map.routes.get_mut(index)) {
            None => {
                let (at, end) = (at.get().saturating_mul(size), self.blocks.get().saturating_mul(size));
                Ok((Place { medium: &self.whole, at, end }, &mut self.bounce, Self::lent(&mut self.queue)))
            }
            Some(route) => {
                let inside = at.get().saturating_sub(route.extent.first().get()).saturating_mul(size);
                let (end, medium) = (route.extent.len().get(), route.open(mode, self.caching)?);
                Ok((Place { medium, at: inside, end }, &mut self.bounce, Self::lent(&mut self.queue)))
            }
        }
    }

    fn check(&self, at: Lba, bytes: &[u8]) -> Result<(), OsError> {
        let len = len_u64(bytes);
        let size = self.block_size.bytes_u64();
        let end = at.get().checked_add(len / size);
        if len.is_multiple_of(size) && end.is_some_and(|end| end <= self.blocks.get()) {
            Ok(())
        } else {
            Err(OsError::new(self.path(), OsErrorKind::OutsideDisk { at, len }))
        }
    }

    fn check_write(&self, at: Lba, bytes: &[u8]) -> Result<(), OsError> {
        self.check(at, bytes)?;
        if self.mode == Mode::ReadOnly {
            return Err(OsError::new(self.path(), OsErrorKind::OpenedForReading));
        }
        let last = at.plus((len_u64(bytes) / self.block_size.bytes_u64()).saturating_sub(1));
        let touched = last.and_then(|last| Extent::new(at, last, self.block_size));
        match self.map.protects(touched) {
            Some(slot) => Err(OsError::new(self.path(), OsErrorKind::BootedSlot { slot })),
            None => Ok(()),
        }
    }
}

impl BlockIo for Disk {
    type Error = OsError;

    fn block_size(&self) -> BlockSize {
        self.block_size
    }

    fn physical_block_size(&self) -> BlockSize {
        self.physical
    }

    fn block_count(&self) -> BlockCount {
        self.blocks
    }

    fn read(&mut self, mut at: Lba, buf: &mut [u8]) -> Result<(), OsError> {
        self.check(at, buf)?;
        let mut rest = buf;
        while !rest.is_empty() {
            let (index, len) = self.piece(at, len_u64(rest));
            let (piece, later) = rest.split_at_mut(memory(len).min(rest.len()));
            match self.way(index, at, Mode::ReadOnly)? {
                (place, bounce, None) => place.medium.read(place.at, piece, bounce)?,
                (place, bounce, Some(queue)) => queue.read(place, piece, bounce)?,
            }
            at = Lba::new(at.get().saturating_add(len / self.block_size.bytes_u64()));
            rest = later;
        }
        Ok(())
    }

    fn lend<'a>(&'a mut self, at: Lba, buf: &'a mut [u8]) -> Result<&'a [u8], OsError> {
        self.check(at, buf)?;
        let (index, len) = self.piece(at, len_u64(buf));
        let held = match self.way(index, at, Mode::ReadOnly)? {
            (place, _, Some(queue)) if len == len_u64(buf) => queue.hold(place, buf.len())?,
            _ => false,
        };
        if !held {
            self.read(at, buf)?;
            return Ok(buf);
        }
        Ok(self.queue.as_ref().map_or(&[], |queue| queue.held()))
    }

    fn write(&mut self, mut at: Lba, buf: &[u8]) -> Result<(), OsError> {
        self.check_write(at, buf)?;
        let mut rest = buf;
        while !rest.is_empty() {
            let (index, len) = self.piece(at, len_u64(rest));
            let (piece, later) = rest.split_at(memory(len).min(rest.len()));
            match self.way(index, at, Mode::ReadWrite)? {
                (place, bounce, None) => place.medium.write(place.at, piece, bounce)?,
                (place, _, Some(queue)) => queue.write(place, piece)?,
            }
            at = Lba::new(at.get().saturating_add(len / self.block_size.bytes_u64()));
            rest = later;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), OsError> {
        if self.mode == Mode::ReadOnly {
            return Ok(());
        }
        if let Some(queue) = &mut self.queue {
            queue.settle()?;
        }
        for (medium, _) in self.map.routes.iter().filter_map(|route| route.medium.as_ref()) {
            medium.sync()?;
        }
        self.whole.sync()
    }
}

#[cfg(test)]
mod device_tests;
#[cfg(test)]
mod tests;
