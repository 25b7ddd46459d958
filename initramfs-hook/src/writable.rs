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

use libupdate::limits::SYSTEM_BYTES;
use rustix::mount::MountFlags;
use updater_cli::os::file;
use updater_cli::profile::boot::Overlay;

use crate::decide::Depth;
use crate::filesystem;
use crate::machine::Machine;
use crate::say::say;

const IMAGE: &str = "/run/updater/image";
const WRITABLE: &str = "/run/updater/writable";
/// What the kernel knows.
const KINDS: &str = "/proc/filesystems";

/// Gives the mounted root its writable places. Where nobody confirmed the last boots, the partition could be why: `/var` is in memory.
pub fn prepare(machine: &mut Machine<'_>, root: &Path, depth: Depth) {
    if machine.config.boot.overlay == Overlay::InMemory
        && let Err(error) = overlay(root)
    {
        say!("no overlay, the root stays read-only: {error}");
        for at in [IMAGE, WRITABLE] {
            filesystem::unmount(Path::new(at));
        }
    }
    let Some(label) = machine.config.boot.var.clone() else { return };
    if let Err(why) = var(machine, &label, &root.join("var"), depth) {
        say!("/var: {why}");
    }
}

fn overlay(root: &Path) -> io::Result<()> {
    let (upper, work) = (format!("{WRITABLE}/upper"), format!("{WRITABLE}/work"));
    fs::create_dir_all(IMAGE)?;
    in_memory(Path::new(WRITABLE))?;
    fs::create_dir(&upper)?;
    fs::create_dir(&work)?;
    // Bound, not moved: under a first process that shares its mounts nothing can be moved.
    rustix::mount::mount_bind(root, IMAGE)?;
    let options = std::ffi::CString::new(format!("lowerdir={IMAGE},upperdir={upper},workdir={work}"))?;
    Ok(rustix::mount::mount("overlay", root, "overlay", MountFlags::empty(), Some(options.as_c_str()))?)
}

fn in_memory(at: &Path) -> io::Result<()> {
    fs::create_dir_all(at)?;
    Ok(rustix::mount::mount("tmpfs", at, "tmpfs", MountFlags::NODEV | MountFlags::NOSUID, Some(c"mode=0755"))?)
}

fn var(machine: &mut Machine<'_>, label: &str, at: &Path, depth: Depth) -> Result<(), String> {
    if !at.is_dir() {
        return Err("the root has no such folder".to_owned());
    }
    let mounted = match depth {
        Depth::AsRead => machine.labelled(label).and_then(|node| mount_any(node.path(), at)),
        Depth::Everything => Err("the last boots were not confirmed, and it could be why".to_owned()),
    };
    mounted.or_else(|why| {
        in_memory(at).map_err(|error| format!("{label}: {why}; in memory: {error}"))?;
        say!("/var is in memory and is gone after this boot: {label}: {why}");
        Ok(())
    })
}

/// Mounts whatever file system is there, as the kernel mounts its root: each that it knows is asked. Journals are replayed.
fn mount_any(node: &Path, at: &Path) -> Result<(), String> {
    let kinds = file::read_text(Path::new(KINDS), SYSTEM_BYTES).map_err(|error| format!("{KINDS}: {error}"))?;
    for kind in disk_kinds(&kinds) {
        match rustix::mount::mount(node, at, kind, MountFlags::NODEV | MountFlags::NOSUID, None) {
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
