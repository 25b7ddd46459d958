//! A disk image file as a [`BlockIo`]: what foreign tools and the core look at in turn.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use libupdate::{BlockCount, BlockIo, BlockSize, Lba};

/// A plain file seen as a disk; bytes after its last whole block are not part of it.
///
/// # Durability
/// As the trait says: `flush` is `fdatasync`.
#[derive(Debug)]
pub struct FileDisk {
    file: File,
    block_size: BlockSize,
    physical: BlockSize,
    blocks: BlockCount,
}

impl FileDisk {
    /// Makes a sparse file of `blocks` zero blocks, replacing what was there.
    ///
    /// # Errors
    /// The file system's.
    pub fn create(path: &Path, block_size: BlockSize, blocks: BlockCount) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        let bytes = blocks.get().checked_mul(block_size.bytes_u64()).ok_or(io::ErrorKind::FileTooLarge)?;
        file.set_len(bytes)?;
        Ok(Self { file, block_size, physical: block_size, blocks })
    }

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// The file system's.
    pub fn open(path: &Path, block_size: BlockSize) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let blocks = BlockCount::new(file.metadata()?.len() / block_size.bytes_u64());
        Ok(Self { file, block_size, physical: block_size, blocks })
    }

    /// The same disk, said to write `physical` bytes at once (512e).
    #[must_use]
    pub fn with_physical_block_size(self, physical: BlockSize) -> Self {
        Self { physical, ..self }
    }

    fn offset(&self, at: Lba) -> io::Result<u64> {
        at.get().checked_mul(self.block_size.bytes_u64()).ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    /// A write past the end would grow the file where a disk refuses.
    fn offset_inside(&self, at: Lba, len: usize) -> io::Result<u64> {
        let size = self.block_size.bytes();
        let blocks = u64::try_from(len / size).map_err(|_| io::ErrorKind::InvalidInput)?;
        let end = at.plus(blocks).ok_or(io::ErrorKind::InvalidInput)?;
        if !len.is_multiple_of(size) || end.get() > self.blocks.get() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.offset(at)
    }
}

impl BlockIo for FileDisk {
    type Error = io::Error;

    fn block_size(&self) -> BlockSize {
        self.block_size
    }
    fn physical_block_size(&self) -> BlockSize {
        self.physical
    }
    fn block_count(&self) -> BlockCount {
        self.blocks
    }
    fn read(&mut self, at: Lba, buf: &mut [u8]) -> io::Result<()> {
        let offset = self.offset_inside(at, buf.len())?;
        self.file.read_exact_at(buf, offset)
    }
    fn write(&mut self, at: Lba, buf: &[u8]) -> io::Result<()> {
        let offset = self.offset_inside(at, buf.len())?;
        self.file.write_all_at(buf, offset)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_past_the_end_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        let mut disk = FileDisk::create(&path, BlockSize::B512, BlockCount::new(4)).unwrap();
        disk.write(Lba::new(3), &[7; 512]).unwrap();
        assert!(disk.write(Lba::new(3), &[7; 1024]).is_err());
        assert!(disk.write(Lba::new(0), &[7; 100]).is_err());
        assert!(disk.read(Lba::new(4), &mut [0; 512]).is_err());
        let mut again = FileDisk::open(&path, BlockSize::B512).unwrap();
        let mut block = [0; 512];
        again.read(Lba::new(3), &mut block).unwrap();
        assert_eq!(block, [7; 512]);
    }
}
