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

use crate::bytes::{all_zero, array, put, u16_at, u32_at, u64_at};
use crate::digest::{BLOCK_BYTES, Salt};
use crate::error::SuperblockFault;
use crate::limits::SALT_BYTES;
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
