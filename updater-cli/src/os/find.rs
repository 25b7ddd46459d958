//! Which whole disk is the profile's, where `--disk` is not given. Never the first one found.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{Fault, OsError};
use super::node::{device_node, exists, names_in};

/// Where the kernel lists whole disks.
pub const SYS_BLOCK: &str = "/sys/block";

/// How the profile tells its disk from others.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Selection {
    /// The one whose partition table holds the profile's slots.
    #[default]
    ByTable,
    /// The one at this node, whatever kind of disk it is.
    Node(PathBuf),
    /// Of those with the slots, the one whose directory in sysfs has this path in it.
    Bus(String),
    /// Of those with the slots, the one whose partition table has this disk GUID (as its 16 bytes stand there).
    Guid([u8; 16]),
}

/// What a look at a disk's table said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Match {
    /// All slots of the profile are there.
    Yes,
    /// They are not.
    No,
}

/// The node of the profile's disk. `look` reads the partition table of a candidate.
///
/// # Errors
/// [`Fault::NoDisk`], [`Fault::SeveralDisks`], or what the kernel says about sysfs. A candidate that cannot be read could
/// be the one: its error is the answer, not the other disk.
pub fn whole_disk(
    selection: &Selection,
    look: impl FnMut(&Path) -> Result<Match, OsError>,
) -> Result<PathBuf, OsError> {
    whole_disk_under(Path::new(SYS_BLOCK), selection, look)
}

fn whole_disk_under(
    sys: &Path,
    selection: &Selection,
    mut look: impl FnMut(&Path) -> Result<Match, OsError>,
) -> Result<PathBuf, OsError> {
    if let Selection::Node(node) = selection {
        return Ok(node.clone());
    }
    let mut found = Vec::new();
    for folder in candidates(sys)? {
        if let Selection::Bus(path) = selection
            && !on_bus(&folder, path)
        {
            continue;
        }
        let node = device_node(&folder)?;
        if look(&node)? == Match::Yes {
            found.push(node);
        }
    }
    found.sort();
    match found.as_slice() {
        [] => Err(OsError::new(sys, Fault::NoDisk)),
        [one] => Ok(one.clone()),
        _ => Err(OsError::new(sys, Fault::SeveralDisks { found })),
    }
}

/// Directories of disks that are hardware and hold a medium. Loop, RAM, compressed RAM, device-mapper and network block
/// devices all live in the virtual branch of sysfs.
fn candidates(sys: &Path) -> Result<Vec<PathBuf>, OsError> {
    let mut folders = Vec::new();
    for name in names_in(sys)? {
        let link = sys.join(name);
        let folder = fs::canonicalize(&link).map_err(|error| OsError::io(&link, "open", &error))?;
        let virtual_device = folder.components().any(|part| part.as_os_str() == "virtual");
        let empty = !exists(&folder.join("size"))? || super::node::read(&folder.join("size"))?.trim() == "0";
        if !virtual_device && !empty {
            folders.push(folder);
        }
    }
    Ok(folders)
}

/// Whether the bus path is a run of whole components of the disk's directory in sysfs.
fn on_bus(folder: &Path, path: &str) -> bool {
    let wanted: Vec<_> = Path::new(path).components().collect();
    let parts: Vec<_> = folder.components().collect();
    !wanted.is_empty() && parts.windows(wanted.len()).any(|run| run == wanted)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A sysfs of three disks and a loop device, all of 8 sectors but one without a medium.
    fn sysfs(root: &Path) -> PathBuf {
        let block = root.join("block");
        fs::create_dir(&block).unwrap();
        let disks = [
            ("sda", "devices/pci0000:00/0000:00:04.0/ata1/block/sda", "8"),
            ("sdb", "devices/pci0000:00/0000:00:05.0/usb1/block/sdb", "8"),
            ("sdc", "devices/pci0000:00/0000:00:06.0/usb2/block/sdc", "0"),
            ("loop0", "devices/virtual/block/loop0", "8"),
        ];
        for (name, folder, size) in disks {
            let folder = root.join(folder);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("size"), format!("{size}\n")).unwrap();
            fs::write(folder.join("uevent"), format!("MAJOR=8\nDEVNAME={name}\n")).unwrap();
            symlink(&folder, block.join(name)).unwrap();
        }
        block
    }

    fn only(wanted: &'static [&str]) -> impl FnMut(&Path) -> Result<Match, OsError> {
        move |node| Ok(if wanted.iter().any(|name| node == Path::new(name)) { Match::Yes } else { Match::No })
    }

    #[test]
    fn one_match_is_the_disk_none_and_two_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let sys = sysfs(root.path());
        let found = |wanted| whole_disk_under(&sys, &Selection::ByTable, only(wanted));
        assert_eq!(found(&["/dev/sdb"]).unwrap(), Path::new("/dev/sdb"));
        assert_eq!(*found(&[]).unwrap_err().fault(), Fault::NoDisk);
        let several = Fault::SeveralDisks { found: vec!["/dev/sda".into(), "/dev/sdb".into()] };
        assert_eq!(*found(&["/dev/sdb", "/dev/sda"]).unwrap_err().fault(), several);
    }

    #[test]
    fn virtual_and_empty_disks_are_not_looked_at() {
        let root = tempfile::tempdir().unwrap();
        let mut seen = Vec::new();
        let look = |node: &Path| {
            seen.push(node.to_owned());
            Ok(Match::No)
        };
        let error = whole_disk_under(&sysfs(root.path()), &Selection::ByTable, look).unwrap_err();
        assert_eq!(*error.fault(), Fault::NoDisk);
        seen.sort();
        assert_eq!(seen, [Path::new("/dev/sda"), Path::new("/dev/sdb")]);
    }

    #[test]
    fn the_bus_path_decides_between_two() {
        let root = tempfile::tempdir().unwrap();
        let sys = sysfs(root.path());
        let on = |path: &str| whole_disk_under(&sys, &Selection::Bus(path.into()), only(&["/dev/sda", "/dev/sdb"]));
        assert_eq!(on("0000:00:05.0/usb1").unwrap(), Path::new("/dev/sdb"));
        assert_eq!(*on("0000:00:05").unwrap_err().fault(), Fault::NoDisk);
        assert!(matches!(on("pci0000:00").unwrap_err().fault(), Fault::SeveralDisks { .. }));
    }

    #[test]
    fn a_disk_that_cannot_be_read_is_not_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let broken = OsError::new(Path::new("/dev/sda"), Fault::Ended);
        let look = |node: &Path| if node == Path::new("/dev/sda") { Err(broken.clone()) } else { Ok(Match::Yes) };
        assert_eq!(whole_disk_under(&sysfs(root.path()), &Selection::ByTable, look), Err(broken.clone()));
    }

    #[test]
    fn a_named_disk_is_taken_at_its_word() {
        let node = Selection::Node("/dev/loop7".into());
        assert_eq!(whole_disk(&node, |_| Ok(Match::No)).unwrap(), Path::new("/dev/loop7"));
    }
}
