//! The kernel's nodes of the slots' partitions, made where they are missing: Linux ignores the backup table, and reads the
//! primary once, which was before the repair.

use std::fs::File;

use libupdate::slot::{Partition, SlotTable};
use libupdate_linux::OsError;
use libupdate_linux::node::Node;

use crate::kernel::{self, PartitionAct, Place};
use crate::say::say;

/// Sees to it that every slot partition has its node where the table puts it. What stays missing is told, and found out again
/// when the slot is tried.
pub fn ensure(disk: &Node, slots: &SlotTable<'_>) {
    let partitions = || slots.slots().iter().flat_map(|slot| &slot.partitions);
    if partitions().all(|partition| of(disk, partition).is_ok_and(|node| node.is_some())) {
        return;
    }
    let file = match File::open(disk.path()) {
        Ok(file) => file,
        Err(error) => return say!("cannot open {}: {error}", disk.path().display()),
    };
    if let Err(error) = kernel::reread_table(&file) {
        say!("the kernel does not read the partition table again: {error}");
    }
    for partition in partitions() {
        if let Err(error) = one(disk, &file, partition) {
            say!("no node for {}: {error}", partition.label);
        }
    }
}

/// The node of a partition, in the place that the table gives; `None` where the kernel has none.
///
/// # Errors
/// It lies elsewhere, or what the system says.
pub fn of(disk: &Node, partition: &Partition<'_>) -> Result<Option<Node>, OsError> {
    let Some(path) = disk.partition_node(partition.entry)? else { return Ok(None) };
    let Some(node) = Node::of(&path)? else { return Ok(None) };
    node.expect_at(partition.extent)?;
    Ok(Some(node))
}

fn one(disk: &Node, file: &File, partition: &Partition<'_>) -> Result<(), OsError> {
    let found = of(disk, partition);
    if found.as_ref().is_ok_and(Option::is_some) {
        return Ok(());
    }
    let number = i32::try_from(partition.entry.get()).unwrap_or(i32::MAX);
    let bytes = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let start = partition.extent.first().get().saturating_mul(partition.extent.block_size().bytes_u64());
    let place = Place { start: bytes(start), length: bytes(partition.extent.len().get()) };
    let told = |errno| OsError::call(disk.path(), "add a partition to", errno);
    if found.is_err() {
        kernel::partition(file, PartitionAct::Delete, number, place).map_err(told)?;
    }
    kernel::partition(file, PartitionAct::Add, number, place).map_err(told)
}
