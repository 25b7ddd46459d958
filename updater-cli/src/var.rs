//! The partition that the hook mounts on `/var`, as the running system has it.
//!
//! ```text
//!  [boot] var = "data" ─► the partition of that label ─► its node ═?═ what /proc/self/mountinfo has on /var
//! ```

use std::path::Path;

use libupdate::gpt::Table;
use libupdate::units::limits::SYSTEM_BYTES;
use libupdate_linux::node::Node;
use libupdate_linux::profile::Profile;
use libupdate_linux::var::VAR;
use libupdate_linux::{AlignedBuf, DiskKind, file};

use crate::open_device::OpenDevice;

const MOUNTS: &str = "/proc/self/mountinfo";
/// A whole usual table.
const SCRATCH: usize = 64 << 10;

/// What is on `/var`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Var {
    /// The profile gives the system none.
    NotGiven,
    /// The partition of this label.
    Mounted(String),
    /// Something else than the partition of this label, in words.
    Other(String, String),
}

impl Var {
    /// What is on this machine's `/var`.
    pub fn of(profile: &Profile, opened: &mut OpenDevice) -> Self {
        let Some(label) = profile.boot.var.clone() else { return Self::NotGiven };
        let mounts = mounts();
        let Some((kind, source)) = mounted(&mounts, VAR) else {
            return Self::Other(label, "nothing of its own is mounted there".to_owned());
        };
        if is_partition(opened, &label, Path::new(source)) {
            Self::Mounted(label)
        } else {
            Self::Other(label, format!("{kind} is mounted there ({source})"))
        }
    }
}

/// The kind of the file system on the root.
#[cfg(feature = "live")]
pub fn kind_of_root() -> Option<String> {
    mounted(&mounts(), "/").map(|(kind, _)| kind.to_owned())
}

fn mounts() -> String {
    String::from_utf8_lossy(&file::read(Path::new(MOUNTS), SYSTEM_BYTES).unwrap_or_default()).into_owned()
}

/// Kind and source of what is mounted last at `at`, by proc(5): the fifth field, and the two after the dash.
fn mounted<'t>(mounts: &'t str, at: &str) -> Option<(&'t str, &'t str)> {
    let there = |line: &&str| line.split(' ').nth(4) == Some(at);
    let mut after = mounts.lines().rfind(there)?.split_once(" - ")?.1.split(' ');
    Some((after.next()?, after.next()?))
}

/// Whether `node` is the partition of this label on the open disk.
fn is_partition(opened: &mut OpenDevice, label: &str, node: &Path) -> bool {
    let DiskKind::Device(disk) = opened.disk.kind().clone() else { return false };
    let Ok(Some(node)) = Node::of(node) else { return false };
    let mut scratch = AlignedBuf::new(SCRATCH);
    let mut number = None;
    let read = Table::read(&mut *opened.disk, &mut scratch).and_then(|table| {
        table.entries(&mut *opened.disk, &mut scratch, |entry| {
            if entry.name.eq_str(label) {
                number = Some(entry.number);
            }
        })
    });
    let Some(number) = read.ok().and(number) else { return false };
    let Ok(Some(partition)) = disk.partition_node(number) else { return false };
    Node::of(&partition).is_ok_and(|found| found.is_some_and(|found| found.number() == node.number()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_mounted_last_counts() {
        let mounts = "22 27 0:21 / /var rw - tmpfs tmpfs rw\n30 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                      31 1 8:3 / /var rw,nosuid shared:1 - ext4 /dev/sda3 rw\n32 1 8:4 / /var/log rw - ext4 /dev/sda4 rw\n";
        assert_eq!(mounted(mounts, "/var"), Some(("ext4", "/dev/sda3")));
        assert_eq!(mounted(mounts, "/"), Some(("ext4", "/dev/sda1")));
        assert_eq!(mounted(mounts, "/srv"), None);
    }
}
