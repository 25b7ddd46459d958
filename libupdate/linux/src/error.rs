//! What the operating system, or the state of a device, objected to.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use libupdate::{BlockSize, ByteLen, Lba, SlotId};
use rustix::io::Errno;

/// A refusal, and the file or device it is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OsError {
    path: PathBuf,
    kind: OsErrorKind,
}

/// What was refused, and by which rule.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum OsErrorKind {
    /// A system call failed.
    Call {
        /// What was tried, as a verb: "open", "write".
        act: &'static str,
        /// The kernel's answer.
        errno: Errno,
    },
    /// A system call failed that was in flight when its act went on.
    Earlier {
        /// What was tried, as a verb.
        act: &'static str,
        /// Byte of the file or node.
        at: u64,
        /// The kernel's answer.
        errno: Errno,
    },
    /// A file was refused before, or while, it was read.
    File {
        /// What was tried, as a verb.
        act: &'static str,
        /// The rule that it breaks, in words.
        why: String,
    },
    /// A file of the system (sysfs, procfs, a report of the hook) does not say what it must.
    Unexpected {
        /// What was looked for in it.
        wanted: &'static str,
    },
    /// The file or device ended inside an access: somebody made it shorter.
    Ended,
    /// Neither a regular file nor a block device.
    NotADisk,
    /// A partition where a whole disk is needed.
    NotAWholeDisk,
    /// A sector size that is neither 512 nor 4096.
    SectorSize {
        /// Bytes the device reports.
        found: u32,
    },
    /// `--sector-size` contradicts the device.
    SectorSizeDiffers {
        /// What was asked for.
        asked: BlockSize,
        /// What the device has.
        device: BlockSize,
    },
    /// A header of a partition table stands at both sector sizes.
    SectorSizeAmbiguous,
    /// An access past the last block.
    OutsideDisk {
        /// First block of the access.
        at: Lba,
        /// Its bytes.
        len: u64,
    },
    /// A write to a disk that was opened for reading.
    OpenedForReading,
    /// A write into the slot that the system runs from.
    BootedSlot {
        /// The slot.
        slot: SlotId,
    },
    /// The partition's node lies elsewhere than its entry in the table says: the kernel still has an older table.
    NodeDiffers {
        /// Start and size in bytes by the table.
        table: (u64, ByteLen),
        /// Start and size in bytes by the kernel.
        kernel: (u64, ByteLen),
    },
    /// Somebody has mounted or opened the device for itself.
    InUse {
        /// Who, in words: "mounted at /boot".
        by: String,
    },
    /// Another process holds the lock.
    Locked {
        /// Who, in words: "process 123 (updater-cli)".
        by: String,
    },
    /// The store of a boot loader is not as it must be.
    LoaderStore {
        /// The rule that it breaks, in words.
        why: String,
    },
    /// A boot loader cannot be brought to the boot partitions of an eMMC.
    EmmcBoot {
        /// The rule that it breaks, in words.
        why: String,
    },
    /// No disk matches the profile.
    NoDisk {
        /// Each drive that was looked at, and why it is not the one, in words.
        others: Vec<String>,
    },
    /// Several disks match the profile and nothing says which one is meant.
    SeveralDisks {
        /// Their nodes.
        found: Vec<PathBuf>,
    },
}

/// What the caller can do about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// The device or the file system failed.
    Io,
    /// There is no room.
    NoSpace,
    /// Somebody else works on it.
    Busy,
    /// The disk is not the one, or not in the state, that the act needs.
    Disk,
    /// The rights or the mode do not allow it.
    Denied,
    /// The booted slot would be touched.
    Booted,
}

impl OsError {
    /// A refusal about `path`.
    pub fn new(path: &Path, kind: OsErrorKind) -> Self {
        Self { path: path.to_owned(), kind }
    }

    /// A failed system call on `path`.
    pub fn call(path: &Path, act: &'static str, errno: Errno) -> Self {
        Self::new(path, OsErrorKind::Call { act, errno })
    }

    /// The same of an access in flight, at byte `at`, which a later access tells.
    #[must_use]
    pub fn told_later(self, at: u64) -> Self {
        match self.kind {
            OsErrorKind::Call { act, errno } => Self { kind: OsErrorKind::Earlier { act, at, errno }, ..self },
            _ => self,
        }
    }

    /// A failed call of the standard library on `path`.
    pub fn io(path: &Path, act: &'static str, error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(errno) => Self::call(path, act, errno),
            None => Self::new(path, OsErrorKind::File { act, why: error.to_string() }),
        }
    }

    /// The rule.
    pub const fn kind(&self) -> &OsErrorKind {
        &self.kind
    }

    /// The kernel's answer, where a call failed.
    pub const fn errno(&self) -> Option<Errno> {
        match self.kind {
            OsErrorKind::Call { errno, .. } | OsErrorKind::Earlier { errno, .. } => Some(errno),
            _ => None,
        }
    }

    /// What the caller can do about it.
    pub fn class(&self) -> Class {
        match &self.kind {
            OsErrorKind::Call { errno, .. } | OsErrorKind::Earlier { errno, .. } => class_of(*errno),
            OsErrorKind::File { .. } | OsErrorKind::Unexpected { .. } | OsErrorKind::Ended => Class::Io,
            OsErrorKind::OpenedForReading => Class::Denied,
            OsErrorKind::BootedSlot { .. } => Class::Booted,
            OsErrorKind::InUse { .. } | OsErrorKind::Locked { .. } => Class::Busy,
            OsErrorKind::NotADisk
            | OsErrorKind::NotAWholeDisk
            | OsErrorKind::SectorSize { .. }
            | OsErrorKind::SectorSizeDiffers { .. }
            | OsErrorKind::SectorSizeAmbiguous
            | OsErrorKind::OutsideDisk { .. }
            | OsErrorKind::NodeDiffers { .. }
            | OsErrorKind::LoaderStore { .. }
            | OsErrorKind::EmmcBoot { .. }
            | OsErrorKind::NoDisk { .. }
            | OsErrorKind::SeveralDisks { .. } => Class::Disk,
        }
    }
}

const fn class_of(errno: Errno) -> Class {
    match errno {
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => Class::NoSpace,
        Errno::BUSY | Errno::TXTBSY => Class::Busy,
        Errno::ACCESS | Errno::PERM | Errno::ROFS => Class::Denied,
        Errno::NOENT | Errno::NOTDIR | Errno::ISDIR | Errno::NXIO | Errno::NODEV | Errno::LOOP => Class::Disk,
        _ => Class::Io,
    }
}

impl fmt::Display for OsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.kind {
            OsErrorKind::Call { act, errno } => write!(f, "cannot {act} {path}: {}", io::Error::from(*errno)),
            OsErrorKind::Earlier { act, at, errno } => {
                write!(f, "an access made earlier: cannot {act} {path} at byte {at}: {}", io::Error::from(*errno))
            }
            OsErrorKind::File { act, why } => write!(f, "cannot {act} {path}: {why}"),
            OsErrorKind::Unexpected { wanted } => write!(f, "{path} does not hold {wanted}"),
            OsErrorKind::Ended => write!(f, "{path} ended early: it was made shorter meanwhile"),
            OsErrorKind::NotADisk => write!(f, "{path} is neither a block device nor a file"),
            OsErrorKind::NotAWholeDisk => write!(f, "{path} is a partition, not a whole disk"),
            OsErrorKind::SectorSize { found } => write!(f, "{path} has sectors of {found} bytes, not 512 or 4096"),
            OsErrorKind::SectorSizeDiffers { asked, device } => {
                write!(f, "{path} has sectors of {} bytes, not {}", device.bytes(), asked.bytes())
            }
            OsErrorKind::SectorSizeAmbiguous => write!(f, "{path} has a GPT header for 512 and for 4096-byte sectors"),
            OsErrorKind::OutsideDisk { at, len } => write!(f, "an access of {len} bytes at {at} leaves {path}"),
            OsErrorKind::OpenedForReading => write!(f, "{path} was opened for reading only"),
            OsErrorKind::BootedSlot { slot } => write!(f, "a write to {path} would touch the booted slot {slot}"),
            OsErrorKind::NodeDiffers { table, kernel } => write!(
                f,
                "the kernel has {path} at byte {} with {}, the partition table at byte {} with {}",
                kernel.0, kernel.1, table.0, table.1
            ),
            OsErrorKind::LoaderStore { why } => write!(f, "cannot use the boot loader's store {path}: {why}"),
            OsErrorKind::EmmcBoot { why } => write!(f, "cannot bring the boot loader to {path}: {why}"),
            OsErrorKind::InUse { by } => write!(f, "{path} is in use: {by}"),
            OsErrorKind::Locked { by } => write!(f, "{path} is locked by {by}"),
            OsErrorKind::NoDisk { others } if others.is_empty() => {
                write!(f, "no disk under {path} matches the profile")
            }
            OsErrorKind::NoDisk { others } => {
                write!(f, "no disk under {path} matches the profile ({})", others.join("; "))
            }
            OsErrorKind::SeveralDisks { found } => {
                write!(f, "several disks match the profile:")?;
                found.iter().try_for_each(|disk| write!(f, " {}", disk.display()))
            }
        }
    }
}

impl core::error::Error for OsError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.kind {
            OsErrorKind::Call { errno, .. } | OsErrorKind::Earlier { errno, .. } => Some(errno),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_follows_from_the_errno() {
        let class = |errno| OsError::call(Path::new("/x"), "write", errno).class();
        assert_eq!(class(Errno::NOSPC), Class::NoSpace);
        assert_eq!(class(Errno::IO), Class::Io);
        assert_eq!(class(Errno::BUSY), Class::Busy);
        assert_eq!(class(Errno::ROFS), Class::Denied);
        assert_eq!(class(Errno::NOENT), Class::Disk);
    }

    #[test]
    fn a_failed_call_names_act_path_and_answer() {
        let error = OsError::io(Path::new("/x"), "open", &io::Error::from_raw_os_error(2));
        assert_eq!(error.to_string(), "cannot open /x: No such file or directory (os error 2)");
        assert_eq!(error.errno(), Some(Errno::NOENT));
    }
}
