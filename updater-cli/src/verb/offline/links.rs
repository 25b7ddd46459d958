//! The links that ask a boot for an offline update. Ours lead to our folder; another program's are never touched.
//!
//! | link | who looks for it |
//! |---|---|
//! | `/system-update` | systemd |
//! | `/etc/system-update` | systemd from 254 on |
//! | `/var/lib/updater/system-update` | our generator, `updater-offline-generator`: where neither of those would still be there in the next boot |

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::folder::FOLDER;
use super::place::Place;
use crate::exit::{Exit, Failure};

/// Those of systemd, and our own.
const SYSTEMS: [&str; 2] = ["system-update", "etc/system-update"];
const OWN: &str = "var/lib/updater/system-update";

/// The links below a root.
pub struct Links {
    root: PathBuf,
}

impl Links {
    /// Those of this system.
    pub fn usual() -> Self {
        Self { root: PathBuf::from("/") }
    }

    /// Where a place's link is.
    fn of(&self, place: Place) -> PathBuf {
        self.root.join(match place {
            Place::Root => SYSTEMS[0],
            Place::Etc => SYSTEMS[1],
            Place::Var => OWN,
        })
    }

    /// Another program's request, and what it leads to.
    ///
    /// # Errors
    /// What the system says.
    pub fn foreign(&self) -> io::Result<Option<(PathBuf, PathBuf)>> {
        for path in SYSTEMS.map(|name| self.root.join(name)) {
            match target(&path)? {
                Some(target) if !is_ours(&target) => return Ok(Some((path, target))),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Those that are ours.
    ///
    /// # Errors
    /// What the system says.
    pub fn ours(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for path in SYSTEMS.into_iter().chain([OWN]).map(|name| self.root.join(name)) {
            if target(&path)?.is_some_and(|target| is_ours(&target)) {
                found.push(path);
            }
        }
        Ok(found)
    }

    /// Removes those.
    ///
    /// # Durability
    /// They are gone from the medium when it returns.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove_ours(&self) -> io::Result<Vec<PathBuf>> {
        let ours = self.ours()?;
        for link in &ours {
            fs::remove_file(link)?;
            flush(link)?;
        }
        Ok(ours)
    }

    /// Makes the one of this place.
    ///
    /// # Durability
    /// It is on the medium when it returns.
    ///
    /// # Errors
    /// What the system says, also for something else of that name.
    pub fn make(&self, place: Place) -> io::Result<PathBuf> {
        let link = self.of(place);
        match symlink(FOLDER, &link) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && target(&link)?.is_some_and(|at| is_ours(&at)) => {
            }
            made => made?,
        }
        flush(&link)?;
        Ok(link)
    }
}

/// Whether a link with this target is ours: byte for byte, as the generator compares it. A path would be the same with a slash at its end.
fn is_ours(target: &Path) -> bool {
    target.as_os_str() == FOLDER
}

/// What a link leads to; something that is no link leads to itself.
fn target(path: &Path) -> io::Result<Option<PathBuf>> {
    match fs::read_link(path) {
        Ok(target) => Ok(Some(target)),
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(Some(path.to_owned())),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

fn flush(link: &Path) -> io::Result<()> {
    File::open(link.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Why the links cannot be used.
pub fn unusable(error: &io::Error) -> Failure {
    Failure::new(
        Exit::Io,
        "cannot change what the next boot is asked for",
        error,
        "see the kernel log (dmesg), then run the same command again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> (tempfile::TempDir, Links) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["etc", "var/lib/updater"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let links = Links { root: folder.path().to_owned() };
        (folder, links)
    }

    #[test]
    fn each_place_has_its_link_and_they_go_together() {
        let (_folder, links) = links();
        assert!(links.ours().unwrap().is_empty() && links.remove_ours().unwrap().is_empty());
        for place in [Place::Root, Place::Etc, Place::Var] {
            let link = links.make(place).unwrap();
            assert_eq!(fs::read_link(&link).unwrap(), Path::new(FOLDER));
            assert_eq!(links.make(place).unwrap(), link);
        }
        assert_eq!(links.remove_ours().unwrap().len(), 3);
        assert!(links.ours().unwrap().is_empty());
    }

    #[test]
    fn what_is_not_ours_is_told_and_stays() {
        for name in SYSTEMS {
            let (folder, links) = links();
            let path = folder.path().join(name);
            for other in ["/var/lib/PackageKit", "/var/lib/updater/offline/", "/var/lib/updater/offline2"] {
                symlink(other, &path).unwrap();
                assert_eq!(links.foreign().unwrap().unwrap().0, path);
                assert!(links.remove_ours().unwrap().is_empty() && fs::symlink_metadata(&path).is_ok());
                fs::remove_file(&path).unwrap();
            }
            fs::write(&path, "").unwrap();
            assert_eq!(links.foreign().unwrap(), Some((path.clone(), path)));
            let place = if name == SYSTEMS[0] { Place::Root } else { Place::Etc };
            links.make(place).unwrap_err();
        }
    }
}
