//! Memory as a disk: an image that was read in whole, a RAM disk, a test.

use core::fmt;
use core::ops::Range;

use crate::io::BlockIo;
use crate::units::block::{BlockCount, BlockSize, Lba};
use crate::units::bytes::len_u64;

/// A slice of memory as a disk. Bytes after the last whole block are not part of it.
///
/// ```
/// use libupdate::{BlockIo, BlockSize, Lba, SliceDisk};
///
/// let mut memory = [0; 4 * 512];
/// let mut disk = SliceDisk::new(&mut memory, BlockSize::B512);
/// disk.write(Lba::new(3), &[7; 512])?;
/// assert!(disk.write(Lba::new(4), &[7; 512]).is_err());
/// assert_eq!(memory[3 * 512], 7);
/// # Ok::<(), libupdate::io::OutsideSlice>(())
/// ```
///
/// # Durability
/// That of the memory: `flush` does nothing.
#[derive(Debug)]
pub struct SliceDisk<'m> {
    memory: &'m mut [u8],
    block_size: BlockSize,
}

/// An access that is not inside the slice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutsideSlice;

impl<'m> SliceDisk<'m> {
    /// `memory` as a disk of blocks of `block_size`.
    pub const fn new(memory: &'m mut [u8], block_size: BlockSize) -> Self {
        Self { memory, block_size }
    }

    fn range(&self, at: Lba, buf: &[u8]) -> Result<Range<usize>, OutsideSlice> {
        let end = at.plus(len_u64(buf).div_euclid(self.block_size.bytes_u64())).ok_or(OutsideSlice)?;
        if !buf.len().is_multiple_of(self.block_size.bytes()) || end.get() > self.block_count().get() {
            return Err(OutsideSlice);
        }
        let start = usize::try_from(at.get()).ok().and_then(|at| at.checked_mul(self.block_size.bytes()));
        let end = start.and_then(|start| start.checked_add(buf.len()));
        Ok(start.ok_or(OutsideSlice)?..end.ok_or(OutsideSlice)?)
    }
}

impl BlockIo for SliceDisk<'_> {
    type Error = OutsideSlice;

    fn block_size(&self) -> BlockSize {
        self.block_size
    }
    fn block_count(&self) -> BlockCount {
        BlockCount::new(len_u64(self.memory).div_euclid(self.block_size.bytes_u64()))
    }
    fn read(&mut self, at: Lba, buf: &mut [u8]) -> Result<(), OutsideSlice> {
        let range = self.range(at, buf)?;
        buf.copy_from_slice(self.memory.get(range).ok_or(OutsideSlice)?);
        Ok(())
    }
    fn lend<'a>(&'a mut self, at: Lba, buf: &'a mut [u8]) -> Result<&'a [u8], OutsideSlice> {
        let range = self.range(at, buf)?;
        self.memory.get(range).ok_or(OutsideSlice)
    }
    fn write(&mut self, at: Lba, buf: &[u8]) -> Result<(), OutsideSlice> {
        let range = self.range(at, buf)?;
        self.memory.get_mut(range).ok_or(OutsideSlice)?.copy_from_slice(buf);
        Ok(())
    }
    fn flush(&mut self) -> Result<(), OutsideSlice> {
        Ok(())
    }
}

impl fmt::Display for OutsideSlice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the access is not inside the slice, or not of whole blocks")
    }
}

impl core::error::Error for OutsideSlice {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_blocks_inside_the_slice_and_nothing_else() {
        let mut memory = [0; 3 * 512 + 100];
        let mut disk = SliceDisk::new(&mut memory, BlockSize::B512);
        assert_eq!(disk.block_count(), BlockCount::new(3));
        disk.write(Lba::new(1), &[5; 1024]).unwrap();
        assert_eq!(disk.lend(Lba::new(2), &mut [0; 512]), Ok(&[5; 512][..]));
        let mut read = [0; 1536];
        disk.read(Lba::new(0), &mut read).unwrap();
        assert_eq!((read[511], read[512], read[1535]), (0, 5, 5));
        disk.read(Lba::new(3), &mut []).unwrap();
        for (at, len) in [(3, 512), (2, 1024), (0, 100), (u64::MAX, 512), (u64::MAX / 512, 512), (4, 0)] {
            let buf = &mut [0; 1536][..len];
            assert_eq!(disk.read(Lba::new(at), buf), Err(OutsideSlice), "{at}");
            assert_eq!(disk.write(Lba::new(at), buf), Err(OutsideSlice), "{at}");
            assert_eq!(disk.lend(Lba::new(at), buf), Err(OutsideSlice), "{at}");
        }
    }
}
