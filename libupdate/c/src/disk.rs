//! A disk of callbacks.

use core::fmt;

use libupdate::{BlockCount, BlockIo, BlockSize, Lba};

use crate::abi;
use crate::ffi::calls;

/// What a callback gave instead of 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused(pub(crate) i32);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the disk's callback gave {}", self.0)
    }
}
impl core::error::Error for Refused {}

/// The number of an access that is not a whole number of blocks, which the core never asks for.
const NOT_BLOCKS: Refused = Refused(i32::MIN);

/// A disk that was checked: its sizes are right, and it has its three callbacks.
#[derive(Debug)]
pub(crate) struct Disk<'c> {
    calls: calls::Disk<'c>,
    block_size: BlockSize,
    physical: BlockSize,
    blocks: BlockCount,
}

impl<'c> Disk<'c> {
    /// `None` if something of it is missing or out of range.
    pub(crate) fn of(raw: &'c abi::Disk) -> Option<Self> {
        let block_size = BlockSize::new(raw.block_size)?;
        let physical = match raw.physical_block_size {
            0 => block_size,
            // A disk whose physical block is larger than what the core knows tears no less than one of 4096.
            bytes => BlockSize::new(bytes.min(4096)).filter(|physical| physical.bytes() >= block_size.bytes())?,
        };
        if raw.reserved != 0 {
            return None;
        }
        let blocks = BlockCount::new(Some(raw.block_count).filter(|count| *count > 0)?);
        Some(Self { calls: calls::Disk::of(raw)?, block_size, physical, blocks })
    }

    fn count(&self, bytes: &[u8]) -> Result<u32, Refused> {
        let blocks = bytes.len().checked_div(self.block_size.bytes()).ok_or(NOT_BLOCKS)?;
        let whole = blocks.checked_mul(self.block_size.bytes()) == Some(bytes.len());
        u32::try_from(blocks).ok().filter(|_| whole).ok_or(NOT_BLOCKS)
    }
}

const fn answer(code: i32) -> Result<(), Refused> {
    if code == 0 { Ok(()) } else { Err(Refused(code)) }
}

impl BlockIo for Disk<'_> {
    type Error = Refused;

    fn block_size(&self) -> BlockSize {
        self.block_size
    }
    fn physical_block_size(&self) -> BlockSize {
        self.physical
    }
    fn block_count(&self) -> BlockCount {
        self.blocks
    }
    fn read(&mut self, at: Lba, buf: &mut [u8]) -> Result<(), Refused> {
        let blocks = self.count(buf)?;
        answer(self.calls.read(at.get(), blocks, buf))
    }
    fn write(&mut self, at: Lba, buf: &[u8]) -> Result<(), Refused> {
        let blocks = self.count(buf)?;
        answer(self.calls.write(at.get(), blocks, buf))
    }
    fn flush(&mut self) -> Result<(), Refused> {
        answer(self.calls.flush())
    }
}
