//! Places to write beside the slot's read-only root: an overlay in memory, and a partition as `/var`.
//!
//! ```text
//!  /run/updater/image      the slot's root, as it is        (only with an overlay)
//!  /run/updater/writable   tmpfs: what is written over it
//!  ROOT                    both together
//!  ROOT/var                the partition, read-write; memory where it holds something else; the image's own files at first
//! ```
//! None of it keeps a slot from booting: what cannot be had is told, and the health checks of the slot judge it.

use std::fs;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use libupdate::boot::Depth;
use libupdate::units::limits::SYSTEM_BYTES;
use libupdate_linux::file;
use libupdate_linux::node::Node;
use libupdate_linux::profile::boot::Overlay;
use rustix::fs::OFlags;
use rustix::mount::MountFlags;

use crate::copy;
use crate::machine::Machine;
use crate::say::say;
use crate::var::{self, Filled, State};
use crate::watchdog::Watchdog;
use libupdate_linux::filesystem;

const IMAGE: &str = "/run/updater/image";
const WRITABLE: &str = "/run/updater/writable";
/// What the kernel knows.
const KINDS: &str = "/proc/filesystems";

/// Gives the mounted root its writable places. Where nobody confirmed the last boots, the partition could be why: `/var` is in memory.
pub fn prepare(machine: &mut Machine<'_>, root: &Path, depth: Depth, watchdog: &mut Watchdog) {
    if machine.config.boot.overlay == Overlay::InMemory
        && let Err(error) = overlay(root)
    {
        say!("no overlay, the root stays read-only: {error}");
        for at in [IMAGE, WRITABLE] {
            filesystem::unmount(Path::new(at));
        }
    }
    let Some(label) = machine.config.boot.var.clone() else { return };
    if let Err(why) = var(machine, &label, root, depth, watchdog) {
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

fn var(
    machine: &mut Machine<'_>,
    label: &str,
    root: &Path,
    depth: Depth,
    watchdog: &mut Watchdog,
) -> Result<(), String> {
    let at = root.join("var");
    if !fs::symlink_metadata(&at).is_ok_and(|facts| facts.is_dir()) {
        return Err("the root has no such folder".to_owned());
    }
    // What is mounted over hides it from every path but this one.
    let image = filesystem::open_inside(root, Path::new("var"), OFlags::PATH | OFlags::DIRECTORY);
    let image = image.map_err(|error| error.to_string())?;
    let from = PathBuf::from(format!("/proc/self/fd/{}/.", image.as_raw_fd()));
    let mounted = match depth {
        Depth::AsRead => machine.labelled(label).and_then(|node| partition(&node, root, &at, &from, watchdog)),
        Depth::Everything => Err("the last boots were not confirmed, and it could be why".to_owned()),
    };
    match mounted {
        Ok(Filled::Now) => say!("/var: {label} was empty and holds the image's /var now"),
        Ok(Filled::Earlier) => {}
        Err(why) => {
            say!("/var is in memory and is gone after this boot: {label}: {why}");
            memory(&at, &from, watchdog)?;
        }
    }
    Ok(())
}

/// The partition, with a file system of its own, at its place.
fn partition(node: &Node, root: &Path, at: &Path, from: &Path, watchdog: &mut Watchdog) -> Result<Filled, String> {
    let size = node.place().map_err(|error| error.to_string())?.1.get();
    let kinds = file::read_text(Path::new(KINDS), SYSTEM_BYTES).map_err(|error| format!("{KINDS}: {error}"))?;
    let found =
        fs::File::open(node.path()).and_then(|file| var::state(&file, size)).map_err(|error| error.to_string())?;
    if found != State::Used {
        if !disk_kinds(&kinds).any(|kind| kind == var::KIND) {
            return Err(format!("it is blank, and this kernel does not know {}", var::KIND));
        }
        var::make(root, node.path(), size, watchdog)?;
        say!("/var: {} has a new file system", node.path().display());
    }
    mount_any(node.path(), at, &kinds)?;
    if libupdate_linux::var::is_asked(at) {
        say!(
            "/var: everything in it is removed: a reset was asked for, or an earlier boot was cut short as it filled it"
        );
    }
    var::fill(from, at, watchdog).map_err(|error| {
        filesystem::unmount(at);
        format!("it cannot be filled from the image's /var: {error}")
    })
}

/// A copy of the image's `/var` in memory; an empty one where memory has no room for it.
fn memory(at: &Path, from: &Path, watchdog: &mut Watchdog) -> Result<(), String> {
    let mount = || in_memory(at).map_err(|error| format!("nor can it be in memory: {error}"));
    mount()?;
    if let Err(error) = copy::content(from, at, watchdog) {
        say!("/var is empty: the image's cannot be copied to memory: {error}");
        filesystem::unmount(at);
        mount()?;
    }
    Ok(())
}

/// Mounts whatever file system is there, as the kernel mounts its root: each that it knows is asked. Journals are replayed.
fn mount_any(node: &Path, at: &Path, kinds: &str) -> Result<(), String> {
    for kind in disk_kinds(kinds) {
        match rustix::mount::mount(node, at, kind, MountFlags::NODEV | MountFlags::NOSUID, None) {
            Ok(()) => return Ok(()),
            // Not this one.
            Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(format!("{kind}: {error}")),
        }
    }
    Err("it holds no file system that this kernel knows; where its data are not wanted, fill it with zeros".to_owned())
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
