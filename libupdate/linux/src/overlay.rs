//! One overlay over a folder of the system that runs: layers above the folder as its image has it, and below it.
//!
//! ```text
//!  /usr                      overlay: [upperdir :] ABOVE : ABOVE : .. : base [: BELOW]
//!  /run/updater/base/usr     the folder without it, bound aside before the first overlay came
//!  /run/updater/merge        a new overlay, for the moment before it takes its place
//! ```
//! 1. An overlay is made of the base, never of another overlay of ours: the kernel stacks two file systems and no more.
//! 2. A change is a new overlay, made in full before the old one goes. On Linux 6.5 and later it is put beneath the old one, which is then taken from
//!    above it: no look-up sees anything else. Before that the base is seen for the moment between two calls.
//! 3. Who has a file of the old one open keeps it: unmounted lazily. One that could be written is made read-only first, so that nobody writes past the new
//!    one; who has a file open for writing keeps it from being changed.
//! 4. Where the boot hook has laid memory over the whole root, the base is the image below that.
//! 5. What is mounted inside of the folder is mounted inside of the overlay, too.

use std::ffi::CString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, StatVfsMountFlags, statvfs};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount, mount_bind, mount_change,
    mount_remount, move_mount, open_tree, unmount,
};

use crate::ioctl;
use crate::mounts::{self, Mount, seen};

/// What our overlays are called in the table of mounts.
const SOURCE: &str = "updater-live";
/// What those of systemd-sysext and systemd-confext are called.
const OTHERS: [&str; 2] = ["sysext", "confext"];
const BASE: &str = "/run/updater/base";
const MERGE: &str = "/run/updater/merge";
/// Where the hook keeps the image that it has laid memory over.
const IMAGE: &str = "/run/updater/image";
/// `MOVE_MOUNT_BENEATH` of linux/mount.h.
const BENEATH: MoveMountFlags = MoveMountFlags::from_bits_retain(0x200);
/// Nothing that a layer says of other layers is followed: neither of where a folder was, nor of files without content.
const PLAIN: &str = "redirect_dir=nofollow,index=off,metacopy=off";

/// What is laid over a folder, and under it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Layers {
    /// Where changes go; `None`: nothing can be written.
    pub upper: Option<Upper>,
    /// Above the folder, the first one on top.
    pub above: Vec<PathBuf>,
    /// Below it: seen where the folder has nothing.
    pub below: Vec<PathBuf>,
    /// No program in it has rights of its own.
    pub nosuid: bool,
}

/// The layer that changes go to. Both folders are on one file system that can be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Upper {
    /// The layer.
    pub upper: PathBuf,
    /// An empty folder for the kernel.
    pub work: PathBuf,
}

impl Layers {
    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.upper.is_none() && self.above.is_empty() && self.below.is_empty()
    }

    fn options(&self, base: &Path) -> String {
        let lower =
            self.above.iter().map(PathBuf::as_path).chain([base]).chain(self.below.iter().map(PathBuf::as_path));
        let lower: Vec<String> = lower.map(|path| path.display().to_string()).collect();
        let upper = self
            .upper
            .as_ref()
            .map(|Upper { upper, work }| format!(",upperdir={},workdir={}", upper.display(), work.display()));
        format!("lowerdir={}{},{PLAIN}", lower.join(":"), upper.unwrap_or_default())
    }

    /// The same, with nothing that could be written: to try whether it could be laid.
    fn frozen(&self) -> Self {
        let upper = self.upper.iter().map(|upper| upper.upper.clone());
        Self { upper: None, above: upper.chain(self.above.iter().cloned()).collect(), ..self.clone() }
    }
}

/// A folder of the system that layers are laid over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    name: &'static str,
    at: PathBuf,
}

impl Place {
    /// `usr`, `opt` or `etc`.
    #[must_use]
    pub fn of(name: &'static str) -> Self {
        Self { name, at: Path::new("/").join(name) }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Where it is.
    #[must_use]
    pub fn at(&self) -> &Path {
        &self.at
    }

    /// Whether an overlay of ours is seen there.
    ///
    /// # Errors
    /// What the system says.
    pub fn is_merged(&self) -> io::Result<bool> {
        Ok(is_ours(&mounts::all()?, &self.at))
    }

    /// Whether another program has laid something there.
    ///
    /// # Errors
    /// What the system says.
    pub fn is_another_programs(&self) -> io::Result<bool> {
        Ok(self.nobody_elses(&mounts::all()?).is_err())
    }

    /// Where the folder is seen without layers.
    #[must_use]
    pub fn base(&self) -> PathBuf {
        let aside = Path::new(BASE).join(self.name);
        if mounts::all().is_ok_and(|mounts| seen(&mounts, &aside).is_some()) { aside } else { self.at.clone() }
    }

    /// Lays these over and under the base, instead of what we had laid. Without any, the base is seen again.
    ///
    /// # Errors
    /// What the system says, [`io::ErrorKind::ResourceBusy`] where a file of the old one is open for writing; the old overlay is then still seen, or,
    /// if the last step failed, the base.
    pub fn lay(&self, layers: &Layers) -> io::Result<()> {
        let mounts = mounts::all()?;
        let merged = is_ours(&mounts, &self.at);
        if layers.is_empty() && !merged {
            return Ok(());
        }
        self.nobody_elses(&mounts)?;
        let flags = if merged { self.rights(&self.at, false)? } else { MountFlags::empty() };
        let open = merged && !statvfs(&self.at)?.f_flag.contains(StatVfsMountFlags::RDONLY);
        if open {
            mount_remount(&self.at, flags | MountFlags::RDONLY, "")?;
        }
        let laid = if layers.is_empty() { self.bare(&mounts) } else { self.replaced(merged, layers, &mounts) };
        laid.inspect_err(|_| {
            if open && self.is_merged().unwrap_or(false) {
                mount_remount(&self.at, flags, "").unwrap_or_default();
            }
        })
    }

    /// Whether an overlay could be laid over it: nothing is changed.
    ///
    /// # Errors
    /// Why not.
    pub fn can_be_laid_over(&self, layers: &Layers) -> io::Result<()> {
        if !fs::symlink_metadata(&self.at).is_ok_and(|facts| facts.is_dir()) {
            return Err(io::Error::other(format!("{} is no folder in this system", self.at.display())));
        }
        let mounts = mounts::all()?;
        self.nobody_elses(&mounts)?;
        let base = self.keep_base(is_ours(&mounts, &self.at), &mounts)?;
        self.made(&layers.frozen(), &base, &mounts).map(drop)
    }

    /// Takes away what we had laid.
    fn bare(&self, mounts: &[Mount]) -> io::Result<()> {
        // What was carried in is mounted in the base, too: such a place is listed twice.
        let listed = |at: &Path| mounts.iter().filter(|mount| mount.at == at).count();
        if let Some(mount) = self.inside(mounts).into_iter().find(|mount| listed(mount) < 2) {
            let why = format!("{} was mounted inside of it since, and would go with it", mount.display());
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, why));
        }
        // A process that was killed may have left two.
        while self.is_merged()? {
            unmount(&self.at, UnmountFlags::DETACH)?;
        }
        Ok(())
    }

    fn replaced(&self, merged: bool, layers: &Layers, mounts: &[Mount]) -> io::Result<()> {
        let base = self.keep_base(merged, mounts)?;
        let new = self.made(layers, &base, mounts)?;
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

    /// What another program has laid there is not to be hidden.
    fn nobody_elses(&self, mounts: &[Mount]) -> io::Result<()> {
        let others = |mount: &&Mount| mount.kind == "overlay" && OTHERS.contains(&mount.source.as_str());
        match seen(mounts, &self.at).filter(others) {
            Some(mount) => {
                let why = format!("systemd-{} has merged extensions there, which are not the updater's", mount.source);
                Err(io::Error::other(why))
            }
            None => Ok(()),
        }
    }

    /// Places of what is mounted inside, each once, the outer ones first.
    fn inside(&self, mounts: &[Mount]) -> Vec<PathBuf> {
        let inside = mounts.iter().filter(|mount| mount.at != self.at && mount.at.starts_with(&self.at));
        let mut inside: Vec<PathBuf> = inside.map(|mount| mount.at.clone()).collect();
        inside.sort();
        inside.dedup();
        inside
    }

    fn keep_base(&self, merged: bool, mounts: &[Mount]) -> io::Result<PathBuf> {
        let aside = Path::new(BASE).join(self.name);
        if seen(mounts, &aside).is_some() {
            return Ok(aside);
        }
        if merged {
            return Err(io::Error::other(format!("{} is gone, which it was made of", aside.display())));
        }
        let image = Path::new(IMAGE).join(self.name);
        let hooks = seen(mounts, Path::new("/")).is_some_and(|root| root.kind == "overlay")
            && seen(mounts, Path::new(IMAGE)).is_some();
        let from = if hooks && image.is_dir() { &image } else { &self.at };
        fs::create_dir_all(&aside)?;
        mount_bind(from, &aside)?;
        // What is mounted at one place of a shared mount is mounted at all of them: the overlay would come here, too.
        mount_change(&aside, MountPropagationFlags::PRIVATE).inspect_err(|_| {
            unmount(&aside, UnmountFlags::DETACH).unwrap_or_default();
        })?;
        Ok(aside)
    }

    /// A new overlay that is nowhere yet, with what is mounted inside.
    fn made(&self, layers: &Layers, base: &Path, mounts: &[Mount]) -> io::Result<rustix::fd::OwnedFd> {
        let options = CString::new(layers.options(base))?;
        let mut flags = self.rights(base, layers.nosuid)?;
        flags.set(MountFlags::RDONLY, layers.upper.is_none());
        fs::create_dir_all(MERGE)?;
        // What a process has left that was killed here.
        unmount(MERGE, UnmountFlags::DETACH).unwrap_or_default();
        mount(SOURCE, MERGE, "overlay", flags, Some(options.as_c_str()))?;
        let free = self.carried(mounts).and_then(|()| {
            let whole = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
            Ok(open_tree(CWD, MERGE, whole)?)
        });
        unmount(MERGE, UnmountFlags::DETACH)?;
        free
    }

    fn carried(&self, mounts: &[Mount]) -> io::Result<()> {
        mount_change(MERGE, MountPropagationFlags::PRIVATE)?;
        for from in self.inside(mounts) {
            let inside = from.strip_prefix(&self.at).map_err(io::Error::other)?;
            let told = |error: Errno| {
                io::Error::other(format!(
                    "{} is mounted inside of it, and cannot be there again: {error}",
                    from.display()
                ))
            };
            mount_bind(&from, Path::new(MERGE).join(inside)).map_err(told)?;
        }
        Ok(())
    }

    /// Rights as the folder at `of` has them; device nodes never.
    fn rights(&self, of: &Path, nosuid: bool) -> io::Result<MountFlags> {
        let nosuid = nosuid || statvfs(of)?.f_flag.contains(StatVfsMountFlags::NOSUID);
        Ok(MountFlags::NODEV | if nosuid { MountFlags::NOSUID } else { MountFlags::empty() })
    }
}

/// Gives this thread mounts of its own: what is laid from now on, only it and what it executes sees.
///
/// # Errors
/// What the system says.
pub fn apart() -> io::Result<()> {
    ioctl::own_mounts()?;
    Ok(mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?)
}

fn is_ours(mounts: &[Mount], at: &Path) -> bool {
    seen(mounts, at).is_some_and(|mount| mount.kind == "overlay" && mount.source == SOURCE)
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::Command;

    use super::*;

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
        let count = || mounts::all().unwrap().len();
        let before = count();
        assert!(Path::new("/usr/bin/env").exists() && !usr.is_merged().unwrap());
        usr.lay(&above(std::slice::from_ref(&one))).unwrap();
        assert_eq!((read().as_deref(), usr.is_merged().unwrap()), (Some("one"), true));
        assert!(Path::new("/usr/bin/env").exists());
        // The base, and the overlay.
        assert_eq!(count(), before + 2);
        for _ in 0..100 {
            usr.lay(&above(&[two.clone(), one.clone()])).unwrap();
            assert_eq!(read().as_deref(), Some("two"));
            assert!(Path::new("/usr/share/updater-one").exists());
            usr.lay(&above(std::slice::from_ref(&one))).unwrap();
            assert!(!Path::new("/usr/share/updater-two").exists());
        }
        assert_eq!(count(), before + 2);
        usr.lay(&Layers::default()).unwrap();
        assert_eq!((read(), usr.is_merged().unwrap(), count()), (None, false, before + 1));
        assert!(usr.lay(&above(&[Path::new("/run/nowhere").to_owned()])).is_err());
        assert_eq!((read(), count()), (None, before + 1));
        usr.lay(&above(&[one])).unwrap();
        assert_eq!(read().as_deref(), Some("one"));
        assert!(fs::write("/usr/share/updater-test", "x").is_err(), "it is read-only");
        assert!(!usr.base().join("share/updater-test").exists());
        usr.lay(&Layers::default()).unwrap();
        written_and_changed(&usr);
        what_is_below(&usr);
        carried_in(&usr);
    }

    fn above(layers: &[PathBuf]) -> Layers {
        Layers { above: layers.to_vec(), ..Layers::default() }
    }

    fn upper() -> Upper {
        let (upper, work) = (PathBuf::from("/run/own/upper"), PathBuf::from("/run/own/work"));
        [&upper, &work].iter().for_each(|folder| fs::create_dir_all(folder).unwrap());
        Upper { upper, work }
    }

    /// What is written goes to the upper layer alone; a change waits for nobody who reads, and is refused to who writes.
    fn written_and_changed(usr: &Place) {
        let layers = Layers { upper: Some(upper()), ..Layers::default() };
        let file = Path::new("/usr/share/updater-test");
        usr.lay(&layers).unwrap();
        fs::write(file, "changed").unwrap();
        assert!(
            Path::new("/run/own/upper/share/updater-test").exists() && !usr.base().join("share/updater-test").exists()
        );
        let open = fs::OpenOptions::new().append(true).open(file).unwrap();
        assert_eq!(usr.lay(&Layers::default()).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        fs::write(file, "still").unwrap();
        drop(open);
        let reads = fs::File::open(file).unwrap();
        let frozen = layers.frozen();
        usr.lay(&frozen).unwrap();
        assert_eq!(fs::read_to_string(file).unwrap(), "still");
        assert!(fs::write(file, "x").is_err());
        usr.lay(&layers).unwrap();
        fs::write(file, "again").unwrap();
        let mut failing = layers;
        failing.above.push(PathBuf::from("/run/nowhere"));
        assert!(usr.lay(&failing).is_err());
        fs::write(file, "as before").unwrap();
        usr.lay(&Layers::default()).unwrap();
        assert!(!file.exists() && reads.metadata().is_ok());
    }

    fn what_is_below(usr: &Place) {
        let below = Path::new("/run/below");
        fs::create_dir_all(below.join("bin")).unwrap();
        for name in ["bin/env", "bin/updater-new"] {
            fs::write(below.join(name), "new").unwrap();
        }
        usr.lay(&Layers { below: vec![below.to_owned()], ..Layers::default() }).unwrap();
        assert_eq!(fs::read_to_string("/usr/bin/updater-new").unwrap(), "new");
        assert!(fs::metadata("/usr/bin/env").unwrap().len() > 3);
        usr.lay(&Layers::default()).unwrap();
    }

    /// What is mounted inside before stays seen; what was mounted inside since keeps the overlay from going.
    fn carried_in(usr: &Place) {
        let layers = above(&[PathBuf::from("/run/packs/one/usr")]);
        rustix::mount::mount("t", "/usr/share", "tmpfs", MountFlags::empty(), None).unwrap();
        fs::write("/usr/share/inside", "x").unwrap();
        usr.lay(&layers).unwrap();
        assert!(Path::new("/usr/share/inside").exists());
        rustix::mount::mount("t", "/usr/lib", "tmpfs", MountFlags::empty(), None).unwrap();
        assert_eq!(usr.lay(&Layers::default()).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        unmount("/usr/lib", UnmountFlags::empty()).unwrap();
        usr.lay(&Layers::default()).unwrap();
        assert!(Path::new("/usr/share/inside").exists());
        rustix::mount::mount(
            "sysext",
            "/usr",
            "overlay",
            MountFlags::RDONLY,
            Some(c"lowerdir=/run/packs/one/usr:/run/packs/two/usr"),
        )
        .unwrap();
        assert!(usr.lay(&layers).unwrap_err().to_string().contains("systemd-sysext has merged"));
        unmount("/usr", UnmountFlags::DETACH).unwrap();
    }
}
