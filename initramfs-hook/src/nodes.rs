//! The kernel's nodes of the slots' partitions, made where they are missing: Linux ignores the backup table, and reads the
//! primary once, which was before the repair.

use libupdate::slot::{Partition, SlotTable};
use libupdate_linux::OsError;
use libupdate_linux::node::Node;
use libupdate_linux::partitions::{KernelTable, node_at};

use crate::say::say;

/// Sees to it that every slot partition has its node where the table puts it. What stays missing is told, and found out again
/// when the slot is tried.
pub fn ensure(disk: &Node, slots: &SlotTable<'_>) {
    let partitions = || slots.slots().iter().flat_map(|slot| &slot.partitions);
    if partitions().all(|partition| of(disk, partition).is_ok_and(|node| node.is_some())) {
        return;
    }
    let table = match KernelTable::open(disk) {
        Ok(table) => table,
        Err(error) => return say!("{error}"),
    };
    if let Err(error) = table.reread() {
        say!("{error}");
    }
    for partition in partitions() {
        if let Err(error) = table.make(partition.entry, partition.extent) {
            say!("no node for {}: {error}", partition.label);
        }
    }
}

/// The node of a partition, in the place that the table gives; `None` where the kernel has none.
///
/// # Errors
/// It lies elsewhere, or what the system says.
pub fn of(disk: &Node, partition: &Partition<'_>) -> Result<Option<Node>, OsError> {
    node_at(disk, partition.entry, partition.extent)
}
