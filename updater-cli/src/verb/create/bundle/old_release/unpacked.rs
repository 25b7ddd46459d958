//! The disk that a bundle is unpacked to: scratch space that does not forget.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use libupdate::verity::Geometry;
use libupdate::{BlockCount, BlockIo, BlockSize, Extent, Lba};
use libupdate_linux::OsError;

use crate::exit::Failure;
use crate::new_file::{nameless, unwritable};
use crate::scratch_disk::ScratchDisk;

/// A nameless file with the images, and in memory what is read again meanwhile.
pub struct UnpackedDisk {
    scratch: ScratchDisk,
    file: File,
}

/// Where a block of the disk is in its file.
pub fn offset(block: Lba) -> u64 {
    block.get().saturating_mul(BlockSize::B4096.bytes_u64())
}

impl UnpackedDisk {
    /// Room for images of these shapes, and where each goes.
    pub fn for_images(geometries: impl Iterator<Item = Geometry>) -> Result<(Self, Vec<Extent>), Failure> {
        let file = nameless().map_err(|error| full(&error))?;
        let (scratch, extents) = ScratchDisk::for_images(geometries);
        Ok((Self { scratch, file }, extents))
    }

    /// The file.
    pub fn file(&self) -> Result<File, Failure> {
        self.file.try_clone().map_err(|error| full(&error))
    }
}

/// The folder for files without a name has no room, or takes none.
fn full(error: &io::Error) -> Failure {
    unwritable(&std::env::temp_dir(), error).or("or name a folder with more room by TMPDIR")
}

impl BlockIo for UnpackedDisk {
    type Error = OsError;

    fn block_size(&self) -> BlockSize {
        self.scratch.block_size()
    }

    fn block_count(&self) -> BlockCount {
        self.scratch.block_count()
    }

    fn read(&mut self, at: Lba, buf: &mut [u8]) -> Result<(), OsError> {
        self.scratch.read(at, buf)
    }

    fn write(&mut self, at: Lba, buf: &[u8]) -> Result<(), OsError> {
        self.scratch.write(at, buf)?;
        let written = self.file.write_all_at(buf, offset(at));
        written.map_err(|error| OsError::io(&std::env::temp_dir(), "write", &error))
    }

    fn flush(&mut self) -> Result<(), OsError> {
        Ok(())
    }
}
