//! The block before the hash tree that tells stock tools what it is. Nobody signs it: it is compared, never believed.
//!
//! ```text
//!   0 "verity\0\0"        8
//!   8 version = 1         u32    64 data block size = 4096  u32    88 salt, then zero   256
//!  12 hash type = 1       u32    68 hash block size = 4096  u32   344 zero              168
//!  16 UUID                16     72 data blocks             u64   512 zero             3584
//!  32 "sha256", then zero 32     80 salt length             u16
//!                                82 zero                      6
//! ```

use crate::error::SuperblockFault;
use crate::units::bytes::{all_zero, array, put, u16_at, u32_at, u64_at};
use crate::units::digest::{BLOCK_BYTES, Salt};
use crate::units::limits::SALT_BYTES;
use crate::verity::geometry::Geometry;
use crate::verity::tree::Tree;
use crate::verity::uuid::Uuid;

/// Bytes of the superblock proper.
const BYTES: usize = 512;
const VERSION: u32 = 1;
const HASH_TYPE: u32 = 1;
const BLOCK_SIZE: u32 = 4096;
const MAGIC: [u8; 8] = *b"verity\0\0";
const ALGORITHM: [u8; 32] = *b"sha256\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const SALT_AT: usize = 88;

/// The fields of a superblock (cryptsetup, `lib/verity/verity.c`, `struct verity_sb`) that are not the same in every image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Superblock<'a> {
    /// Identity of the image; ours comes from the root hash.
    pub uuid: Uuid,
    /// Number of data blocks, and what follows from it.
    pub geometry: Geometry,
    /// What is hashed before every block.
    pub salt: Salt<'a>,
}

impl<'a> Superblock<'a> {
    /// The superblock that an image has here.
    #[must_use]
    pub fn of(tree: &Tree<'a>) -> Self {
        Self { uuid: Uuid::from_root(&tree.root), geometry: tree.geometry, salt: tree.salt }
    }

    /// Fills `block`, all of it. Touches memory only.
    pub fn encode(&self, block: &mut [u8; BLOCK_BYTES]) {
        // A salt has at most 256 bytes.
        let salt_length = u16::try_from(self.salt.as_bytes().len()).unwrap_or(u16::MAX);
        block.fill(0);
        for (at, field) in [
            (0, &MAGIC[..]),
            (8, &VERSION.to_le_bytes()),
            (12, &HASH_TYPE.to_le_bytes()),
            (16, self.uuid.as_bytes()),
            (32, &ALGORITHM),
            (64, &BLOCK_SIZE.to_le_bytes()),
            (68, &BLOCK_SIZE.to_le_bytes()),
            (72, &self.geometry.data_blocks().to_le_bytes()),
            (80, &salt_length.to_le_bytes()),
            (SALT_AT, self.salt.as_bytes()),
        ] {
            let fits = put(block, at, field);
            debug_assert!(fits.is_some(), "every field ends before byte 512");
        }
    }

    /// Reads a superblock, of ours or of `veritysetup`, from the start of `bytes`. Only its own 512 bytes are judged: stock
    /// tools leave the rest of the block as it was.
    ///
    /// # Errors
    /// [`SuperblockFault`], in the order of its kinds.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, SuperblockFault> {
        let (bytes, _) = bytes.split_at_checked(BYTES).ok_or(SuperblockFault::Truncated)?;
        check_constants(bytes)?;
        let data_blocks = field(u64_at(bytes, 72))?;
        let geometry =
            Geometry::from_data_blocks(data_blocks).ok_or(SuperblockFault::DataBlocks { found: data_blocks })?;
        let salt_length = field(u16_at(bytes, 80))?;
        let (salt, unused) = bytes
            .get(SALT_AT..SALT_AT + SALT_BYTES)
            .and_then(|salt| salt.split_at_checked(usize::from(salt_length)))
            .ok_or(SuperblockFault::SaltLength { found: salt_length })?;
        let salt = Salt::new(salt).ok_or(SuperblockFault::SaltLength { found: salt_length })?;
        let gaps = [bytes.get(82..SALT_AT), Some(unused), bytes.get(SALT_AT + SALT_BYTES..)];
        if !gaps.into_iter().flatten().all(all_zero) {
            return Err(SuperblockFault::Padding);
        }
        Ok(Self { uuid: Uuid::new(field(array(bytes, 16))?), geometry, salt })
    }

    /// Compares a whole block with the one that `tree` has here.
    ///
    /// # Errors
    /// [`SuperblockFault`], in the order of its kinds.
    pub fn check(block: &[u8; BLOCK_BYTES], tree: &Tree<'_>) -> Result<(), SuperblockFault> {
        let found = Superblock::decode(block)?;
        if found != Superblock::of(tree) {
            Err(SuperblockFault::OtherTree)
        } else if block.get(BYTES..).is_some_and(all_zero) {
            Ok(())
        } else {
            Err(SuperblockFault::Tail)
        }
    }
}

/// The fields that have one value here.
fn check_constants(bytes: &[u8]) -> Result<(), SuperblockFault> {
    if field(array(bytes, 0))? != MAGIC {
        return Err(SuperblockFault::Magic);
    }
    let version = field(u32_at(bytes, 8))?;
    if version != VERSION {
        return Err(SuperblockFault::Version { found: version });
    }
    let hash_type = field(u32_at(bytes, 12))?;
    if hash_type != HASH_TYPE {
        return Err(SuperblockFault::HashType { found: hash_type });
    }
    if field(array(bytes, 32))? != ALGORITHM {
        return Err(SuperblockFault::Algorithm);
    }
    let data_block_size = field(u32_at(bytes, 64))?;
    if data_block_size != BLOCK_SIZE {
        return Err(SuperblockFault::DataBlockSize { found: data_block_size });
    }
    let hash_block_size = field(u32_at(bytes, 68))?;
    if hash_block_size != BLOCK_SIZE {
        return Err(SuperblockFault::HashBlockSize { found: hash_block_size });
    }
    Ok(())
}

/// A field that the bytes are too short for.
fn field<T>(value: Option<T>) -> Result<T, SuperblockFault> {
    value.ok_or(SuperblockFault::Truncated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::limits::DATA_BLOCKS;
    use crate::verity::sample::{Sample, golden};

    fn block_of(tree: &Tree<'_>) -> [u8; BLOCK_BYTES] {
        let mut block = [0xff; BLOCK_BYTES];
        Superblock::of(tree).encode(&mut block);
        block
    }

    #[test]
    fn what_is_encoded_is_decoded_and_checked() {
        for salt in [&[][..], &[7], &[7; 32], &[7; 256]] {
            let tree = Sample::new(3, salt).tree;
            let block = block_of(&tree);
            assert_eq!(Superblock::decode(&block), Ok(Superblock::of(&tree)));
            assert_eq!(Superblock::check(&block, &tree), Ok(()));
        }
    }

    #[test]
    fn the_uuid_is_the_one_that_veritysetup_was_given() {
        for line in golden() {
            assert_eq!(Uuid::from_root(&line.root), line.uuid);
        }
    }

    /// A rule: what breaks it, and its kind.
    type Rule = (usize, &'static [u8], SuperblockFault);

    /// In the order in which they are judged.
    const RULES: [Rule; 9] = [
        (0, b"veritas\0", SuperblockFault::Magic),
        (8, &[2, 0, 0, 0], SuperblockFault::Version { found: 2 }),
        (12, &[0, 0, 0, 0], SuperblockFault::HashType { found: 0 }),
        (32, b"sha256x", SuperblockFault::Algorithm),
        (64, &[0, 2, 0, 0], SuperblockFault::DataBlockSize { found: 512 }),
        (68, &[0, 4, 0, 0], SuperblockFault::HashBlockSize { found: 1024 }),
        (72, &[0; 8], SuperblockFault::DataBlocks { found: 0 }),
        (80, &[1, 1], SuperblockFault::SaltLength { found: 257 }),
        (82, &[1], SuperblockFault::Padding),
    ];

    #[test]
    fn each_rule_has_its_kind() {
        let tree = Sample::new(3, &[7; 32]).tree;
        for (at, bytes, fault) in RULES {
            let mut block = block_of(&tree);
            put(&mut block, at, bytes).unwrap();
            assert_eq!(Superblock::decode(&block), Err(fault));
            assert_eq!(Superblock::check(&block, &tree), Err(fault));
        }
    }

    #[test]
    fn an_earlier_fault_masks_the_later_ones() {
        let tree = Sample::new(3, &[7; 32]).tree;
        for first in 0..RULES.len() {
            let mut block = block_of(&tree);
            for (at, bytes, _) in &RULES[first..] {
                put(&mut block, *at, bytes).unwrap();
            }
            assert_eq!(Superblock::decode(&block), Err(RULES[first].2));
            assert_eq!(Superblock::decode(&block[..511]), Err(SuperblockFault::Truncated));
        }
    }

    #[test]
    fn data_blocks_over_the_bound_are_refused() {
        let mut block = block_of(&Sample::new(3, &[]).tree);
        for found in [DATA_BLOCKS + 1, u64::MAX] {
            put(&mut block, 72, &found.to_le_bytes()).unwrap();
            assert_eq!(Superblock::decode(&block), Err(SuperblockFault::DataBlocks { found }));
        }
        put(&mut block, 72, &DATA_BLOCKS.to_le_bytes()).unwrap();
        assert_eq!(Superblock::decode(&block).unwrap().geometry.data_blocks(), DATA_BLOCKS);
    }

    #[test]
    fn every_unused_byte_is_checked() {
        let tree = Sample::new(3, &[7; 32]).tree;
        for at in (82..88).chain(120..512) {
            let mut block = block_of(&tree);
            block[at] = 1;
            assert_eq!(Superblock::decode(&block), Err(SuperblockFault::Padding), "byte {at}");
        }
    }

    /// `veritysetup format` writes 512 bytes and leaves the rest of the block as it finds it.
    #[test]
    fn the_rest_of_the_block_is_judged_only_in_our_own() {
        let tree = Sample::new(3, &[7; 32]).tree;
        for at in [512, 4095] {
            let mut block = block_of(&tree);
            block[at] = 1;
            assert_eq!(Superblock::decode(&block), Ok(Superblock::of(&tree)));
            assert_eq!(Superblock::check(&block, &tree), Err(SuperblockFault::Tail));
        }
    }

    #[test]
    fn a_superblock_of_another_image_is_told_from_a_damaged_one() {
        let tree = Sample::new(3, &[7; 32]).tree;
        for other in [Sample::new(4, &[7; 32]).tree, Sample::new(3, &[8; 32]).tree] {
            assert_eq!(Superblock::check(&block_of(&other), &tree), Err(SuperblockFault::OtherTree));
        }
        let mut block = block_of(&tree);
        block[16] ^= 1;
        assert_eq!(Superblock::check(&block, &tree), Err(SuperblockFault::OtherTree));
    }
}
