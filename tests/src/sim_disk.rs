//! A disk with a volatile write cache, which records what is done to it and fails where it is told to.
//!
//! 1. A write goes to the cache. A later read sees it; a cut may not: see [`crash`](crate::crash) for what a cut leaves.
//! 2. A flush makes every write before it durable. A flush that fails says nothing about them.
//! 3. A write that fails may still have reached the medium in part, so that it stands in the log as any other.
//! 4. A sector that a cut left unreadable is readable again once it is written.

use std::fmt;
use std::ops::Range;

use libupdate::{BlockCount, BlockIo, BlockSize, Lba};

use crate::medium::{Medium, Sector, Sectors};

/// What was done to the disk, in order.
#[derive(Clone, Debug)]
pub enum Event {
    /// Sectors were written, from this address on.
    Write(u64, Vec<Sector>),
    /// Every write before is durable.
    Flush,
    /// A flush was tried and failed.
    FailedFlush,
}

/// What fails. Accesses are counted from 0, each kind for itself.
#[derive(Clone, Default, Debug)]
pub struct Faults {
    /// This read fails.
    pub read: Option<usize>,
    /// This write fails.
    pub write: Option<usize>,
    /// This flush fails.
    pub flush: Option<usize>,
    /// Writes to these sectors fail, always.
    pub unwritable: Option<Range<u64>>,
    /// Flushes answer at once and do nothing.
    pub flushes: Flushes,
    /// The process is killed after so many writes and flushes: every later access fails, and nothing of it is done.
    pub killed: Option<usize>,
}

/// Whether the drive does what a flush asks for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Flushes {
    /// It does.
    #[default]
    Honest,
    /// It does, but for the first one of a process: what a process is like that takes the disk's cache for empty.
    NotTheFirst,
    /// It says so. No promise is made for such a drive.
    Lies,
}

/// The access that failed because a test asked for it, or that met a lost sector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SimError(pub &'static str);

impl fmt::Display for SimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
impl std::error::Error for SimError {}

/// What an access meets whose process is no more.
const KILLED: SimError = SimError("the process was killed");

/// Accesses so far.
#[derive(Clone, Copy, Default, Debug)]
pub struct Accesses {
    /// Reads.
    pub reads: usize,
    /// Writes.
    pub writes: usize,
    /// Flushes.
    pub flushes: usize,
}

/// The disk.
#[derive(Clone, Debug)]
pub struct SimDisk {
    medium: Medium,
    cache: Sectors,
    faults: Faults,
    log: Vec<Event>,
    accesses: Accesses,
}

impl SimDisk {
    /// A disk that holds `medium`, with an empty cache.
    #[must_use]
    pub fn new(medium: Medium) -> Self {
        Self::failing(medium, Faults::default())
    }

    /// The same with faults.
    #[must_use]
    pub fn failing(medium: Medium, faults: Faults) -> Self {
        Self { medium, cache: Sectors::default(), faults, log: Vec::new(), accesses: Accesses::default() }
    }

    /// The disk as the next process finds it, or the next boot after a reset that the drive's cache survives: what was not flushed is
    /// still in the cache, and the log goes on.
    #[must_use]
    pub fn handed_over(self, faults: Faults) -> Self {
        Self { faults, accesses: Accesses::default(), ..self }
    }

    /// What was done so far.
    #[must_use]
    pub fn log(&self) -> &[Event] {
        &self.log
    }

    /// Whether nothing was written; it may have been flushed.
    #[must_use]
    pub fn is_unwritten(&self) -> bool {
        self.log.iter().all(|event| matches!(event, Event::Flush))
    }

    /// How often.
    #[must_use]
    pub const fn accesses(&self) -> Accesses {
        self.accesses
    }

    /// What was done, without the disk.
    #[must_use]
    pub fn into_log(self) -> Vec<Event> {
        self.log
    }

    /// What a read sees now, cache and all.
    #[must_use]
    pub fn content(&self) -> Medium {
        self.medium.with(self.cache.clone())
    }

    fn sector(&self, lba: u64) -> Option<&Sector> {
        self.cache.get(&lba).or_else(|| self.medium.sector(lba))
    }

    /// Addresses of the access. An access that leaves the disk, or that is no whole number of sectors, is a bug of the act.
    fn addresses(&self, at: Lba, len: usize) -> Range<u64> {
        let size = self.medium.block_size().bytes();
        let blocks = u64::try_from(len / size).unwrap_or(u64::MAX);
        assert!(len.is_multiple_of(size) && blocks > 0, "{len} bytes are no whole number of sectors");
        assert!(at.get() + blocks <= self.medium.blocks().get(), "{blocks} sectors from {at} are not on the disk");
        at.get()..at.get() + blocks
    }

    const fn is_killed(&self) -> bool {
        matches!(self.faults.killed, Some(after) if self.accesses.writes + self.accesses.flushes >= after)
    }

    fn refuses_to_write(&self, addresses: &Range<u64>) -> bool {
        let meets = |range: &Range<u64>| range.start < addresses.end && addresses.start < range.end;
        self.faults.unwritable.as_ref().is_some_and(meets)
    }
}

/// Counts an access and says whether it is the one that fails.
const fn is_due(counter: &mut usize, faulty: Option<usize>) -> bool {
    let number = *counter;
    *counter += 1;
    matches!(faulty, Some(faulty) if faulty == number)
}

impl BlockIo for SimDisk {
    type Error = SimError;

    fn block_size(&self) -> BlockSize {
        self.medium.block_size()
    }
    fn physical_block_size(&self) -> BlockSize {
        self.medium.physical()
    }
    fn block_count(&self) -> BlockCount {
        self.medium.blocks()
    }
    fn read(&mut self, at: Lba, buf: &mut [u8]) -> Result<(), SimError> {
        if self.is_killed() {
            return Err(KILLED);
        }
        if is_due(&mut self.accesses.reads, self.faults.read) {
            return Err(SimError("this read fails"));
        }
        let addresses = self.addresses(at, buf.len());
        for (lba, to) in addresses.zip(buf.chunks_mut(self.medium.block_size().bytes())) {
            let bytes = self.sector(lba).and_then(Sector::bytes).ok_or(SimError("this sector was lost in a cut"))?;
            to.copy_from_slice(bytes);
        }
        Ok(())
    }
    fn write(&mut self, at: Lba, buf: &[u8]) -> Result<(), SimError> {
        let addresses = self.addresses(at, buf.len());
        if self.is_killed() {
            return Err(KILLED);
        }
        if self.refuses_to_write(&addresses) {
            return Err(SimError("these sectors cannot be written"));
        }
        let sectors: Vec<Sector> = buf.chunks(self.medium.block_size().bytes()).map(Sector::new).collect();
        self.log.push(Event::Write(at.get(), sectors.clone()));
        if is_due(&mut self.accesses.writes, self.faults.write) {
            return Err(SimError("this write fails"));
        }
        self.cache.extend(addresses.zip(sectors));
        Ok(())
    }
    fn flush(&mut self) -> Result<(), SimError> {
        if self.is_killed() {
            return Err(KILLED);
        }
        let first = self.accesses.flushes == 0;
        if is_due(&mut self.accesses.flushes, self.faults.flush) {
            self.log.push(Event::FailedFlush);
            return Err(SimError("this flush fails"));
        }
        if self.faults.flushes == Flushes::Honest || self.faults.flushes == Flushes::NotTheFirst && !first {
            self.log.push(Event::Flush);
            self.medium = self.medium.with(std::mem::take(&mut self.cache));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(faults: Faults) -> SimDisk {
        SimDisk::failing(Medium::blank([BlockSize::B512; 2], BlockCount::new(8), vec![]), faults)
    }

    fn first_byte(disk: &mut SimDisk, lba: u64) -> Result<u8, SimError> {
        let mut buf = [0; 512];
        disk.read(Lba::new(lba), &mut buf).map(|()| buf[0])
    }

    #[test]
    fn a_read_sees_what_was_written_before_and_after_a_flush() {
        let mut disk = disk(Faults::default());
        disk.write(Lba::new(2), &[7; 1024]).unwrap();
        assert_eq!(first_byte(&mut disk, 3), Ok(7));
        disk.flush().unwrap();
        assert_eq!(first_byte(&mut disk, 2), Ok(7));
        assert_eq!(first_byte(&mut disk, 4), Ok(0));
        assert!(matches!(disk.log(), [Event::Write(2, sectors), Event::Flush] if sectors.len() == 2));
    }

    #[test]
    fn faults_fall_on_the_access_they_name() {
        let mut disk = disk(Faults { read: Some(1), write: Some(0), flush: Some(1), ..Faults::default() });
        assert!(disk.write(Lba::new(0), &[1; 512]).is_err());
        assert!(disk.write(Lba::new(0), &[2; 512]).is_ok());
        assert_eq!(first_byte(&mut disk, 0), Ok(2));
        assert!(first_byte(&mut disk, 0).is_err());
        assert!(disk.flush().is_ok() && disk.flush().is_err());
        assert!(matches!(disk.log().last(), Some(Event::FailedFlush)));
    }

    #[test]
    fn a_sector_that_cannot_be_written_keeps_its_content() {
        let mut disk = disk(Faults { unwritable: Some(4..6), ..Faults::default() });
        assert!(disk.write(Lba::new(3), &[1; 1024]).is_err());
        assert!(disk.write(Lba::new(6), &[1; 512]).is_ok());
        assert_eq!(first_byte(&mut disk, 3), Ok(0));
    }

    #[test]
    fn a_lost_sector_is_readable_once_it_is_written() {
        let lost = [(5, Sector::lost())].into_iter().collect();
        let mut disk = SimDisk::new(disk(Faults::default()).content().with(lost));
        assert!(first_byte(&mut disk, 5).is_err());
        disk.write(Lba::new(5), &[1; 512]).unwrap();
        assert_eq!(first_byte(&mut disk, 5), Ok(1));
    }
}
