//! Which disk it is: by the GUID of its table, and by its node.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use libupdate::gpt::{BothCopies, Guid};
use libupdate_linux::{AlignedBuf, Disk, OpenHow};

use super::Entry;

/// A whole usual table.
const SCRATCH: usize = 64 << 10;

/// A disk that is a device of this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Its node, with no link on the way.
    pub node: PathBuf,
    /// The GUID of its table, as it is now; `None` where that cannot be read.
    pub guid: Option<String>,
}

impl Identity {
    /// The disk of this name; `None` for what is no device.
    pub fn of_device(path: &Path) -> Option<Self> {
        let node = node(path)?;
        let guid = guid(&node);
        Some(Self { node, guid })
    }

    /// The same, where the table was read already.
    pub fn of_device_with(path: &Path, guid: Guid) -> Option<Self> {
        Some(Self { node: node(path)?, guid: Some(guid.to_string()) })
    }

    /// Whether an entry is of this disk. The GUID decides, as nodes change their names from boot to boot. Copies of one disk have the same
    /// GUID: an entry of another node is not of this disk as long as a copy is there.
    pub fn is_of(&self, entry: &Entry) -> bool {
        let other = Path::new(&entry.disk);
        let is_a_copy = || Self::of_device(other).is_some_and(|there| there.guid == self.guid);
        self.guid.is_some() && self.guid == entry.disk_guid && (self.node == other || !is_a_copy())
    }
}

fn node(path: &Path) -> Option<PathBuf> {
    let node = fs::canonicalize(path).ok()?;
    fs::metadata(&node).is_ok_and(|found| found.file_type().is_block_device()).then_some(node)
}

/// The table's GUID, where one can be read.
fn guid(node: &Path) -> Option<String> {
    let mut disk = Disk::open(node, OpenHow::read_only()).ok()?;
    let copies = BothCopies::read(&mut disk, &mut AlignedBuf::new(SCRATCH)).ok()?;
    Some(copies.table().ok()?.header().disk_guid().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_no_device() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(Identity::of_device(file.path()), None);
        assert_eq!(Identity::of_device(Path::new("/nowhere")), None);
        assert_eq!(Identity::of_device(Path::new("/dev/null")), None);
    }
}
