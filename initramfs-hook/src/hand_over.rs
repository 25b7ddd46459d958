//! The end of the hook: another program, or another kernel, takes over.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use libupdate_linux::profile::boot::{SlotKernel, Start};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use rustix::system::RebootCommand;

use crate::kernel;
use crate::say::say;
use crate::slot_kernel::Loadable;
use libupdate_linux::filesystem::open_inside;

/// Where the kernel itself looks for init.
const INITS: [&str; 4] = ["/sbin/init", "/etc/init", "/bin/init", "/bin/sh"];
/// Mounts that move along.
const MOVED: [&str; 4] = ["/dev", "/proc", "/sys", "/run"];

/// What runs in the slot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Next {
    /// The first of these programs that is there.
    Init(Vec<PathBuf>),
    /// A kernel of its own.
    Kernel(SlotKernel),
}

impl Next {
    /// What the profile and the command line ask for.
    pub fn of(start: &Start, asked: Option<&Path>) -> Self {
        match (start, asked) {
            (Start::Kexec(wanted), _) => Self::Kernel(wanted.clone()),
            (Start::SwitchRoot, Some(asked)) => Self::Init(vec![asked.to_owned()]),
            (Start::SwitchRoot, None) => Self::Init(INITS.map(PathBuf::from).to_vec()),
        }
    }

    /// Role of the payload that is read as a whole, and so checked as a whole first.
    pub fn payload(&self) -> Option<&str> {
        match self {
            Self::Init(_) => None,
            Self::Kernel(wanted) => wanted.payload.as_deref(),
        }
    }
}

/// Whether the mounted root has one of these programs.
///
/// # Errors
/// What is missing, in words.
pub fn has_init(root: &Path, inits: &[PathBuf]) -> Result<(), String> {
    match inits {
        [first, ..] if !inits.iter().any(|init| open_inside(root, init, OFlags::PATH).is_ok()) => {
            Err(format!("no {}", first.display()))
        }
        _ => Ok(()),
    }
}

/// Makes `root` the root of everything and runs its init as this process. Returns only where that fails.
pub fn switch_root(root: &Path, inits: &[PathBuf], arguments: &[OsString]) -> io::Error {
    let Err(error) = enter(root).map(|()| {
        let there = inits.iter().find(|init| init.exists()).or(inits.first());
        there.map(|init| kernel::exec(init, arguments))
    }) else {
        return io::Error::other("no init could be run");
    };
    error
}

fn enter(root: &Path) -> io::Result<()> {
    for mount in MOVED {
        let inside = root.join(mount.trim_start_matches('/'));
        let moved = if inside.is_dir() {
            rustix::mount::mount_move(mount, &inside)
        } else {
            say!("the root has no {mount}: what is mounted there is lost");
            rustix::mount::unmount(mount, UnmountFlags::DETACH)
        };
        match moved {
            // It could not be mounted, which was told. That is no fault of the slot's.
            Err(Errno::INVAL) => say!("{mount} is not mounted: the system starts without it"),
            answer => answer?,
        }
    }
    rustix::process::chdir(root)?;
    empty_initramfs();
    rustix::mount::mount_move(".", "/")?;
    rustix::process::chroot(".")?;
    Ok(rustix::process::chdir("/")?)
}

/// Gives the initramfs's memory back, where it is one.
fn empty_initramfs() {
    // `RAMFS_MAGIC` and `TMPFS_MAGIC` of linux/magic.h.
    let in_memory = rustix::fs::statfs("/").is_ok_and(|facts| matches!(facts.f_type, 0x8584_58f6 | 0x0102_1994));
    if let (true, Ok(facts)) = (in_memory, fs::metadata("/")) {
        remove_below(Path::new("/"), facts.dev());
    }
}

/// Removes what is on one file system. What cannot be removed only takes memory.
fn remove_below(folder: &Path, device: u64) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(facts) = fs::symlink_metadata(&path) else { continue };
        if facts.dev() != device {
            continue;
        }
        if facts.is_dir() {
            remove_below(&path, device);
            fs::remove_dir(&path).unwrap_or_default();
        } else {
            fs::remove_file(&path).unwrap_or_default();
        }
    }
}

/// Starts the slot's own kernel. Returns only where that fails.
pub fn kexec(kernel: &Loadable, command_line: &[u8]) -> io::Error {
    let load = || {
        kernel::kexec_load(&kernel.kernel, kernel.initrd.as_ref(), command_line)?;
        rustix::system::reboot(RebootCommand::Kexec).map_err(io::Error::from)
    };
    load().err().unwrap_or_else(|| io::Error::other("the kernel came back from kexec"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn inits_are_the_kernels_unless_one_is_asked_for() {
        assert_eq!(Next::of(&Start::SwitchRoot, None), Next::Init(INITS.map(PathBuf::from).to_vec()));
        assert_eq!(Next::of(&Start::SwitchRoot, Some(Path::new("/x"))), Next::Init(vec!["/x".into()]));
        let wanted = SlotKernel { payload: None, kernel: Some("/k".into()), initrd: None, command_line: None };
        assert_eq!(Next::of(&Start::Kexec(wanted.clone()), Some(Path::new("/x"))), Next::Kernel(wanted));
    }

    #[test]
    fn links_are_followed_inside_the_root_only() {
        let root = tempfile::tempdir().unwrap();
        let inits = INITS.map(PathBuf::from);
        let found = || has_init(root.path(), &inits);
        fs::create_dir_all(root.path().join("sbin")).unwrap();
        assert_eq!(found(), Err("no /sbin/init".to_owned()));
        symlink("/bin/sh", root.path().join("sbin/init")).unwrap();
        assert_eq!(found(), Err("no /sbin/init".to_owned()), "the host's /bin/sh is another one");
        fs::create_dir(root.path().join("bin")).unwrap();
        fs::write(root.path().join("bin/sh"), "").unwrap();
        assert_eq!(found(), Ok(()));
    }
}
