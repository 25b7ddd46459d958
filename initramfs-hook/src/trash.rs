//! A file system's content, thrown away: its folders move into one, and are emptied there.
//!
//! ```text
//!  AT/lib/app/data ─► AT/BIN/0/app/data ─► AT/BIN/1/data ─► AT/BIN/2 ─► nothing
//! ```
//! 1. No path has more than three names below `AT`. Whoever may write anywhere in the file system can make folders deeper than a path
//!    may be long, and a removal that goes down into them would never end.
//! 2. Nothing is followed: a link is removed as such. What is mounted below can neither be moved nor removed, and is an error.
//! 3. Files that may not be changed (`chattr +i`) go, too.
//! 4. A cut leaves a part of it. The bin stays, and the next boot goes on.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use rustix::fs::{IFlags, Mode, OFlags};

use crate::watchdog::Watchdog;

/// What a file system has of its own, and keeps.
pub const OF_ITS_OWN: &str = "lost+found";
/// Files that are removed between two feeds of the watchdog.
const BETWEEN_FEEDS: u32 = 64;

/// Removes everything at `at` except the folder `bin` there, which is empty then.
///
/// # Errors
/// What the system says, and of which file.
pub fn empty(at: &Path, bin: &Path, watchdog: &mut Watchdog) -> io::Result<()> {
    let own = at.join(OF_ITS_OWN);
    let mut trash = Trash { bin, number: 0, removed: 0, watchdog };
    for entry in fs::read_dir(at)? {
        let path = entry?.path();
        if path == own && is_folder(&path)? {
            trash.takes_content(&path)?;
        } else if path != bin {
            trash.takes(&path)?;
        }
    }
    loop {
        let inside = fs::read_dir(bin)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
        if inside.is_empty() {
            return Ok(());
        }
        inside.iter().try_for_each(|path| trash.removes(path))?;
    }
}

struct Trash<'t> {
    bin: &'t Path,
    /// Name of the next folder there.
    number: u64,
    removed: u32,
    watchdog: &'t mut Watchdog,
}

impl Trash<'_> {
    /// Removes a file, or moves a folder into the bin.
    fn takes(&mut self, path: &Path) -> io::Result<()> {
        self.removed = self.removed.wrapping_add(1);
        if self.removed.is_multiple_of(BETWEEN_FEEDS) {
            self.watchdog.feed();
        }
        if !is_folder(path)? {
            return insist(path, || fs::remove_file(path));
        }
        loop {
            let to = self.bin.join(self.number.to_string());
            self.number = self.number.wrapping_add(1);
            match insist(path, || fs::rename(path, &to)) {
                // The name is taken, by an earlier boot or by the system.
                Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::NotADirectory) => {}
                answer => return answer,
            }
        }
    }

    fn takes_content(&mut self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            self.takes(&entry?.path())?;
        }
        Ok(())
    }

    /// Removes what is in the bin.
    fn removes(&mut self, path: &Path) -> io::Result<()> {
        if !is_folder(path)? {
            return insist(path, || fs::remove_file(path));
        }
        self.takes_content(path)?;
        insist(path, || fs::remove_dir(path))
    }
}

fn is_folder(path: &Path) -> io::Result<bool> {
    fs::symlink_metadata(path).map(|facts| facts.is_dir())
}

/// Does it, if need be once more without the flags that forbid it.
fn insist(path: &Path, act: impl Fn() -> io::Result<()>) -> io::Result<()> {
    let done = match act() {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            loosen(path);
            path.parent().into_iter().for_each(loosen);
            act()
        }
        answer => answer,
    };
    let name = path.file_name().unwrap_or_default().display();
    done.map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))
}

/// Takes away what makes a file unchangeable. Where that cannot be done, the act itself says why.
fn loosen(path: &Path) {
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::open(path, how, Mode::empty()) else { return };
    if let Ok(flags) = rustix::fs::ioctl_getflags(&file) {
        rustix::fs::ioctl_setflags(&file, flags.difference(IFlags::IMMUTABLE | IFlags::APPEND)).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    /// A file system with a bin, and a place beside it.
    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            let place = Self(tempfile::tempdir().unwrap());
            fs::create_dir_all(place.at().join("bin")).unwrap();
            fs::create_dir(place.at().join(OF_ITS_OWN)).unwrap();
            place
        }

        fn at(&self) -> PathBuf {
            self.0.path().join("at")
        }

        fn emptied(&self) -> io::Result<Vec<String>> {
            empty(&self.at(), &self.at().join("bin"), &mut Watchdog::arm(None))?;
            assert_eq!(fs::read_dir(self.at().join("bin")).unwrap().count(), 0);
            assert_eq!(fs::read_dir(self.at().join(OF_ITS_OWN)).unwrap().count(), 0);
            let names = fs::read_dir(self.at()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<_> = names.collect();
            names.sort();
            Ok(names)
        }
    }

    #[test]
    fn everything_goes_and_no_link_is_followed() {
        let place = Place::new();
        let (at, beside) = (place.at(), place.0.path().join("beside"));
        fs::create_dir(&beside).unwrap();
        fs::write(beside.join("file"), "stays").unwrap();
        for folder in ["lib/a/b", "lib/c", "lost+found/#12/x", "bin/0/left", "bin/1"] {
            fs::create_dir_all(at.join(folder)).unwrap();
            fs::write(at.join(folder).join("file"), "").unwrap();
        }
        for name in ["bin/file", "bin/2"] {
            fs::write(at.join(name), "").unwrap();
        }
        for link in ["link", "lib/a/link", "bin/link", "lost+found/link"] {
            symlink(&beside, at.join(link)).unwrap();
        }
        assert_eq!(place.emptied().unwrap(), ["bin", OF_ITS_OWN]);
        assert_eq!(fs::read_to_string(beside.join("file")).unwrap(), "stays");
    }

    #[test]
    fn folders_deeper_than_a_path_may_be_long_go_too() {
        let place = Place::new();
        let deep = "d".repeat(250);
        // 25 folders are longer than a path may be; the upper half is hung below the lower one.
        let chain = |under: &Path| {
            let path = (0..12).fold(under.to_owned(), |path, _| path.join(&deep));
            fs::create_dir_all(&path).unwrap();
            path
        };
        let at = place.at();
        chain(&at.join("one"));
        let last = chain(&at.join("two"));
        fs::rename(at.join("one"), last.join("more")).unwrap();
        assert_eq!(place.emptied().unwrap(), ["bin", OF_ITS_OWN]);
    }

    /// Where the file system has the flag, and the test may set it.
    #[test]
    fn a_folder_that_may_not_be_changed_goes_too() {
        let place = Place::new();
        let folder = place.at().join("empty");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("file"), "").unwrap();
        let opened = fs::File::open(&folder).unwrap();
        rustix::fs::ioctl_setflags(&opened, IFlags::IMMUTABLE).unwrap_or_default();
        assert_eq!(place.emptied().unwrap(), ["bin", OF_ITS_OWN]);
    }

    #[test]
    fn a_file_system_that_is_mounted_below_stays_as_it_is() {
        let place = Place::new();
        let mounted = place.at().join("mounted");
        fs::create_dir(&mounted).unwrap();
        if !rustix::process::geteuid().is_root() {
            return;
        }
        rustix::mount::mount("tmpfs", &mounted, "tmpfs", rustix::mount::MountFlags::empty(), None).unwrap();
        fs::write(mounted.join("file"), "stays").unwrap();
        let refused = place.emptied();
        let stays = fs::read_to_string(mounted.join("file"));
        rustix::mount::unmount(&mounted, rustix::mount::UnmountFlags::DETACH).unwrap();
        assert!(refused.unwrap_err().to_string().starts_with("mounted: "));
        assert_eq!(stays.unwrap(), "stays");
    }
}
