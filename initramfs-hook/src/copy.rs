//! A copy of a folder's content: files, folders and links, with owners, modes and extended attributes. Devices, pipes and sockets stay
//! behind: they are another machine's, or another boot's.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, lchown, symlink};
use std::path::Path;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use crate::watchdog::Watchdog;

/// Room for the names of a file's extended attributes, and for one of them; what is longer is an error.
const ATTRIBUTES: usize = 4096;
const PIECE: usize = 64 << 10;

/// Copies what is in one folder into another one.
///
/// # Errors
/// What the system says. A part has been copied then.
pub fn content(from: &Path, to: &Path, watchdog: &mut Watchdog) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        one(&from.join(&name), &to.join(&name), watchdog)?;
    }
    like(from, to, &fs::metadata(from)?)
}

fn one(from: &Path, to: &Path, watchdog: &mut Watchdog) -> io::Result<()> {
    let facts = fs::symlink_metadata(from)?;
    if facts.is_dir() {
        fs::create_dir(to)?;
        content(from, to, watchdog)
    } else if facts.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
        lchown(to, Some(facts.uid()), Some(facts.gid()))
    } else if facts.is_file() {
        let (mut old, mut new) = (File::open(from)?, File::create_new(to)?);
        let mut piece = vec![0; PIECE];
        loop {
            watchdog.feed();
            match old.read(&mut piece)? {
                0 => return like(from, to, &facts),
                length => new.write_all(&piece[..length])?,
            }
        }
    } else {
        Ok(())
    }
}

/// Owner before mode: a change of owner takes the bits for it away.
fn like(from: &Path, to: &Path, facts: &Metadata) -> io::Result<()> {
    lchown(to, Some(facts.uid()), Some(facts.gid()))?;
    fs::set_permissions(to, facts.permissions())?;
    let (mut names, mut value) = ([0; ATTRIBUTES], [0; ATTRIBUTES]);
    let length = match rustix::fs::listxattr(from, &mut names) {
        Ok(length) => length,
        // A file system that has none.
        Err(Errno::NOTSUP) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let length = rustix::fs::getxattr(from, name, &mut value)?;
        match rustix::fs::setxattr(to, name, &value[..length], XattrFlags::empty()) {
            // Nor is one that has not this kind a reason to go without the file.
            Ok(()) | Err(Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn files_folders_and_links_are_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
        fs::create_dir_all(from.join("lib/deep")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("lib/deep/file"), "content").unwrap();
        fs::set_permissions(from.join("lib/deep/file"), fs::Permissions::from_mode(0o4750)).unwrap();
        fs::set_permissions(from.join("lib"), fs::Permissions::from_mode(0o1777)).unwrap();
        symlink("/nowhere", from.join("link")).unwrap();
        drop(UnixListener::bind(from.join("socket")).unwrap());
        // Where the file system has them, and the test may set them.
        let labelled = rustix::fs::setxattr(from.join("lib"), "user.label", b"x", XattrFlags::empty()).is_ok();
        content(&from, &to, &mut Watchdog::arm(None)).unwrap();
        let mode = |path: &str| fs::symlink_metadata(to.join(path)).unwrap().mode();
        assert_eq!((mode("lib/deep/file"), mode("lib")), (0o10_4750, 0o4_1777));
        assert_eq!(fs::read_link(to.join("link")).unwrap().to_str(), Some("/nowhere"));
        assert_eq!(fs::read_to_string(to.join("lib/deep/file")).unwrap(), "content");
        assert!(!to.join("socket").exists());
        let found = rustix::fs::getxattr(to.join("lib"), "user.label", &mut [0; 8]);
        assert_eq!(found.ok(), labelled.then_some(1));
    }
}
