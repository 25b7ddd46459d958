//! The recovery partition: found by its label, mounted as it is. No signature covers it; the profile trusts the partition.

use std::path::Path;

use crate::machine::Machine;
use libupdate_linux::filesystem::{self, Rights};

/// Mounts the partition with this label.
///
/// # Errors
/// What is missing, in words.
pub fn mount(machine: &mut Machine<'_>, label: &str, at: &Path) -> Result<(), String> {
    let node = machine.labelled(label)?;
    filesystem::mount(node.path(), at, Rights::Root).map_err(|error| error.to_string())?;
    Ok(())
}
