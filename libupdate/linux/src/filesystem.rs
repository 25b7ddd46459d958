//! A file system of an image: which one it is, by its magic, its mount, and a file inside. Read-only, always.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::mount::{MountFlags, UnmountFlags};

/// Bytes that hold every magic.
const PROBE_BYTES: usize = 4096;

/// A file system that an image may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileSystem {
    /// "hsqs" at 0.
    Squashfs,
    /// 0xE0F5E1E2 at 1024.
    Erofs,
    /// 0xEF53 at 1080; ext2 and ext3, too, which the same driver mounts.
    Ext4,
}

impl FileSystem {
    /// Looks for a magic.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<Self> {
        let has = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
        if has(0, b"hsqs") {
            Some(Self::Squashfs)
        } else if has(1024, &0xe0f5_e1e2_u32.to_le_bytes()) {
            Some(Self::Erofs)
        } else if has(1080, &0xef53_u16.to_le_bytes()) {
            Some(Self::Ext4)
        } else {
            None
        }
    }

    /// Its name for the kernel.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Squashfs => "squashfs",
            Self::Erofs => "erofs",
            Self::Ext4 => "ext4",
        }
    }
}

/// What counts in a mounted image besides that nothing is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rights {
    /// The image's own; no device nodes. It is a root.
    Root,
    /// No device nodes, and no rights of programs either.
    None,
}

/// Mounts what `node` holds. The folder is made where it is missing.
///
/// # Errors
/// What the system says, or that no known file system is there.
pub fn mount(node: &Path, at: &Path, rights: Rights) -> io::Result<FileSystem> {
    let mut head = Vec::new();
    File::open(node)?.take(PROBE_BYTES.try_into().unwrap_or(u64::MAX)).read_to_end(&mut head)?;
    let unknown = || io::Error::other("it holds neither squashfs nor erofs nor ext4");
    let kind = FileSystem::of(&head).ok_or_else(unknown)?;
    if rights == Rights::None && kind == FileSystem::Ext4 {
        return Err(io::Error::other("it holds ext4, and neither squashfs nor erofs"));
    }
    std::fs::create_dir_all(at)?;
    // A journal that is not replayed: the device cannot be written, and the image was clean when it was signed.
    let options = (kind == FileSystem::Ext4).then_some(c"noload");
    let nosuid = if rights == Rights::None { MountFlags::NOSUID } else { MountFlags::empty() };
    rustix::mount::mount(node, at, kind.name(), MountFlags::RDONLY | MountFlags::NODEV | nosuid, options)?;
    Ok(kind)
}

/// Takes a mount away, now or when its last user is gone.
pub fn unmount(at: &Path) {
    // The slot is passed over either way.
    rustix::mount::unmount(at, UnmountFlags::DETACH).unwrap_or_default();
}

/// Opens a file of a tree; links lead nowhere else.
///
/// # Errors
/// What the system says.
pub fn open_inside(root: &Path, path: &Path, how: OFlags) -> io::Result<File> {
    let root = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let file = rustix::fs::openat2(root, path, how | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::IN_ROOT)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(at: usize, magic: &[u8]) -> Vec<u8> {
        let mut head = vec![0; PROBE_BYTES];
        head[at..at + magic.len()].copy_from_slice(magic);
        head
    }

    #[test]
    fn each_magic_is_known_and_nothing_else() {
        assert_eq!(FileSystem::of(&with(0, b"hsqs")), Some(FileSystem::Squashfs));
        assert_eq!(FileSystem::of(&with(1024, &[0xe2, 0xe1, 0xf5, 0xe0])), Some(FileSystem::Erofs));
        assert_eq!(FileSystem::of(&with(1080, &[0x53, 0xef])), Some(FileSystem::Ext4));
        assert_eq!(FileSystem::of(&with(1, b"hsqs")), None);
        assert_eq!(FileSystem::of(b""), None);
        assert_eq!(FileSystem::of(b"hsq"), None);
    }
}
