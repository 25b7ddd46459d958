//! The dm-verity hash tree of an image: where its blocks stand, how they are built, and how one is checked.
mod builder;
mod geometry;
mod parent_cache;
mod superblock;
mod tree;
mod uuid;

pub use builder::{BuildError, TreeBuilder, Unfinished};
pub use geometry::{Geometry, Parent};
pub use parent_cache::ParentCache;
pub use superblock::Superblock;
pub use tree::{Tree, digest_at};
pub use uuid::Uuid;

/// Digests in one hash block, and data blocks in one chunk.
pub const DIGESTS_PER_BLOCK: usize = 128;
/// Bytes of a whole chunk.
pub const CHUNK_BYTES: usize = DIGESTS_PER_BLOCK * crate::digest::BLOCK_BYTES;
