use std::vec::Vec;

use super::*;
use crate::bundle::hints;
use crate::io::ram_disk::{Failed, RamDisk};
use crate::policy::OldImage;
use crate::units::block::{BlockSize, Lba};
use crate::units::digest::SoftHasher;

const SALT: &[u8] = b"salt";
/// Sectors of one old image's partition.
const SECTORS: u64 = 10_000;

/// `blocks` blocks of the image `name`, no two alike.
fn image(name: u8, blocks: u64) -> Vec<u8> {
    (0..blocks)
        .flat_map(|block| [name, 0, 0, 1, 2].into_iter().chain(block.to_le_bytes()).cycle().take(BLOCK_BYTES))
        .collect()
}

fn digests(blocks: &[u8]) -> Vec<u8> {
    let mut digests = std::vec![0; blocks.len() / BLOCK_BYTES * DIGEST_BYTES];
    SoftHasher.hash_blocks(Salt::new(SALT).unwrap(), blocks, &mut digests);
    digests
}

/// A disk with two old images, of 300 and of 1000 blocks, and memory for what is known of them.
struct Old {
    disk: RamDisk,
    spares: Vec<Spare>,
    index: Vec<u64>,
    hints: Vec<u8>,
    data: Vec<u8>,
}

impl Old {
    fn new(entries: usize) -> Self {
        let mut disk = RamDisk::new(BlockSize::B512, usize::try_from(2 * SECTORS).unwrap());
        let mut spares = Vec::new();
        for (name, blocks) in [(0_u8, 300), (1, 1000)] {
            let first = u64::from(name) * SECTORS;
            let extent = Extent::new(Lba::new(first), Lba::new(first + SECTORS - 1), BlockSize::B512).unwrap();
            let bytes = image(name, blocks);
            let start = usize::try_from(first).unwrap() * 512;
            disk.bytes[start..start + bytes.len()].copy_from_slice(&bytes);
            let level = Geometry::from_data_blocks(blocks).unwrap().block_offset(0, 0).unwrap().get();
            let (start, digests) = (start + usize::try_from(level).unwrap(), digests(&bytes));
            disk.bytes[start..start + digests.len()].copy_from_slice(&digests);
            spares.push(Spare { image: OldImage { extent, blocks }, payloads: 0b10 });
        }
        let (index, hints) = (std::vec![7; entries], std::vec![0; GROUP_BYTES]);
        Self { disk, spares, index, hints, data: std::vec![0; CHUNK_BYTES] }
    }

    /// What is found of `blocks`, of which the second payload has the hints.
    fn found(&mut self, bit: u8, blocks: &[u8]) -> Result<Option<Vec<u8>>, Error<Failed>> {
        let salt = Salt::new(SALT).unwrap();
        let digests = digests(blocks);
        let hints: Vec<u8> = digests.chunks(DIGEST_BYTES).flat_map(|digest| digest[..HINT_BYTES].to_vec()).collect();
        assert!(hints::are_of(&hints, &digests));
        self.hints[..hints.len()].copy_from_slice(&hints);
        let [mut leaf, mut block, mut page] = [[0; BLOCK_BYTES]; 3];
        let mut buffers = Buffers {
            data: &mut self.data,
            carried: &mut [],
            reference: &mut [],
            reuse: Memory { index: &mut self.index, hints: &mut self.hints },
            leaf: &mut leaf,
            block: &mut block,
            page: &mut page,
        };
        let nowhere = Extent::new(Lba::new(0), Lba::new(0), BlockSize::B512).unwrap();
        let mut window = Window::new(&mut self.disk, nowhere);
        let known = Known::read(&mut window, (&self.spares, bit), salt, &mut buffers, &mut SoftHasher);
        if !known.has(buffers.reuse.index, &hints) {
            return Ok(None);
        }
        let read = known.gather(&mut window, (0..hints.len(), Judge::Tree), salt, &mut buffers, &mut SoftHasher)?;
        Ok(read.then(|| buffers.data[..blocks.len()].to_vec()))
    }
}

/// Blocks of the second image that are not in the first, in another order, and a block of zeros.
fn wanted() -> Vec<u8> {
    let old = image(1, 1000);
    let mut wanted = Vec::new();
    for blocks in [700..760, 990..1000, 400..430] {
        wanted.extend(&old[blocks.start * BLOCK_BYTES..blocks.end * BLOCK_BYTES]);
    }
    wanted.resize(wanted.len() + 2 * BLOCK_BYTES, 0);
    wanted.extend(&old[500 * BLOCK_BYTES..526 * BLOCK_BYTES]);
    wanted
}

#[test]
fn blocks_are_found_wherever_they_are() {
    let wanted = wanted();
    assert!(Old::new(2000).found(0b10, &wanted).unwrap() == Some(wanted));
}

#[test]
fn images_with_another_salt_are_not_looked_into() {
    assert_eq!(Old::new(2000).found(0b01, &wanted()).unwrap(), None);
}

#[test]
fn one_block_that_is_nowhere_is_enough_to_fetch() {
    let mut wanted = wanted();
    wanted[77] ^= 1;
    assert_eq!(Old::new(2000).found(0b10, &wanted).unwrap(), None);
}

#[test]
fn with_less_memory_blocks_between_known_ones_are_taken_to_follow_them() {
    let wanted = wanted();
    for entries in [1000, 500, 260] {
        let mut old = Old::new(entries);
        assert!(old.found(0b10, &wanted).unwrap().as_ref() == Some(&wanted), "{entries} entries");
    }
}

#[test]
fn without_memory_nothing_is_found_and_nothing_read() {
    let mut old = Old::new(0);
    old.disk.bad_reads = (0..2 * SECTORS).collect();
    assert_eq!(old.found(0b10, &wanted()).unwrap(), None);
}

#[test]
fn a_tree_that_cannot_be_read_is_not_known_and_a_block_is_fetched() {
    let geometry = Geometry::from_data_blocks(1000).unwrap();
    let mut old = Old::new(2000);
    old.disk.bad_reads = std::vec![SECTORS + geometry.block_offset(0, 7).unwrap().get() / 512];
    assert_eq!(old.found(0b10, &wanted()).unwrap(), None);
    let mut old = Old::new(2000);
    old.disk.bad_reads = std::vec![SECTORS + 995 * 8];
    assert_eq!(old.found(0b10, &wanted()).unwrap(), None);
}
