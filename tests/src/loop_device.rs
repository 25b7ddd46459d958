//! A disk image file as a block device, which is how tools see its sector size.

use std::path::{Path, PathBuf};

use libupdate::BlockSize;

use crate::superuser;

/// A loop device over a file, detached when dropped.
#[derive(Debug)]
pub struct LoopDevice(PathBuf);

impl LoopDevice {
    /// The file as a disk with sectors of this size, to be read and written by everybody.
    ///
    /// # Panics
    /// Where there is no loop device, or no right to make one.
    #[must_use]
    pub fn over(file: &Path, sectors: BlockSize) -> Self {
        Self::with_sector_bytes(file, sectors.bytes())
    }

    /// The same with sectors that no disk of a device has, such as a disc's.
    ///
    /// # Panics
    /// As [`LoopDevice::over`].
    #[must_use]
    pub fn with_sector_bytes(file: &Path, bytes: usize) -> Self {
        Self::with(&["--sector-size", &bytes.to_string()], file)
    }

    /// The file as a disk of 512-byte sectors that nobody can write to, as if its switch were on.
    ///
    /// # Panics
    /// As [`LoopDevice::over`].
    #[must_use]
    pub fn read_only(file: &Path) -> Self {
        Self::with(&["--read-only"], file)
    }

    fn with(options: &[&str], file: &Path) -> Self {
        let file = file.to_str().expect("paths of tests are UTF-8");
        let node = superuser::run("losetup", &[options, &["--find", "--show", file]].concat());
        if !superuser::is_root() {
            superuser::run("chmod", &["666", &node]);
        }
        Self(node.into())
    }

    /// Its node.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.to_str().expect("nodes are ASCII")
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        superuser::run_eventually("losetup", &["--detach", self.text()]);
    }
}
