//! Places to write beside the slot's read-only root: an overlay in memory, and a partition as `/var`.
//!
//! ```text
//!  /run/updater/image      the slot's root, as it is        (only with an overlay)
//!  /run/updater/writable   tmpfs: what is written over it
//!  ROOT                    both together
//!  ROOT/var                the partition, read-write; memory where it holds no file system
//! ```
//! None of it keeps a slot from booting: what cannot be had is told, and the health checks of the slot judge it.

use std::fs;
use std::io;
use std::path::Path;

use rustix::mount::MountFlags;
use updater_cli::profile::boot::Overlay;

use crate::machine::Machine;

const IMAGE: &str = "/run/updater/image";
const WRITABLE: &str = "/run/updater/writable";
/// What the kernel knows.
const KINDS: &str = "/proc/filesystems";

/// Gives the mounted root its writable places.
pub fn prepare(machine: &mut Machine<'_>, root: &Path) {
    if machine.config.boot.overlay == Overlay::InMemory
        && let Err(error) = overlay(root)
    {
        eprintln!("updater: no overlay, the root stays read-only: {error}");
    }
    let Some(label) = machine.config.boot.var.clone() else { return };
    if let Err(why) = var(machine, &label, &root.join("var")) {
        eprintln!("updater: /var: {why}");
    }
}

fn overlay(root: &Path) -> io::Result<()> {
    let (upper, work) = (format!("{WRITABLE}/upper"), format!("{WRITABLE}/work"));
    fs::create_dir_all(IMAGE)?;
    in_memory(Path::new(WRITABLE))?;
    fs::create_dir(&upper)?;
    fs::create_dir(&work)?;
    rustix::mount::mount_move(root, IMAGE)?;
    let options = std::ffi::CString::new(format!("lowerdir={IMAGE},upperdir={upper},workdir={work}"))?;
    let together = rustix::mount::mount("overlay", root, "overlay", MountFlags::empty(), Some(options.as_c_str()));
    together.or_else(|error| {
        // The root as it was is what boots.
        rustix::mount::mount_move(IMAGE, root)?;
        Err(error.into())
    })
}

fn in_memory(at: &Path) -> io::Result<()> {
    fs::create_dir_all(at)?;
    Ok(rustix::mount::mount("tmpfs", at, "tmpfs", MountFlags::NODEV | MountFlags::NOSUID, Some(c"mode=0755"))?)
}

fn var(machine: &mut Machine<'_>, label: &str, at: &Path) -> Result<(), String> {
    if !at.is_dir() {
        return Err("the root has no such folder".to_owned());
    }
    let mounted = machine.labelled(label).and_then(|node| mount_any(node.path(), at));
    mounted.or_else(|why| {
        in_memory(at).map_err(|error| format!("{label}: {why}; in memory: {error}"))?;
        eprintln!("updater: /var is in memory and is gone after this boot: {label}: {why}");
        Ok(())
    })
}

/// Mounts whatever file system is there, as the kernel mounts its root: each that it knows is asked. Journals are replayed.
fn mount_any(node: &Path, at: &Path) -> Result<(), String> {
    let kinds = fs::read_to_string(KINDS).map_err(|error| format!("{KINDS}: {error}"))?;
    for kind in disk_kinds(&kinds) {
        match rustix::mount::mount(node, at, kind, MountFlags::empty(), None) {
            Ok(()) => return Ok(()),
            // Not this one.
            Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(format!("{kind}: {error}")),
        }
    }
    Err("it holds no file system that this kernel knows".to_owned())
}

/// The file systems that live on a disk.
fn disk_kinds(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with("nodev")).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_without_a_disk_are_not_asked() {
        let text = "nodev\tsysfs\nnodev\ttmpfs\n\text4\n\tvfat\nnodev\toverlay\n";
        assert_eq!(disk_kinds(text).collect::<Vec<_>>(), ["ext4", "vfat"]);
    }
}
