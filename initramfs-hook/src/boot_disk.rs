//! The disk as a boot writes it.

use libupdate::io::{Ended, Section};
use libupdate::{BlockCount, BlockIo, BlockSize, Lba};
use libupdate_linux::{Disk, Lock, OsError};

/// The whole disk. udev is kept away from its table while that changes, if it can be: nothing keeps a device from booting.
#[derive(Debug)]
pub struct BootDisk {
    disk: Disk,
    udev: Option<Lock>,
}

impl BootDisk {
    /// An open disk.
    pub const fn of(disk: Disk) -> Self {
        Self { disk, udev: None }
    }
}

impl BlockIo for BootDisk {
    type Error = OsError;

    fn block_size(&self) -> BlockSize {
        self.disk.block_size()
    }
    fn physical_block_size(&self) -> BlockSize {
        self.disk.physical_block_size()
    }
    fn block_count(&self) -> BlockCount {
        self.disk.block_count()
    }
    fn read(&mut self, at: Lba, buf: &mut [u8]) -> Result<(), OsError> {
        self.disk.read(at, buf)
    }
    fn lend<'a>(&'a mut self, at: Lba, buf: &'a mut [u8]) -> Result<&'a [u8], OsError> {
        self.disk.lend(at, buf)
    }
    fn write(&mut self, at: Lba, buf: &[u8]) -> Result<(), OsError> {
        self.disk.write(at, buf)
    }
    fn flush(&mut self) -> Result<(), OsError> {
        self.disk.flush()
    }
    fn begin(&mut self, section: Section) -> Result<(), OsError> {
        if section == Section::Table {
            self.udev = Lock::table(&self.disk).ok();
        }
        Ok(())
    }
    fn end(&mut self, _: Section, _: Ended) -> Result<(), OsError> {
        self.udev = None;
        Ok(())
    }
}
