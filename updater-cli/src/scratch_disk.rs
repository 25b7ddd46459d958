//! Scratch space for checking a bundle without a disk: keeps the hash blocks that are read again, forgets image data and level 0.

use std::collections::HashMap;

use libupdate::units::digest::BLOCK_BYTES;
use libupdate::verity::Geometry;
use libupdate::{BlockCount, BlockIo, BlockSize, Extent, Lba};
use libupdate_linux::OsError;

/// Room between two images: a trailer region, which every partition has.
const REGION_BLOCKS: u64 = 16;

/// The disk: blocks of 4096 bytes, one partition an image.
pub struct ScratchDisk {
    /// The blocks from superblock to level 0 of each image.
    read_again: Vec<std::ops::Range<u64>>,
    kept: HashMap<u64, Box<[u8]>>,
    blocks: u64,
}

impl ScratchDisk {
    /// Room for images of these shapes, and where each goes.
    pub fn for_images(geometries: impl Iterator<Item = Geometry>) -> (Self, Vec<Extent>) {
        let mut disk = Self { read_again: Vec::new(), kept: HashMap::new(), blocks: 0 };
        let mut extents = Vec::new();
        for geometry in geometries {
            let first = disk.blocks;
            let len = BlockSize::B4096.blocks_for(geometry.end().get()).saturating_add(REGION_BLOCKS);
            let end = first.saturating_add(len);
            // At most 8 images of 128 TiB: the addresses are far from their type's end.
            extents.extend(Extent::new(Lba::new(first), Lba::new(end.saturating_sub(1)), BlockSize::B4096));
            let levels = BlockSize::B4096.blocks_for(geometry.level_offset(0).get());
            disk.read_again.push(first.saturating_add(geometry.data_blocks())..first.saturating_add(levels));
            disk.blocks = end;
        }
        (disk, extents)
    }

    fn is_read_again(&self, block: u64) -> bool {
        self.read_again.iter().any(|blocks| blocks.contains(&block))
    }
}

impl BlockIo for ScratchDisk {
    // The core's error type is the one that the program turns into exit codes.
    type Error = OsError;

    fn block_size(&self) -> BlockSize {
        BlockSize::B4096
    }

    fn block_count(&self) -> BlockCount {
        BlockCount::new(self.blocks)
    }

    fn read(&mut self, at: Lba, buf: &mut [u8]) -> Result<(), OsError> {
        for (block, piece) in (at.get()..).zip(buf.chunks_mut(BLOCK_BYTES)) {
            match self.kept.get(&block) {
                Some(kept) => piece.copy_from_slice(kept),
                None => piece.fill(0),
            }
        }
        Ok(())
    }

    fn write(&mut self, at: Lba, buf: &[u8]) -> Result<(), OsError> {
        for (block, piece) in (at.get()..).zip(buf.chunks(BLOCK_BYTES)) {
            if self.is_read_again(block) {
                self.kept.insert(block, piece.into());
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), OsError> {
        Ok(())
    }
}
