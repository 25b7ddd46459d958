//! The files of a pack's images as one disk, so that they are written and checked by the same code as a slot.
//!
//! ```text
//!  0                 blocks of the first image        ..
//!  | file of part 1: image, superblock, tree | file of part 2 | ..
//! ```
//! What is read after a barrier comes from the medium, and of a stored image everything does: after a flush that failed, the page cache
//! has what the medium lacks.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use libupdate::units::digest::BLOCK_BYTES;
use libupdate::{BlockCount, BlockIo, BlockSize, Extent, Lba};
use libupdate_linux::{OsError, OsErrorKind};

/// A file, and its place on the disk.
struct Piece {
    path: PathBuf,
    file: File,
    first: u64,
    blocks: u64,
    /// It is a stored image, which perhaps a mount reads from: what is right already is not written.
    held: bool,
}

/// The disk.
#[derive(Default)]
pub struct PartsDisk {
    pieces: Vec<Piece>,
    blocks: u64,
}

impl PartsDisk {
    /// Adds a file of so many bytes, a whole number of blocks. Where it is.
    pub fn add(&mut self, path: PathBuf, file: File, bytes: u64, held: bool) -> Option<Extent> {
        let (first, blocks) = (self.blocks, BlockSize::B4096.blocks_for(bytes));
        self.blocks = first.saturating_add(blocks);
        forget(&file);
        self.pieces.push(Piece { path, file, first, blocks, held });
        Extent::new(Lba::new(first), Lba::new(self.blocks.saturating_sub(1)), BlockSize::B4096)
    }

    /// The files, in the order in which they came.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.pieces.iter().map(|piece| &piece.file)
    }

    /// The piece that an access is in, and its byte there.
    fn piece(&self, at: Lba, len: usize) -> Result<(&Piece, u64), OsError> {
        let inside = |piece: &&Piece| (piece.first..piece.first.saturating_add(piece.blocks)).contains(&at.get());
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        let outside = || OsError::new(std::path::Path::new(super::store::STORE), OsErrorKind::OutsideDisk { at, len });
        let piece = self.pieces.iter().find(inside).ok_or_else(outside)?;
        let block = at.get().saturating_sub(piece.first);
        if block.saturating_add(BlockSize::B4096.blocks_for(len)) > piece.blocks {
            return Err(outside());
        }
        Ok((piece, block.saturating_mul(BlockSize::B4096.bytes_u64())))
    }
}

impl BlockIo for PartsDisk {
    type Error = OsError;

    fn block_size(&self) -> BlockSize {
        BlockSize::B4096
    }

    fn block_count(&self) -> BlockCount {
        BlockCount::new(self.blocks)
    }

    fn read(&mut self, at: Lba, buf: &mut [u8]) -> Result<(), OsError> {
        let (piece, offset) = self.piece(at, buf.len())?;
        piece.file.read_exact_at(buf, offset).map_err(|error| OsError::io(&piece.path, "read", &error))
    }

    fn write(&mut self, at: Lba, buf: &[u8]) -> Result<(), OsError> {
        let (piece, offset) = self.piece(at, buf.len())?;
        let failed = |error: io::Error| OsError::io(&piece.path, "write", &error);
        if piece.held {
            let mut there = vec![0; buf.len()];
            if piece.file.read_exact_at(&mut there, offset).is_ok() && there == buf {
                return Ok(());
            }
        }
        piece.file.write_all_at(buf, offset).map_err(failed)
    }

    fn flush(&mut self) -> Result<(), OsError> {
        let flushed = |piece: &Piece| {
            let synced = piece.file.sync_all().map_err(|error| OsError::io(&piece.path, "flush", &error));
            synced.map(|()| forget(&piece.file))
        };
        self.pieces.iter().try_for_each(flushed)
    }
}

/// Has the kernel drop what it keeps of a file and has no need to write. A file system that keeps nothing elsewhere may decline.
fn forget(file: &File) {
    rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed).unwrap_or_default();
}

const _: () = assert!(BLOCK_BYTES == 4096, "the blocks of this disk are those of images");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_reached_by_its_own_blocks_alone() {
        let mut disk = PartsDisk::default();
        let file = |blocks: u64| {
            let file = tempfile::tempfile().unwrap();
            file.set_len(blocks * 4096).unwrap();
            file
        };
        let one = disk.add("one".into(), file(2), 2 * 4096, false).unwrap();
        let two = disk.add("two".into(), file(3), 3 * 4096, true).unwrap();
        assert_eq!((one.first().get(), two.first().get(), disk.block_count().get()), (0, 2, 5));
        disk.write(Lba::new(1), &[1; 4096]).unwrap();
        disk.write(Lba::new(2), &[2; 8192]).unwrap();
        assert!(disk.write(Lba::new(1), &[3; 8192]).is_err(), "across two files");
        assert!(disk.write(Lba::new(5), &[3; 4096]).is_err());
        let mut read = [0; 8192];
        disk.read(Lba::new(2), &mut read).unwrap();
        assert_eq!(read, [2; 8192]);
        disk.flush().unwrap();
        assert_eq!(disk.files().count(), 2);
    }
}
