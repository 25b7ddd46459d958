//! One overlay over a folder of the system that runs: layers of packs above the folder as its image has it.
//!
//! ```text
//!  /usr                      overlay, read-only: lowerdir = PACK : PACK : .. : base
//!  /run/updater/base/usr     the folder without it, bound aside before the first overlay came
//!  /run/updater/merge        a new overlay, for the moment before it takes its place
//! ```
//! 1. An overlay is made of the base, never of another overlay of ours: the kernel stacks two file systems and no more.
//! 2. A change is a new overlay, made in full before the old one goes. On Linux 6.5 and later it is put beneath the old one, which is then taken from
//!    above it: no look-up sees anything else. Before that the base is seen for the moment between two calls.
//! 3. Who has a file of the old one open keeps it: unmounted lazily.
//! 4. Where the boot hook has laid memory over the whole root, the base is the image below that.

use std::ffi::CString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use libupdate::units::limits::SYSTEM_BYTES;
use rustix::fs::{CWD, StatVfsMountFlags, statvfs};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount, mount_bind, mount_change,
    move_mount, open_tree, unmount,
};

use crate::file;

/// What our overlays are called in the table of mounts.
const SOURCE: &str = "updater-packs";
const BASE: &str = "/run/updater/base";
const MERGE: &str = "/run/updater/merge";
/// Where the hook keeps the image that it has laid memory over.
const IMAGE: &str = "/run/updater/image";
const MOUNTS: &str = "/proc/self/mountinfo";
/// `MOVE_MOUNT_BENEATH` of linux/mount.h.
const BENEATH: MoveMountFlags = MoveMountFlags::from_bits_retain(0x200);

/// A mount, as the kernel lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mount {
    /// Where it is.
    pub at: PathBuf,
    /// Kind of its file system.
    pub kind: String,
    /// Its source.
    pub source: String,
}

/// All mounts, in the order in which they came.
///
/// # Errors
/// What the system says.
pub fn mounts() -> io::Result<Vec<Mount>> {
    let text = file::read(Path::new(MOUNTS), SYSTEM_BYTES)?;
    Ok(listed(&String::from_utf8_lossy(&text)))
}

/// By proc(5): the fifth field, and the two after the dash.
fn listed(text: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let at = PathBuf::from(line.split(' ').nth(4)?.replace("\\040", " "));
        let mut after = line.split_once(" - ")?.1.split(' ');
        Some(Mount { at, kind: after.next()?.to_owned(), source: after.next()?.to_owned() })
    };
    text.lines().filter_map(mount).collect()
}

/// The mount that is seen at `at`: the last one there.
#[must_use]
pub fn seen<'m>(mounts: &'m [Mount], at: &Path) -> Option<&'m Mount> {
    mounts.iter().rfind(|mount| mount.at == at)
}

/// A folder of the system that packs are laid over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    name: &'static str,
    at: PathBuf,
}

impl Place {
    /// `usr` or `opt`.
    #[must_use]
    pub fn of(name: &'static str) -> Self {
        Self { name, at: Path::new("/").join(name) }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether an overlay of ours is seen there.
    ///
    /// # Errors
    /// What the system says.
    pub fn is_merged(&self) -> io::Result<bool> {
        Ok(is_ours(&mounts()?, &self.at))
    }

    /// Where the folder is seen without packs.
    #[must_use]
    pub fn base(&self) -> PathBuf {
        let aside = Path::new(BASE).join(self.name);
        if mounts().is_ok_and(|mounts| seen(&mounts, &aside).is_some()) { aside } else { self.at.clone() }
    }

    /// Lays these folders over the base, the first one on top, instead of what we had laid over it. Without any, the base is seen again.
    ///
    /// # Errors
    /// What the system says; the old overlay is then still seen, or, if the last step failed, the base.
    pub fn lay(&self, layers: &[PathBuf]) -> io::Result<()> {
        let merged = self.is_merged()?;
        if layers.is_empty() {
            // A process that was killed may have left two.
            while self.is_merged()? {
                unmount(&self.at, UnmountFlags::DETACH)?;
            }
            return Ok(());
        }
        self.nothing_below()?;
        let base = self.keep_base(merged)?;
        let new = self.made(layers, &base)?;
        let plain = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        if merged {
            match move_mount(&new, "", CWD, &self.at, plain | BENEATH) {
                // The old one is above it.
                Ok(()) => return Ok(unmount(&self.at, UnmountFlags::DETACH)?),
                // A kernel before 6.5.
                Err(Errno::INVAL) => unmount(&self.at, UnmountFlags::DETACH)?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(move_mount(&new, "", CWD, &self.at, plain)?)
    }

    /// Whether an overlay could be laid over it: nothing is changed.
    ///
    /// # Errors
    /// Why not.
    pub fn can_be_laid_over(&self, layers: &[PathBuf]) -> io::Result<()> {
        if !fs::symlink_metadata(&self.at).is_ok_and(|facts| facts.is_dir()) {
            return Err(io::Error::other(format!("{} is no folder in this system", self.at.display())));
        }
        self.nothing_below()?;
        let base = self.keep_base(self.is_merged()?)?;
        self.made(layers, &base).map(drop)
    }

    /// A mount inside would be hidden.
    fn nothing_below(&self) -> io::Result<()> {
        match mounts()?.iter().find(|mount| mount.at != self.at && mount.at.starts_with(&self.at)) {
            Some(mount) => Err(io::Error::other(format!("{} is mounted inside of it", mount.at.display()))),
            None => Ok(()),
        }
    }

    fn keep_base(&self, merged: bool) -> io::Result<PathBuf> {
        let (aside, mounts) = (Path::new(BASE).join(self.name), mounts()?);
        if seen(&mounts, &aside).is_some() {
            return Ok(aside);
        }
        if merged {
            return Err(io::Error::other(format!("{} is gone, which it was made of", aside.display())));
        }
        let image = Path::new(IMAGE).join(self.name);
        let hooks = seen(&mounts, Path::new("/")).is_some_and(|root| root.kind == "overlay")
            && seen(&mounts, Path::new(IMAGE)).is_some();
        let from = if hooks && image.is_dir() { &image } else { &self.at };
        fs::create_dir_all(&aside)?;
        mount_bind(from, &aside)?;
        // What is mounted at one place of a shared mount is mounted at all of them: the overlay would come here, too.
        mount_change(&aside, MountPropagationFlags::PRIVATE).inspect_err(|_| {
            unmount(&aside, UnmountFlags::DETACH).unwrap_or_default();
        })?;
        Ok(aside)
    }

    /// A new overlay that is nowhere yet.
    fn made(&self, layers: &[PathBuf], base: &Path) -> io::Result<rustix::fd::OwnedFd> {
        let all: Vec<String> =
            layers.iter().map(PathBuf::as_path).chain([base]).map(|path| path.display().to_string()).collect();
        let options = CString::new(format!("lowerdir={}", all.join(":")))?;
        let rights = statvfs(base)?.f_flag;
        let mut flags = MountFlags::RDONLY;
        flags.set(MountFlags::NODEV, rights.contains(StatVfsMountFlags::NODEV));
        flags.set(MountFlags::NOSUID, rights.contains(StatVfsMountFlags::NOSUID));
        fs::create_dir_all(MERGE)?;
        // What a process has left that was killed here.
        unmount(MERGE, UnmountFlags::DETACH).unwrap_or_default();
        mount(SOURCE, MERGE, "overlay", flags, Some(options.as_c_str()))?;
        let free = open_tree(CWD, MERGE, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC);
        unmount(MERGE, UnmountFlags::DETACH)?;
        Ok(free?)
    }
}

fn is_ours(mounts: &[Mount], at: &Path) -> bool {
    seen(mounts, at).is_some_and(|mount| mount.kind == "overlay" && mount.source == SOURCE)
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::Command;

    use super::*;

    #[test]
    fn the_last_mount_at_a_place_is_seen() {
        let text = "22 27 0:21 / /usr rw shared:1 - erofs /dev/dm-0 ro\n30 22 0:30 / /usr ro - overlay updater-packs ro,lowerdir=a:b\n\
                    31 1 0:31 / /a\\040b rw - tmpfs x rw\ntorn";
        let mounts = listed(text);
        assert_eq!(mounts.len(), 3);
        assert!(is_ours(&mounts, Path::new("/usr")) && !is_ours(&mounts[..1], Path::new("/usr")));
        assert_eq!(seen(&mounts, Path::new("/a b")).unwrap().source, "x");
        assert_eq!(seen(&mounts, Path::new("/opt")), None);
    }

    /// In a mount namespace of its own: this very test in another process.
    #[test]
    fn layers_are_replaced_and_leave_nothing_behind() {
        const ROLE: &str = "LIBUPDATE_OVERLAY_TEST";
        if env::var_os(ROLE).is_some() {
            return lay_and_look();
        }
        if !rustix::process::geteuid().is_root() {
            return;
        }
        for propagation in ["private", "shared"] {
            let mut command = Command::new("unshare");
            command.args(["--mount", "--propagation", propagation, "sh", "-ec"]);
            // Shared among its own kind, not with the machine that tests.
            command.arg("mount --make-rprivate /; [ $1 = private ] || mount --make-rshared /; mount -t tmpfs t /run; shift; exec \"$@\"");
            command.args(["sh", propagation]).arg(env::current_exe().unwrap());
            command.args(["--exact", "overlay::tests::layers_are_replaced_and_leave_nothing_behind"]).env(ROLE, "1");
            let done = command.output().unwrap();
            assert!(done.status.success(), "{propagation}: {}", String::from_utf8_lossy(&done.stdout));
        }
    }

    fn lay_and_look() {
        let usr = Place::of("usr");
        let pack = |name: &str| {
            let folder = Path::new("/run/packs").join(name).join("usr");
            fs::create_dir_all(folder.join("share")).unwrap();
            fs::write(folder.join("share/updater-test"), name).unwrap();
            fs::write(folder.join("share").join(format!("updater-{name}")), name).unwrap();
            folder
        };
        let (one, two) = (pack("one"), pack("two"));
        let read = || fs::read_to_string("/usr/share/updater-test").ok();
        let count = || mounts().unwrap().len();
        let before = count();
        assert!(Path::new("/usr/bin/env").exists() && !usr.is_merged().unwrap());
        usr.lay(std::slice::from_ref(&one)).unwrap();
        assert_eq!((read().as_deref(), usr.is_merged().unwrap()), (Some("one"), true));
        assert!(Path::new("/usr/bin/env").exists());
        // The base, and the overlay.
        assert_eq!(count(), before + 2);
        for _ in 0..100 {
            usr.lay(&[two.clone(), one.clone()]).unwrap();
            assert_eq!(read().as_deref(), Some("two"));
            assert!(Path::new("/usr/share/updater-one").exists());
            usr.lay(std::slice::from_ref(&one)).unwrap();
            assert!(!Path::new("/usr/share/updater-two").exists());
        }
        assert_eq!(count(), before + 2);
        usr.lay(&[]).unwrap();
        assert_eq!((read(), usr.is_merged().unwrap(), count()), (None, false, before + 1));
        assert!(usr.lay(&[Path::new("/run/nowhere").to_owned()]).is_err());
        assert_eq!((read(), count()), (None, before + 1));
        usr.lay(&[one]).unwrap();
        assert_eq!(read().as_deref(), Some("one"));
        assert!(fs::write("/usr/share/updater-test", "x").is_err(), "it is read-only");
        assert!(!usr.base().join("share/updater-test").exists());
    }
}
