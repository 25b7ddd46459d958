//! A disk in memory that counts and logs what is done to it: the unit tests' device.

pub mod cut;

use std::vec::Vec;

use crate::io::BlockIo;
use crate::units::block::{BlockCount, BlockSize, Lba};

/// What was done to the disk, in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// First block and number of blocks written.
    Write(u64, u64),
    /// A barrier.
    Flush,
}

/// The same with the bytes, for cutting the power in the middle of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// First block and what was written from there on.
    Write(u64, Vec<u8>),
    /// A barrier.
    Flush,
}

/// The device failed because the test told it to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failed;

impl core::fmt::Display for Failed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the test's disk failed")
    }
}
impl core::error::Error for Failed {}

/// Bytes, a log, and faults that a test switches on.
#[derive(Clone)]
pub struct RamDisk {
    pub bytes: Vec<u8>,
    pub block_size: BlockSize,
    pub physical: BlockSize,
    pub log: Vec<Op>,
    /// Reads, or writes, that touch one of these blocks fail.
    pub bad_reads: Vec<u64>,
    pub bad_writes: Vec<u64>,
    /// Writes that still succeed before every later one and every flush fails: a cut.
    pub writes_left: usize,
    /// Barriers that still succeed.
    pub flushes_left: usize,
    /// Blocks that keep their content whatever is written: a device that lies.
    pub lost_writes: Vec<u64>,
    /// What was done, with the bytes, once a test asks for it.
    pub journal: Option<Vec<Event>>,
}

impl RamDisk {
    pub fn new(block_size: BlockSize, blocks: usize) -> Self {
        Self {
            bytes: std::vec![0; blocks * block_size.bytes()],
            block_size,
            physical: block_size,
            log: Vec::new(),
            bad_reads: Vec::new(),
            bad_writes: Vec::new(),
            writes_left: usize::MAX,
            flushes_left: usize::MAX,
            lost_writes: Vec::new(),
            journal: None,
        }
    }

    fn note(&mut self, event: Event) {
        if let Some(journal) = &mut self.journal {
            journal.push(event);
        }
    }

    fn range(&self, at: Lba, len: usize) -> core::ops::Range<usize> {
        assert_eq!(len % self.block_size.bytes(), 0, "not a whole number of blocks");
        let start = usize::try_from(at.get()).unwrap() * self.block_size.bytes();
        start..start + len
    }

    fn touches(&self, bad: &[u64], at: Lba, len: usize) -> bool {
        let blocks = (len / self.block_size.bytes()) as u64;
        bad.iter().any(|block| (at.get()..at.get() + blocks).contains(block))
    }
}

impl BlockIo for RamDisk {
    type Error = Failed;

    fn block_size(&self) -> BlockSize {
        self.block_size
    }
    fn physical_block_size(&self) -> BlockSize {
        self.physical
    }
    fn block_count(&self) -> BlockCount {
        BlockCount::new((self.bytes.len() / self.block_size.bytes()) as u64)
    }
    fn read(&mut self, at: Lba, buf: &mut [u8]) -> Result<(), Failed> {
        if self.touches(&self.bad_reads, at, buf.len()) {
            return Err(Failed);
        }
        let range = self.range(at, buf.len());
        buf.copy_from_slice(self.bytes.get(range).ok_or(Failed)?);
        Ok(())
    }
    fn write(&mut self, at: Lba, buf: &[u8]) -> Result<(), Failed> {
        if self.writes_left == 0 || self.touches(&self.bad_writes, at, buf.len()) {
            return Err(Failed);
        }
        self.writes_left -= 1;
        let range = self.range(at, buf.len());
        self.bytes.get(range).ok_or(Failed)?;
        for (block, lba) in buf.chunks(self.block_size.bytes()).zip(at.get()..) {
            if !self.lost_writes.contains(&lba) {
                let range = self.range(Lba::new(lba), block.len());
                self.bytes[range].copy_from_slice(block);
            }
        }
        self.note(Event::Write(at.get(), buf.to_vec()));
        self.log.push(Op::Write(at.get(), (buf.len() / self.block_size.bytes()) as u64));
        Ok(())
    }
    fn flush(&mut self) -> Result<(), Failed> {
        if self.writes_left == 0 || self.flushes_left == 0 {
            return Err(Failed);
        }
        self.flushes_left -= 1;
        self.note(Event::Flush);
        self.log.push(Op::Flush);
        Ok(())
    }
}
