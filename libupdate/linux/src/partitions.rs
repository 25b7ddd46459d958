//! The partitions of a whole disk as the kernel has them: its nodes, made where they are missing.
//!
//! Linux ignores the backup table, and reads the primary once: what a repair, or another program, has changed since is not in `/dev`.

use std::fs::File;

use libupdate::Extent;
use libupdate::gpt::EntryNumber;

use crate::error::OsError;
use crate::ioctl::{self, PartitionAct, Place};
use crate::node::Node;

/// The kernel's idea of a disk's partition table, to be changed. The disk itself is not written.
#[derive(Debug)]
pub struct KernelTable<'n> {
    disk: &'n Node,
    file: File,
}

impl<'n> KernelTable<'n> {
    /// Opens the node of a whole disk.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open(disk: &'n Node) -> Result<Self, OsError> {
        let file = File::open(disk.path()).map_err(|error| OsError::io(disk.path(), "open", &error))?;
        Ok(Self { disk, file })
    }

    /// Has the kernel read the table anew.
    ///
    /// # Errors
    /// What the kernel says, as where a partition is in use.
    pub fn reread(&self) -> Result<(), OsError> {
        ioctl::reread_table(&self.file).map_err(|errno| self.failed("read the partition table again from", errno))
    }

    /// Has a node for partition `number` at `extent`, where there is none, or one at another place.
    ///
    /// # Errors
    /// What the kernel says, as where the other one is in use.
    pub fn make(&self, number: EntryNumber, extent: Extent) -> Result<(), OsError> {
        let found = node_at(self.disk, number, extent);
        if found.as_ref().is_ok_and(Option::is_some) {
            return Ok(());
        }
        let number = i32::try_from(number.get()).unwrap_or(i32::MAX);
        let bytes = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let start = extent.first().get().saturating_mul(extent.block_size().bytes_u64());
        let place = Place { start: bytes(start), length: bytes(extent.len().get()) };
        let told = |errno| self.failed("add a partition to", errno);
        if found.is_err() {
            ioctl::partition(&self.file, PartitionAct::Delete, number, place).map_err(told)?;
        }
        ioctl::partition(&self.file, PartitionAct::Add, number, place).map_err(told)
    }

    fn failed(&self, act: &'static str, errno: rustix::io::Errno) -> OsError {
        OsError::call(self.disk.path(), act, errno)
    }
}

/// The node of partition `number` of the whole disk `disk`, in the place that the table gives; `None` if the kernel has none.
///
/// # Errors
/// It lies elsewhere, or what the system says.
pub fn node_at(disk: &Node, number: EntryNumber, extent: Extent) -> Result<Option<Node>, OsError> {
    let Some(path) = disk.partition_node(number)? else { return Ok(None) };
    let Some(node) = Node::of(&path)? else { return Ok(None) };
    node.expect_at(extent)?;
    Ok(Some(node))
}
