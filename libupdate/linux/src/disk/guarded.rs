//! A disk under an act of the core: while the table changes, udev is kept away and no signal ends the process; while images are read and
//! written, several accesses are in flight.

use std::ops::{Deref, DerefMut};

use libupdate::io::{Ended, Section};
use libupdate::{BlockCount, BlockIo, BlockSize, Extent, Lba};

use super::Disk;
use crate::error::OsError;
use crate::lent::Lending;
use crate::lock::Lock;
use crate::signal::{Interrupt, Shield};

/// A disk, and who is kept away from it.
#[derive(Debug)]
pub struct GuardedDisk {
    disk: Disk,
    interrupt: Interrupt,
    /// Whose bytes may be written without a copy.
    lending: Lending,
    /// Who is kept away now.
    table: Option<(Lock, Shield)>,
}

impl GuardedDisk {
    /// Guards a disk of a process that listens to signals.
    #[must_use]
    pub fn new(disk: Disk, interrupt: Interrupt) -> Self {
        Self { disk, interrupt, lending: Lending::default(), table: None }
    }

    /// Writes what this one lends without a copy.
    #[must_use]
    pub fn borrowing(self, lending: &Lending) -> Self {
        Self { lending: lending.clone(), ..self }
    }
}

impl Deref for GuardedDisk {
    type Target = Disk;

    fn deref(&self) -> &Disk {
        &self.disk
    }
}

impl DerefMut for GuardedDisk {
    fn deref_mut(&mut self) -> &mut Disk {
        &mut self.disk
    }
}

impl BlockIo for GuardedDisk {
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
    fn claim(&mut self, extent: Extent) -> Result<(), OsError> {
        self.disk.claim(extent)
    }

    fn begin(&mut self, section: Section) -> Result<(), OsError> {
        match section {
            Section::Table => self.table = Some((Lock::table(&self.disk)?, self.interrupt.shield())),
            Section::Images => self.disk.begin_in_flight(&self.lending),
        }
        Ok(())
    }

    fn end(&mut self, section: Section, ended: Ended) -> Result<(), OsError> {
        match section {
            Section::Table => {
                self.table = None;
                Ok(())
            }
            Section::Images => self.disk.end_in_flight(ended),
        }
    }
}
