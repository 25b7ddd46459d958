//! A superblock and the places of a hash tree, against plain arithmetic in 128 bits; and small trees, against one made level by level.

use libupdate::units::digest::{Digest, Salt};
use libupdate::verity::{Geometry, Parent, Superblock, TreeBuilder};
use libupdate::{ByteLen, SoftHasher};

use crate::bundles::{BLOCK, naive_tree};
use crate::input::Input;

const FANOUT: u128 = 128;

/// Takes the bytes as a superblock; then as the size of an image; then as a small image.
///
/// # Panics
/// Where a place, a count or a root hash is wrong.
pub fn run(bytes: &[u8]) {
    superblock(bytes);
    let mut input = Input::new(bytes);
    let (blocks, index, level) = (input.long() >> input.below(64), input.long(), input.byte());
    if let Some(geometry) = Geometry::from_data_blocks(blocks) {
        places(geometry);
        one_block(geometry, level, index);
    }
    assert_eq!(Geometry::from_image_len(ByteLen::new(0)), None);
    tree(&mut input);
}

fn superblock(bytes: &[u8]) {
    let Ok(superblock) = Superblock::decode(bytes) else { return };
    let mut block = [0; BLOCK];
    superblock.encode(&mut block);
    assert_eq!(block[..512], bytes[..512], "a superblock encodes to other bytes");
    assert!(block[512..].iter().all(|byte| *byte == 0));
    places(superblock.geometry);
}

fn places(geometry: Geometry) {
    let blocks = u128::from(geometry.data_blocks());
    let mut sizes = Vec::new();
    let mut width = blocks;
    while width > 1 {
        width = width.div_ceil(FANOUT);
        sizes.push(width);
    }
    assert_eq!(usize::from(geometry.levels()), sizes.len());
    let mut at = (blocks + 1) * 4096;
    assert_eq!(u128::from(geometry.hash_offset().get()), blocks * 4096);
    for (level, size) in sizes.iter().enumerate().rev() {
        let level = u8::try_from(level).expect("five levels at most");
        assert_eq!(u128::from(geometry.level_blocks(level)), *size, "blocks of level {level}");
        assert_eq!(u128::from(geometry.level_offset(level).get()), at, "place of level {level}");
        at += size * 4096;
    }
    assert_eq!(u128::from(geometry.end().get()), at, "the end");
    let shipped: u128 = sizes.iter().skip(1).sum();
    assert_eq!(u128::from(geometry.shipped_blocks()), shipped);
    assert_eq!(u128::from(geometry.chunks()), blocks.div_ceil(FANOUT));
}

fn one_block(geometry: Geometry, level: u8, index: u64) {
    let index = index.checked_rem(geometry.level_blocks(level).saturating_mul(2).max(1)).unwrap_or(index);
    let inside = index < geometry.level_blocks(level);
    assert_eq!(geometry.block_offset(level, index).is_some(), inside);
    if let Some(place) = geometry.block_offset(level, index) {
        assert!(place >= geometry.level_offset(level) && place.get() + 4096 <= geometry.end().get());
    }
    match geometry.parent(level, index) {
        None => assert!(!inside),
        Some(Parent::Root) => assert_eq!(level + 1, geometry.levels()),
        Some(Parent::Block { level: above, index: parent, place }) => {
            assert_eq!(
                (above, u128::from(parent), place as u128),
                (level + 1, u128::from(index) / 128, u128::from(index) % 128)
            );
        }
    }
    let (chunk, blocks) = (index, geometry.chunk_blocks(index));
    assert_eq!(geometry.chunk_offset(chunk).is_some(), blocks > 0, "chunk {chunk}");
    assert!(
        u128::from(chunk) * 128 + blocks as u128 <= u128::from(geometry.data_blocks()).max(u128::from(chunk) * 128)
    );
}

/// A small image pushed in pieces.
fn tree(input: &mut Input<'_>) {
    let blocks = 1 + input.below(140);
    let Some(geometry) = Geometry::from_data_blocks(blocks as u64) else { panic!("{blocks} blocks are few") };
    let salt_len = input.short() % 257;
    let (salt, pieces) = (input.bytes(salt_len), input.bytes(16));
    let image: Vec<u8> = (0..blocks).flat_map(|block| [input.byte() ^ block.to_le_bytes()[0]; BLOCK]).collect();
    let salt = Salt::new(salt).unwrap_or_else(|| panic!("{} bytes of salt are few", salt.len()));
    let mut open = [[0xee; BLOCK]; 2];
    let mut builder = TreeBuilder::new(geometry, salt, &mut open).expect("room for two levels");
    let (mut left, mut sizes) = (&image[..], pieces.iter().cycle());
    while !left.is_empty() {
        let len = (1 + usize::from(sizes.next().copied().unwrap_or(7) % 30)) * BLOCK;
        let (piece, rest) = left.split_at(len.min(left.len()));
        left = rest;
        builder.push_blocks(piece, &mut SoftHasher, |_, _, _| Ok::<(), ()>(())).expect("whole blocks of the image");
    }
    let root = builder.finish().expect("every block was given");
    assert_eq!(*root.digest(), Digest::new(naive_tree(&image, salt.as_bytes()).0));
}
