//! An image in a file, mounted behind dm-verity in a running system.
//!
//! ```text
//!  file  | image | superblock | tree |   ─► /dev/loopN ─► dm-verity, table from the signed manifest ─► mounted: nothing is written, no device
//!                                                                                                nodes, no rights of programs
//! ```
//! 1. Nothing has to be taken apart: with the last user of the mount the device is gone, and with it the loop device.
//! 2. Every read is checked. A block that is wrong is an I/O error, and the device says so from then on ([`damage`]).

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use libupdate::verity::Tree;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::device_mapper::{self, Mapping, OnCorruption};
use crate::error::{OsError, OsErrorKind};
use crate::file;
use crate::filesystem::{self, Rights};
use crate::ioctl;
use crate::node::Node;

const CONTROL: &str = "/dev/loop-control";
/// Others may look for a free one at the same time.
const ATTEMPTS: usize = 16;
const BLOCK_BYTES: u32 = 4096;
/// Modules that a kernel may not have loaded.
const MODULES: [&str; 4] = ["loop", "dm-verity", "squashfs", "erofs"];

/// A file as a read-only block device, as long as somebody uses it.
#[derive(Debug)]
pub struct LoopDevice {
    node: PathBuf,
    _open: File,
}

impl LoopDevice {
    /// Puts a file behind a free one.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn over(file: &File) -> Result<Self, OsError> {
        let path = Path::new(CONTROL);
        let control = open(path, OFlags::RDWR)?;
        for _ in 0..ATTEMPTS {
            let free =
                ioctl::free_loop(&control).map_err(|errno| OsError::call(path, "find a free device with", errno))?;
            let node = PathBuf::from(format!("/dev/loop{free}"));
            let device = open(&node, OFlags::RDONLY)?;
            match ioctl::configure_loop(&device, file, BLOCK_BYTES) {
                Ok(()) => return Ok(Self { node, _open: device }),
                Err(Errno::BUSY) => {}
                Err(errno) => return Err(OsError::call(&node, "set up", errno)),
            }
        }
        Err(OsError::call(path, "find a free device with", Errno::BUSY))
    }

    /// Its node.
    #[must_use]
    pub fn node(&self) -> &Path {
        &self.node
    }
}

/// Has the kernel load what it may lack. Whatever is missing then, the call that needs it says.
pub fn load_modules() {
    if !Path::new(CONTROL).exists() || !Path::new("/dev/mapper/control").exists() {
        MODULES.iter().for_each(|module| drop(Command::new("modprobe").args(["-q", module]).status()));
    }
}

/// Mounts the image in `file`, which ends with its hash tree.
///
/// # Errors
/// What the system says. Nothing is left behind.
pub fn mount(file: &File, tree: &Tree<'_>, at: &Path) -> Result<(), OsError> {
    let device = LoopDevice::over(file)?;
    let node = Node::of(device.node())?;
    let number = node.as_ref().map(Node::number).unwrap_or_default();
    let name = format!("updater-pack-{}", device.node().file_name().unwrap_or_default().display());
    let mapping = Mapping::make(&name, number, tree, OnCorruption::IoError)?;
    let mounted = filesystem::mount(mapping.node(), at, Rights::None);
    let intact =
        mounted.map_err(|error| OsError::io(mapping.node(), "mount", &error)).and_then(|_| mapping.is_intact());
    match intact {
        Ok(true) => mapping.goes_with_its_last_user(),
        failed => {
            filesystem::unmount(at);
            let wrong = OsError::new(mapping.node(), OsErrorKind::Unexpected { wanted: "blocks that are right" });
            mapping.remove().unwrap_or_default();
            Err(failed.err().unwrap_or(wrong))
        }
    }
}

/// Mounts the image in `file` as it is, to be looked at: its blocks were all read and found right before.
///
/// # Errors
/// What the system says. Nothing is left behind.
pub fn mount_checked(file: &File, at: &Path) -> Result<(), OsError> {
    let device = LoopDevice::over(file)?;
    let mounted = filesystem::mount(device.node(), at, Rights::None);
    mounted.map(|_| ()).map_err(|error| OsError::io(at, "mount", &error))
}

/// Whether a wrong block was read from the image that `source`, a node of device-mapper, is.
#[must_use]
pub fn damage(source: &str) -> bool {
    let name = Path::new(source).file_name().map(|dm| Path::new("/sys/block").join(dm).join("dm/name"));
    let name = name.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    device_mapper::is_intact(name.trim()).is_ok_and(|intact| !intact)
}

fn open(path: &Path, how: OFlags) -> Result<File, OsError> {
    file::open(path, how).map_err(|error: io::Error| OsError::io(path, "open", &error))
}
