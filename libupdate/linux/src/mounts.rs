//! The table of mounts, as the kernel lists it for this process.

use std::io;
use std::path::{Path, PathBuf};

use libupdate::units::limits::SYSTEM_BYTES;

use crate::file;

const MOUNTS: &str = "/proc/self/mountinfo";

/// A mount.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mount {
    /// Where it is.
    pub at: PathBuf,
    /// Kind of its file system.
    pub kind: String,
    /// Its source.
    pub source: String,
}

/// All of them, in the order in which they came.
///
/// # Errors
/// What the system says.
pub fn all() -> io::Result<Vec<Mount>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_mount_at_a_place_is_seen() {
        let text = "22 27 0:21 / /usr rw shared:1 - erofs /dev/dm-0 ro\n30 22 0:30 / /usr ro - overlay updater-live ro,lowerdir=a:b\n\
                    31 1 0:31 / /a\\040b rw - tmpfs x rw\ntorn";
        let mounts = listed(text);
        assert_eq!(mounts.len(), 3);
        assert_eq!(seen(&mounts, Path::new("/usr")).unwrap().source, "updater-live");
        assert_eq!(seen(&mounts[..1], Path::new("/usr")).unwrap().kind, "erofs");
        assert_eq!(seen(&mounts, Path::new("/a b")).unwrap().source, "x");
        assert_eq!(seen(&mounts, Path::new("/opt")), None);
    }
}
