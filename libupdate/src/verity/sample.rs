//! Images with their trees on a disk in memory: what the unit tests of this module look at.

use core::convert::Infallible;
use std::vec::Vec;

use crate::io::Window;
use crate::io::ram_disk::RamDisk;
use crate::units::block::{BlockSize, ByteOffset, Extent, Lba};
use crate::units::digest::{BLOCK_BYTES, Digest, RootHash, Salt, SoftHasher};
use crate::verity::{Geometry, Superblock, Tree, TreeBuilder, Uuid};

/// The partition does not begin the disk, so that a mixed-up offset is seen.
const FIRST: usize = 40;

/// What `yes libupdate` writes, as the golden vectors' images.
pub fn image(blocks: u64) -> Vec<u8> {
    b"libupdate\n".iter().copied().cycle().take(usize::try_from(blocks).unwrap() * BLOCK_BYTES).collect()
}

/// An image, its superblock and its levels in a partition that ends with them.
pub struct Sample<'s> {
    pub disk: RamDisk,
    pub tree: Tree<'s>,
}

impl<'s> Sample<'s> {
    pub fn new(blocks: u64, salt: &'s [u8]) -> Self {
        let geometry = Geometry::from_data_blocks(blocks).unwrap();
        let salt = Salt::new(salt).unwrap();
        let mut bytes = image(blocks);
        let mut area = std::vec![0; bytes_of(geometry.end()) - bytes.len()];
        let mut open = std::vec![[0; BLOCK_BYTES]; geometry.levels().into()];
        let mut builder = TreeBuilder::new(geometry, salt, &mut open).unwrap();
        let sink = |level, index, block: &[u8; BLOCK_BYTES]| {
            let at = bytes_of(geometry.block_offset(level, index).unwrap()) - bytes.len();
            area[at..at + BLOCK_BYTES].copy_from_slice(block);
            Ok::<(), Infallible>(())
        };
        builder.push_blocks(&bytes, &mut SoftHasher, sink).unwrap();
        let tree = Tree { geometry, salt, root: builder.finish().unwrap() };
        Superblock::of(&tree).encode(area.first_chunk_mut().unwrap());
        bytes.append(&mut area);

        let mut disk = RamDisk::new(BlockSize::B512, FIRST);
        disk.bytes.append(&mut bytes);
        Self { disk, tree }
    }

    /// The partition.
    pub fn window(&mut self) -> Window<'_, RamDisk> {
        let last = self.disk.bytes.len() / 512 - 1;
        let extent = Extent::new(Lba::new(FIRST as u64), Lba::new(last as u64), BlockSize::B512).unwrap();
        Window::new(&mut self.disk, extent)
    }

    /// The bytes of the partition from an offset on.
    pub fn from(&mut self, at: ByteOffset) -> &mut [u8] {
        &mut self.disk.bytes[FIRST * 512 + bytes_of(at)..]
    }

    /// A hash block.
    pub fn block(&mut self, level: u8, index: u64) -> &mut [u8; BLOCK_BYTES] {
        let at = self.tree.geometry.block_offset(level, index).unwrap();
        self.from(at).first_chunk_mut().unwrap()
    }

    /// The disk blocks that a hash block fills.
    pub fn sectors(&self, level: u8, index: u64) -> Vec<u64> {
        let first = FIRST as u64 + self.tree.geometry.block_offset(level, index).unwrap().get() / 512;
        (first..first + 8).collect()
    }
}

fn bytes_of(at: ByteOffset) -> usize {
    usize::try_from(at.get()).unwrap()
}

/// A line of `golden.txt`.
pub struct Golden {
    pub blocks: u64,
    pub salt: Vec<u8>,
    pub root: RootHash,
    pub uuid: Uuid,
    pub hash_area: Digest,
}

pub fn golden() -> Vec<Golden> {
    include_str!("golden.txt").lines().filter(|line| !line.starts_with('#')).map(golden_line).collect()
}

fn golden_line(line: &str) -> Golden {
    let [blocks, salt, root, uuid, hash_area] = *line.split(' ').collect::<Vec<_>>() else {
        panic!("not five fields: {line}");
    };
    Golden {
        blocks: blocks.parse().unwrap(),
        salt: if salt == "-" { Vec::new() } else { unhex(salt) },
        root: RootHash::new(digest(root)),
        uuid: Uuid::new(unhex(&uuid.replace('-', "")).try_into().unwrap()),
        hash_area: digest(hash_area),
    }
}

pub fn digest(hex: &str) -> Digest {
    Digest::new(unhex(hex).try_into().unwrap())
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
