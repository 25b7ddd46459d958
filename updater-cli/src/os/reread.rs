//! The kernel's idea of a partition table, made new.

use std::process::Command;

use super::disk::{Disk, Kind};
use crate::output::Output;

/// Has the kernel read the table of a device again. The disk itself is right either way, so a refusal is only a warning.
pub fn table(disk: &Disk, output: &Output) {
    if *disk.kind() == Kind::File {
        return;
    }
    let why = match Command::new("blockdev").arg("--rereadpt").arg(disk.path()).status() {
        Ok(status) if status.success() => return,
        Ok(status) => format!("`blockdev --rereadpt` ended with {status}"),
        Err(error) => format!("`blockdev` could not be run: {error}"),
    };
    output.warn(&format!("the kernel does not know the new partitions yet ({why}); it will after a reboot"));
}
