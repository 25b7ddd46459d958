//! The request to empty `/var`: a folder at its top, which the hook finds before anything of the system runs.
//!
//! ```text
//!  /var/.updater-fills     there: the hook removes everything beside it, fills /var from the image, and then removes it
//! ```
//! 1. It is the folder that the hook itself makes before it fills an empty file system. So a request has no state of its own: what a cut
//!    leaves of it at any point is either nothing, or a `/var` that is emptied and filled anew in the next boot.
//! 2. A running system has it only as a request: the hook never hands over a `/var` that is half filled.
//! 3. It counts only as a folder of whoever runs the hook, which is root. At the top of `/var` only root can make one.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

/// Where the system has it.
pub const VAR: &str = "/var";
/// The folder's name.
pub const REQUEST: &str = ".updater-fills";
/// For root alone.
const MODE: u32 = 0o700;

/// Whether the file system at `at` is to be emptied.
#[must_use]
pub fn is_asked(at: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(at.join(REQUEST)).is_ok_and(|facts| facts.is_dir() && facts.uid() == own)
}

/// Asks that it is emptied.
///
/// # Durability
/// The request is on the medium when it returns. If that fails it is taken back, as far as the medium still lets it: the next boot may find it
/// all the same.
///
/// # Errors
/// What the system says; [`io::ErrorKind::AlreadyExists`] also for something else of that name.
pub fn ask(at: &Path) -> io::Result<()> {
    let request = at.join(REQUEST);
    DirBuilder::new().mode(MODE).create(&request)?;
    // The flush's own error is the one to be told.
    flush(at).inspect_err(|_| fs::remove_dir(&request).unwrap_or_default())
}

/// Takes the request back.
///
/// # Durability
/// It is gone from the medium when it returns.
///
/// # Errors
/// What the system says.
pub fn take_back(at: &Path) -> io::Result<()> {
    fs::remove_dir(at.join(REQUEST))?;
    flush(at)
}

/// Brings everything that was written to the file system at `at` to the medium.
///
/// # Errors
/// What the system says.
pub fn flush(at: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(at)?)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_request_is_there_until_it_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        assert!(!is_asked(at));
        ask(at).unwrap();
        assert!(is_asked(at));
        assert_eq!(ask(at).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        take_back(at).unwrap();
        assert!(!is_asked(at));
        assert_eq!(take_back(at).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn neither_a_link_nor_a_file_nor_a_foreign_folder_is_a_request() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        symlink("/", at.join(REQUEST)).unwrap();
        assert!(!is_asked(at));
        fs::remove_file(at.join(REQUEST)).unwrap();
        fs::write(at.join(REQUEST), "").unwrap();
        assert!(!is_asked(at));
        fs::remove_file(at.join(REQUEST)).unwrap();
        ask(at).unwrap();
        // Only root can give a folder away.
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(at.join(REQUEST), Some(1000), None).unwrap();
            assert!(!is_asked(at));
        }
    }
}
