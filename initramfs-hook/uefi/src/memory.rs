//! Memory that a disk can read into, and what was read there as a disk of its own: it is checked where it will be used.

use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

use libupdate::{BlockCount, BlockIo, BlockSize, Lba};
use uefi::Status;

/// An alignment that every disk takes.
const ALIGNMENT: usize = 4096;

/// Bytes that begin on a page.
#[derive(Debug)]
pub struct Aligned {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// `len` zero bytes; `None` if there is no memory for them.
    pub fn new(len: usize) -> Option<Self> {
        let (mut memory, all) = (Vec::new(), len.checked_add(ALIGNMENT)?);
        memory.try_reserve_exact(all).ok()?;
        memory.resize(all, 0);
        let start = memory.as_ptr().align_offset(ALIGNMENT);
        Some(Self { memory, start, len })
    }

    fn end(&self) -> usize {
        self.start.saturating_add(self.len)
    }
}

impl Deref for Aligned {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.memory.get(self.start..self.end()).unwrap_or_default()
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [u8] {
        let end = self.end();
        self.memory.get_mut(self.start..end).unwrap_or_default()
    }
}

/// What was read of a partition, as a disk that cannot be written.
#[derive(Debug)]
pub struct InMemory<'m> {
    /// The bytes, whole blocks.
    pub bytes: &'m [u8],
    /// Bytes of a block.
    pub block: BlockSize,
}

impl InMemory<'_> {
    fn part(&self, at: Lba, len: usize) -> uefi::Result<&[u8]> {
        let start = usize::try_from(at.get()).ok().and_then(|block| block.checked_mul(self.block.bytes()));
        let part = start.and_then(|start| self.bytes.get(start..)?.get(..len));
        Ok(part.ok_or(Status::END_OF_MEDIA)?)
    }
}

impl BlockIo for InMemory<'_> {
    type Error = uefi::Error;

    fn block_size(&self) -> BlockSize {
        self.block
    }
    fn block_count(&self) -> BlockCount {
        BlockCount::new(u64::try_from(self.bytes.len() / self.block.bytes()).unwrap_or(u64::MAX))
    }
    fn read(&mut self, at: Lba, buf: &mut [u8]) -> uefi::Result<()> {
        buf.copy_from_slice(self.part(at, buf.len())?);
        Ok(())
    }
    fn lend<'a>(&'a mut self, at: Lba, buf: &'a mut [u8]) -> uefi::Result<&'a [u8]> {
        self.part(at, buf.len())
    }
    fn write(&mut self, _: Lba, _: &[u8]) -> uefi::Result<()> {
        Err(Status::WRITE_PROTECTED.into())
    }
    fn flush(&mut self) -> uefi::Result<()> {
        Ok(())
    }
}
