//! A copy of a folder's content, as `cp -a` makes it: owners, modes, times and extended attributes with it. Sockets stay behind.

use std::fs::{self, FileTimes, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, lchown, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, XattrFlags};
use rustix::io::Errno;

use crate::watchdog::Watchdog;

/// Room for the names of a file's extended attributes, and for one of them; what is longer is an error.
const ATTRIBUTES: usize = 4096;

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
    watchdog.feed();
    let facts = fs::symlink_metadata(from)?;
    let kind = facts.file_type();
    if kind.is_dir() {
        fs::create_dir(to)?;
        return content(from, to, watchdog);
    } else if kind.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
        return lchown(to, Some(facts.uid()), Some(facts.gid()));
    } else if kind.is_file() {
        fs::copy(from, to)?;
    } else if kind.is_socket() {
        return Ok(());
    } else {
        let (kind, mode) = (FileType::from_raw_mode(facts.mode()), Mode::from_raw_mode(facts.mode()));
        rustix::fs::mknodat(CWD, to, kind, mode, facts.rdev())?;
        return like_node(to, &facts);
    }
    like(from, to, &facts)
}

fn like_node(to: &Path, facts: &Metadata) -> io::Result<()> {
    lchown(to, Some(facts.uid()), Some(facts.gid()))?;
    fs::set_permissions(to, facts.permissions())
}

/// Owner before mode: a change of owner takes the bits for it away.
fn like(from: &Path, to: &Path, facts: &Metadata) -> io::Result<()> {
    like_node(to, facts)?;
    attributes(from, to)?;
    fs::File::open(to)?.set_times(FileTimes::new().set_modified(facts.modified()?))
}

/// A file system that has none, or not this kind, is no reason to go without the file.
fn attributes(from: &Path, to: &Path) -> io::Result<()> {
    let (mut names, mut value) = ([0; ATTRIBUTES], [0; ATTRIBUTES]);
    let length = match rustix::fs::llistxattr(from, &mut names) {
        Ok(length) => length,
        Err(Errno::NOTSUP) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let length = rustix::fs::lgetxattr(from, name, &mut value)?;
        match rustix::fs::lsetxattr(to, name, &value[..length], XattrFlags::empty()) {
            Ok(()) | Err(Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn everything_but_sockets_is_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
        fs::create_dir_all(from.join("lib/deep")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("lib/deep/file"), "content").unwrap();
        fs::set_permissions(from.join("lib/deep/file"), fs::Permissions::from_mode(0o4750)).unwrap();
        fs::set_permissions(from.join("lib"), fs::Permissions::from_mode(0o1777)).unwrap();
        symlink("/nowhere", from.join("link")).unwrap();
        rustix::fs::mknodat(CWD, from.join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        drop(std::os::unix::net::UnixListener::bind(from.join("socket")).unwrap());
        // Where the file system has them, and the test may set them.
        let labelled = rustix::fs::lsetxattr(from.join("lib"), "user.label", b"x", XattrFlags::empty()).is_ok();
        content(&from, &to, &mut Watchdog::arm(None)).unwrap();
        let mode = |path: &str| fs::symlink_metadata(to.join(path)).unwrap().mode();
        assert_eq!((mode("lib/deep/file"), mode("lib")), (0o100_4750, 0o4_1777));
        assert_eq!((fs::read_link(to.join("link")).unwrap().to_str(), mode("pipe")), (Some("/nowhere"), 0o1_0400));
        assert_eq!(fs::read_to_string(to.join("lib/deep/file")).unwrap(), "content");
        assert!(!to.join("socket").exists());
        let modified = |root: &Path| fs::metadata(root.join("lib")).unwrap().modified().unwrap();
        assert_eq!(modified(&from), modified(&to));
        let found = rustix::fs::lgetxattr(to.join("lib"), "user.label", &mut [0; 8]);
        assert_eq!(found.ok(), labelled.then_some(1));
    }
}
