//! What a whole block device is, by its directory in sysfs: whether it could be the disk of this machine, and which others it is made of.
//!
//! | device | could be the disk |
//! |---|---|
//! | its driver makes it of files, memory, a network or another disk's blocks (`MADE`) | no |
//! | it is hidden: one path of several to an NVMe drive | no: the drive itself is listed beside it |
//! | it holds no medium | no |
//! | anything else: drives and cards, NVMe drives with several paths, md, bcache | yes |
//!
//! Where the kernel hangs a device says nothing about it: it puts drives with several paths, and all of md and bcache, beside loop
//! devices under `/sys/devices/virtual`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::OsError;
use crate::node::{exists, names_in, read};

/// Names that drivers give to what is no drive: each is followed by a number.
const MADE: [&str; 10] = ["dm-", "drbd", "loop", "nbd", "nullb", "ram", "rnbd", "ublkb", "zd", "zram"];

/// Whether something could be the disk of this machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Drive {
    /// It could.
    Disk,
    /// It cannot: why, in words.
    No(&'static str),
    /// A place for a disk in which there is none, of which a system has many: not worth a word.
    Vacant,
}

impl Drive {
    /// What the directory of a disk says of it.
    ///
    /// # Errors
    /// What the kernel says about a file that is there.
    pub fn of(folder: &Path) -> Result<Self, OsError> {
        Ok(match (is_made(&name_of(folder)), has_medium(folder)?) {
            (true, false) => Self::Vacant,
            (true, true) => Self::No("this system has made it of something else"),
            (false, _) if is_hidden(folder)? => Self::No("it is one of several paths to a drive"),
            (false, false) => Self::No("there is no medium in it"),
            (false, true) => Self::Disk,
        })
    }
}

/// Whether the bus path is a run of whole components of the directory of the disk, or of one of the devices it is made of.
pub fn is_on_bus(folder: &Path, path: &str) -> bool {
    let wanted: Vec<_> = Path::new(path).components().collect();
    let on = |folder: &PathBuf| {
        let parts: Vec<_> = folder.components().collect();
        !wanted.is_empty() && parts.windows(wanted.len()).any(|run| run == wanted)
    };
    [folder.to_owned()].iter().chain(&members(folder)).any(on)
}

/// Whether the disk `other` is made of this one.
pub fn is_member_of(folder: &Path, other: &Path) -> bool {
    names_in(&other.join("slaves")).unwrap_or_default().contains(&name_of(folder))
}

/// Directories of the devices that it is made of: disks below it, or controllers that lead to it.
fn members(folder: &Path) -> Vec<PathBuf> {
    let below = folder.join("slaves");
    let mut links: Vec<PathBuf> = names_in(&below).unwrap_or_default().iter().map(|name| below.join(name)).collect();
    // An NVMe drive with several paths hangs in its subsystem, which has a link to each controller.
    if let Some(subsystem) = folder.parent().filter(|parent| name_of(parent).starts_with("nvme-subsys")) {
        let controllers = names_in(subsystem).unwrap_or_default();
        links.extend(controllers.iter().filter(|name| is_numbered(name, "nvme")).map(|name| subsystem.join(name)));
    }
    links.iter().filter_map(|link| fs::canonicalize(link).ok()).collect()
}

fn name_of(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_made(name: &str) -> bool {
    MADE.iter().any(|kind| is_numbered(name, kind))
}

fn is_numbered(name: &str, kind: &str) -> bool {
    name.strip_prefix(kind).is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_hidden(folder: &Path) -> Result<bool, OsError> {
    let hidden = folder.join("hidden");
    Ok(exists(&hidden)? && read(&hidden)?.trim() == "1")
}

fn has_medium(folder: &Path) -> Result<bool, OsError> {
    let size = folder.join("size");
    Ok(exists(&size)? && read(&size)?.trim() != "0")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A device's directory with the files that the kernel puts there.
    fn device(root: &Path, folder: &str, files: &[(&str, &str)]) -> PathBuf {
        let folder = root.join(folder);
        fs::create_dir_all(&folder).unwrap();
        for (file, text) in [("size", "8\n")].iter().chain(files) {
            fs::write(folder.join(file), text).unwrap();
        }
        folder
    }

    #[test]
    fn a_disk_is_what_it_is_and_not_where_it_hangs() {
        let root = tempfile::tempdir().unwrap();
        let could = |folder: &str, files: &[(&str, &str)]| {
            Drive::of(&device(root.path(), folder, files)).unwrap() == Drive::Disk
        };
        let subsystem = "devices/virtual/nvme-subsystem/nvme-subsys0";
        for folder in
            [&format!("{subsystem}/nvme0n1"), "virtual/md127", "virtual/bcache0", "pci/dm", "pci/zdisk", "pci/loop"]
        {
            assert!(could(folder, &[("hidden", "0\n")]), "{folder}");
        }
        for name in ["loop7", "ram0", "zram1", "dm-12", "nbd3", "zd16", "drbd0", "ublkb0"] {
            assert!(!could(&format!("devices/pci0000:00/{name}"), &[]), "{name}");
        }
    }

    #[test]
    fn hidden_paths_and_empty_drives_are_none() {
        let root = tempfile::tempdir().unwrap();
        let could =
            |files: &[(&str, &str)]| Drive::of(&device(root.path(), "nvme/nvme0c0n1", files)).unwrap() == Drive::Disk;
        assert!(!could(&[("hidden", "1\n")]));
        assert!(could(&[("hidden", "0\n")]));
        assert!(!could(&[("size", "0\n")]));
    }

    #[test]
    fn the_bus_of_a_drive_with_several_paths_is_each_of_them() {
        let root = tempfile::tempdir().unwrap();
        let drive = device(root.path(), "virtual/nvme-subsystem/nvme-subsys0/nvme0n1", &[]);
        let controller = device(root.path(), "pci0000:00/0000:00:04.0/nvme/nvme0", &[]);
        symlink(&controller, drive.parent().unwrap().join("nvme0")).unwrap();
        assert!(is_on_bus(&drive, "0000:00:04.0") && is_on_bus(&drive, "nvme-subsys0"));
        assert!(!is_on_bus(&drive, "0000:00:05.0") && !is_on_bus(&drive, "00:04.0"));
    }

    #[test]
    fn what_an_array_is_made_of_belongs_to_it() {
        let root = tempfile::tempdir().unwrap();
        let [array, disk, other] =
            ["virtual/md0", "pci/0000:00:06.0/sda", "pci/0000:00:07.0/sdb"].map(|name| device(root.path(), name, &[]));
        fs::create_dir(array.join("slaves")).unwrap();
        symlink(&disk, array.join("slaves/sda")).unwrap();
        assert!(is_member_of(&disk, &array) && !is_member_of(&other, &array) && !is_member_of(&array, &disk));
        assert!(is_on_bus(&array, "0000:00:06.0") && !is_on_bus(&array, "0000:00:07.0"));
    }
}
