//! dm-verity: the hash tree by which one root hash authenticates every block of an image.
//!
//! ```text
//!  partition                                          tree of 16385 data blocks
//!  0            +------------------------------+
//!               | data block 0 .. n - 1        |      root hash = H(salt, level 2, block 0)
//!  n * 4096     +------------------------------+                      |
//!  hash offset  | superblock                   |      level 2     [ digest 0, 1, zero ..... ]
//!               +------------------------------+                   /           \
//!               | top level, 1 block           |      level 1   [ 0 .. 127 ]   [ 128, zero ]
//!               | ..                           |                 |  ..   |       |
//!               | level 1                      |      level 0  [..] ..  [..]   [..]
//!               | level 0                      |                |        |       |
//!  end          +------------------------------+      data    0 - 127   ..     16384
//! ```
//!
//! 1. Data blocks and hash blocks have 4096 bytes. An image has 1 to 2^35 data blocks; the tail of the last one is zero.
//! 2. The digest of a block is SHA-256 over the salt (0 to 256 bytes), then the block.
//! 3. Hash block i of level 0 holds the digests of data blocks 128 i to 128 i + 127; of level l + 1, those of the same hash
//!    blocks of level l. Where there are fewer than 128, the rest of the hash block is zero.
//! 4. The first level that has only one block is the top. The digest of that block is the root hash.
//! 5. One data block has no levels: its own digest is the root hash.
//! 6. The superblock, one block, follows the data at the hash offset, n * 4096. The levels follow it, top first. There are no
//!    gaps.
//! 7. A chunk is the up to 128 data blocks that one level-0 hash block covers, so that one digest of level 1 authenticates it.
//! 8. Only the root hash, the salt and the number of data blocks are believed, and only from a signed manifest. The superblock
//!    is compared with them; a hash block is believed once it has the digest that its parent holds.
//!
//! This is format 1 of the kernel (`Documentation/admin-guide/device-mapper/verity.rst`) with SHA-256, laid out as
//! `veritysetup format --hash-offset` does on one device. Off-spec: no other block sizes and algorithms, no format 0; the UUID
//! comes from the root hash instead of chance, so that equal images give equal partitions; a partial last block counts as a
//! block, where `veritysetup` drops it.
//!
//! | to | with | memory |
//! |---|---|---|
//! | find a block | [`Geometry`] | none |
//! | build a tree | [`TreeBuilder`] | one block for each level |
//! | check a hash block on the disk, and all above it | [`Tree::load_block`] | one block |
//! | check the chunks of an image in order | [`ParentCache::expected_chunk`], [`Tree::check_chunk`] | two blocks |
//! | check the levels that a bundle ships, as they come | [`ParentCache::expected`], [`Tree::check_block`] | two blocks |
//! | write or compare what stock tools read | [`Superblock`] | one block |
//!
//! ```
//! # use core::convert::Infallible;
//! # use libupdate::{BlockCount, BlockIo, BlockSize, Lba};
//! # struct Disk(Vec<u8>);
//! # impl BlockIo for Disk {
//! #     type Error = Infallible;
//! #     fn block_size(&self) -> BlockSize { BlockSize::B512 }
//! #     fn block_count(&self) -> BlockCount { BlockCount::new(self.0.len() as u64 / 512) }
//! #     fn read(&mut self, at: Lba, buf: &mut [u8]) -> Result<(), Infallible> {
//! #         buf.copy_from_slice(&self.0[at.get() as usize * 512..][..buf.len()]);
//! #         Ok(())
//! #     }
//! #     fn write(&mut self, at: Lba, buf: &[u8]) -> Result<(), Infallible> {
//! #         self.0[at.get() as usize * 512..][..buf.len()].copy_from_slice(buf);
//! #         Ok(())
//! #     }
//! #     fn flush(&mut self) -> Result<(), Infallible> { Ok(()) }
//! # }
//! use libupdate::verity::{Geometry, ParentCache, Superblock, Tree, TreeBuilder};
//! use libupdate::{BlockHasher, ByteLen, Error, Extent, Salt, SoftHasher, Window};
//!
//! let image = vec![7; 129 * 4096];
//! let geometry = Geometry::from_image_len(ByteLen::new(image.len() as u64)).unwrap();
//! let salt = Salt::new(b"\xaa").unwrap();
//!
//! // Build. The partition is a vector here.
//! let mut partition = image.clone();
//! partition.resize(geometry.end().get() as usize, 0);
//! let mut open = [[0; 4096]; 2];
//! let mut builder = TreeBuilder::new(geometry, salt, &mut open)?;
//! builder.push_blocks(&image, &mut SoftHasher, |level, index, block| {
//!     let at = geometry.block_offset(level, index).unwrap().get() as usize;
//!     partition[at..at + 4096].copy_from_slice(block);
//!     Ok::<(), Infallible>(())
//! })?;
//! let tree = Tree { geometry, salt, root: builder.finish()? };
//! Superblock::of(&tree).encode(partition[geometry.hash_offset().get() as usize..].first_chunk_mut().unwrap());
//!
//! // head -c 528384 /dev/zero | tr '\0' '\7' > image; veritysetup format --salt aa image tree      (veritysetup 2.6.1)
//! let root = "694029458ad559eec2df25621457736d3adee2edb08bc1876356aa7e940184bc";
//! assert_eq!(tree.root.to_string(), root);
//!
//! // Check chunk 1, the last data block, against the root hash.
//! let mut disk = Disk(partition);
//! let extent = Extent::new(Lba::new(0), Lba::new(disk.block_count().get() - 1), BlockSize::B512).unwrap();
//! let mut cache = ParentCache::new(tree);
//! let expected = cache.expected_chunk(&mut Window::new(&mut disk, extent), 1, &mut SoftHasher)?;
//! let mut digest = [0; 32];
//! SoftHasher.hash_blocks(salt, &image[128 * 4096..], &mut digest);
//! tree.check_chunk(expected, 1, &digest, &mut [0; 4096], &mut SoftHasher)?;
//!
//! // One bit of the top level flips: nothing below it is believed.
//! disk.0[geometry.level_offset(1).get() as usize] ^= 1;
//! let found = ParentCache::new(tree).expected_chunk(&mut Window::new(&mut disk, extent), 1, &mut SoftHasher);
//! assert!(matches!(found, Err(Error::Slot(kind)) if kind.rule() == "HashBlock"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builder;
mod geometry;
mod parent_cache;
#[cfg(test)]
mod sample;
mod superblock;
mod tree;
mod uuid;

use crate::units::digest::BLOCK_BYTES;

pub use builder::{BuildError, TreeBuilder, Unfinished};
pub use geometry::{Geometry, Parent};
pub use parent_cache::ParentCache;
pub use superblock::Superblock;
pub use tree::{Tree, digest_at};
pub use uuid::Uuid;

/// Digests in one hash block, and data blocks in one chunk.
pub(crate) const DIGESTS_PER_BLOCK: usize = 128;
/// Bytes of a whole chunk.
pub const CHUNK_BYTES: usize = DIGESTS_PER_BLOCK * BLOCK_BYTES;
