//! The recovery partition: found by its label, mounted as it is. No signature covers it; the profile trusts the partition.

use std::path::Path;

use libupdate::gpt::Table;
use libupdate::slot::Partition;

use crate::filesystem;
use crate::machine::Machine;
use crate::nodes;

/// Mounts the partition with this label.
///
/// # Errors
/// What is missing, in words.
pub fn mount(machine: &mut Machine<'_>, label: &str, at: &Path) -> Result<(), String> {
    let (disk, scratch) = machine.disk_and_scratch();
    let table = Table::read(disk, scratch).map_err(|error| error.to_string())?;
    let mut found = None;
    let entries = table.entries(disk, scratch, |entry| {
        if entry.name.eq_str(label) {
            found = Some((entry.number, entry.extent));
        }
    });
    entries.map_err(|error| error.to_string())?;
    let (entry, extent) = found.ok_or_else(|| format!("no partition has the label {label}"))?;
    let partition = Partition { role: "recovery", label, entry, extent };
    let node = nodes::of(&machine.node, &partition).map_err(|error| error.to_string())?;
    let node = node.ok_or_else(|| format!("the kernel has no node for {label}"))?;
    filesystem::mount(node.path(), at).map_err(|error| error.to_string())?;
    Ok(())
}
