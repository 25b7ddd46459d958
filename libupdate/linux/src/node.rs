//! What sysfs and procfs say about a block device's node. No ioctl: every fact is in a file.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use libupdate::gpt::EntryNumber;
use libupdate::units::limits::SYSTEM_BYTES;
use libupdate::{ByteLen, Extent};

use crate::error::{OsError, OsErrorKind};
use crate::file;

/// Sysfs counts in 512-byte units on every disk, 4Kn ones included.
const SYSFS_UNIT: u64 = 512;

/// A block device, by its number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    path: PathBuf,
    /// "8:1", as sysfs, mountinfo and the lock table write it.
    number: String,
    /// Its directory in sysfs, links resolved.
    sysfs: PathBuf,
}

impl Node {
    /// The block device behind `path`; `None` for anything else.
    ///
    /// # Errors
    /// There is nothing at `path`, or what the kernel says.
    pub fn of(path: &Path) -> Result<Option<Self>, OsError> {
        let facts = fs::metadata(path).map_err(|error| OsError::io(path, "open", &error))?;
        if !facts.file_type().is_block_device() {
            return Ok(None);
        }
        let number = format!("{}:{}", rustix::fs::major(facts.rdev()), rustix::fs::minor(facts.rdev()));
        let link = Path::new("/sys/dev/block").join(&number);
        let sysfs = fs::canonicalize(&link).map_err(|error| OsError::io(&link, "open", &error))?;
        Ok(Some(Self { path: path.to_owned(), number, sysfs }))
    }

    /// Its node in `/dev`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its number: "8:1".
    #[must_use]
    pub fn number(&self) -> &str {
        &self.number
    }

    /// The kernel's name of it: "mmcblk0".
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.sysfs.file_name()?.to_str()
    }

    /// Number of the partition; `None` for a whole disk.
    ///
    /// # Errors
    /// What the kernel says; a number that is none.
    pub fn partition(&self) -> Result<Option<u32>, OsError> {
        let file = self.sysfs.join("partition");
        if !exists(&file)? {
            return Ok(None);
        }
        number(&file, "a partition number").map(Some)
    }

    /// First byte on the whole disk, and size.
    ///
    /// # Errors
    /// What the kernel says; a number that is none.
    pub fn place(&self) -> Result<(u64, ByteLen), OsError> {
        let start: u64 = match self.partition()? {
            None => 0,
            Some(_) => number(&self.sysfs.join("start"), "a start sector")?,
        };
        let size: u64 = number(&self.sysfs.join("size"), "a size in sectors")?;
        Ok((start.saturating_mul(SYSFS_UNIT), ByteLen::new(size.saturating_mul(SYSFS_UNIT))))
    }

    /// Refuses a node that is not exactly where the partition table puts the partition.
    ///
    /// The kernel keeps the table it read last; a table that was written since can mean another place by the same number.
    ///
    /// # Errors
    /// [`OsErrorKind::NodeDiffers`], or what the kernel says.
    pub fn expect_at(&self, extent: Extent) -> Result<(), OsError> {
        let table = (extent.first().get().saturating_mul(extent.block_size().bytes_u64()), extent.len());
        let kernel = self.place()?;
        if table == kernel { Ok(()) } else { Err(OsError::new(&self.path, OsErrorKind::NodeDiffers { table, kernel })) }
    }

    /// Who uses the device, in words; `None` if nobody is known to.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn user(&self) -> Result<Option<String>, OsError> {
        let mounts = Path::new("/proc/self/mountinfo");
        if let Some(place) = mounted_at(&read(mounts)?, &self.number) {
            return Ok(Some(format!("mounted at {place}")));
        }
        let holders = self.sysfs.join("holders");
        let mut names = names_in(&holders)?;
        names.sort();
        if !names.is_empty() {
            return Ok(Some(format!("held by {}", names.join(", "))));
        }
        let swaps = Path::new("/proc/swaps");
        if exists(swaps)? && self.swaps(&read(swaps)?)? {
            return Ok(Some("used as swap".to_owned()));
        }
        Ok(None)
    }

    /// The node of partition `wanted` of this whole disk; `None` if the kernel has none.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn partition_node(&self, wanted: EntryNumber) -> Result<Option<PathBuf>, OsError> {
        for name in names_in(&self.sysfs)? {
            let folder = self.sysfs.join(&name);
            let file = folder.join("partition");
            if folder.is_dir() && exists(&file)? && number::<u32>(&file, "a partition number")? == wanted.get() {
                return device_node(&folder).map(Some);
            }
        }
        Ok(None)
    }

    fn swaps(&self, table: &str) -> Result<bool, OsError> {
        for path in table.lines().skip(1).filter_map(|line| line.split_whitespace().next()) {
            let path = Path::new(path);
            if exists(path)? && Self::of(path)?.is_some_and(|other| other.number == self.number) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The node in `/dev` of a device's directory in sysfs, by the name the kernel gives it.
pub(crate) fn device_node(sysfs: &Path) -> Result<PathBuf, OsError> {
    let file = sysfs.join("uevent");
    let text = read(&file)?;
    let name = text.lines().find_map(|line| line.strip_prefix("DEVNAME="));
    name.map(|name| Path::new("/dev").join(name)).ok_or_else(|| unexpected(&file, "a device name"))
}

/// The text of a file of the kernel's. Bytes that are none, as in the name of a mount point or a word of a boot loader, hide nothing that
/// is beside them.
pub(crate) fn read(path: &Path) -> Result<String, OsError> {
    let bytes = file::read(path, SYSTEM_BYTES).map_err(|error| OsError::io(path, "read", &error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The names in a directory.
pub(crate) fn names_in(path: &Path) -> Result<Vec<String>, OsError> {
    let failed = |error: std::io::Error| OsError::io(path, "list", &error);
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        // Sysfs has no name that is not text.
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    Ok(names)
}

/// Whether there is such a file. An error is an error, not a "no".
pub(crate) fn exists(path: &Path) -> Result<bool, OsError> {
    fs::exists(path).map_err(|error| OsError::io(path, "look for", &error))
}

fn number<N: std::str::FromStr>(path: &Path, wanted: &'static str) -> Result<N, OsError> {
    read(path)?.trim().parse().map_err(|_| unexpected(path, wanted))
}

fn unexpected(path: &Path, wanted: &'static str) -> OsError {
    OsError::new(path, OsErrorKind::Unexpected { wanted })
}

/// Where the device is mounted, by the third and the fifth field of a line of `/proc/self/mountinfo` (proc(5)).
fn mounted_at<'t>(mountinfo: &'t str, number: &str) -> Option<&'t str> {
    mountinfo.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(2);
        if fields.next()? == number { fields.nth(1) } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "22 27 0:21 / /proc rw,relatime - proc proc rw\n31 1 8:1 / / rw - ext4 /dev/sda1 rw\n";

    #[test]
    fn a_mounted_device_is_found_by_its_number() {
        assert_eq!(mounted_at(MOUNTS, "8:1"), Some("/"));
        assert_eq!(mounted_at(MOUNTS, "8:10"), None);
        assert_eq!(mounted_at("", "8:1"), None);
    }

    #[test]
    fn a_file_is_no_node() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(Node::of(file.path()).unwrap(), None);
        let error = Node::of(Path::new("/nonexistent")).unwrap_err();
        assert_eq!(error.errno(), Some(rustix::io::Errno::NOENT));
    }
}
