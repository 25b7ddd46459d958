//! Mounts, undone when dropped.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::superuser;

/// A mounted file system.
#[derive(Debug)]
pub struct Mounted {
    at: PathBuf,
    _folder: TempDir,
}

impl Mounted {
    /// An empty tmpfs that holds this many KiB.
    ///
    /// # Panics
    /// Where it cannot be mounted.
    #[must_use]
    pub fn tmpfs(kib: u64) -> Self {
        let folder = folder();
        let at = folder.path().to_owned();
        superuser::run("mount", &["-t", "tmpfs", "-o", &format!("mode=777,size={kib}k"), "tmpfs", text(&at)]);
        Self { at, _folder: folder }
    }

    /// Makes a tmpfs larger.
    ///
    /// # Panics
    /// Where that fails.
    pub fn grow(&self, kib: u64) {
        superuser::run("mount", &["-o", &format!("remount,size={kib}k"), text(&self.at)]);
    }

    /// A folder seen through a mount that does not let anybody write, not even root.
    ///
    /// # Panics
    /// Where it cannot be mounted.
    #[must_use]
    pub fn read_only(source: &Path) -> Self {
        let folder = folder();
        let at = folder.path().to_owned();
        superuser::run("mount", &["--bind", text(source), text(&at)]);
        let mounted = Self { at, _folder: folder };
        superuser::run("mount", &["-o", "remount,bind,ro", text(&mounted.at)]);
        mounted
    }

    /// The file system of this type in `len` bytes of a file, from `offset` on.
    ///
    /// # Panics
    /// Where it cannot be mounted.
    #[must_use]
    pub fn image(kind: &str, file: &Path, offset: u64, len: u64) -> Self {
        let folder = folder();
        let at = folder.path().to_owned();
        let options = format!("ro,loop,offset={offset},sizelimit={len}");
        superuser::run("mount", &["-t", kind, "-o", &options, text(file), text(&at)]);
        Self { at, _folder: folder }
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.at
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        superuser::run_eventually("umount", &[text(&self.at)]);
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("the temporary folder can be written")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are UTF-8")
}
