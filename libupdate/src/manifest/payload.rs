//! One image of a release.

use crate::block::ByteLen;
use crate::digest::{BLOCK_BYTES, Digest, RootHash, Salt};
use crate::error::Corrupt;
use crate::limits::DATA_BLOCKS;
use crate::manifest::Name;

/// Data blocks of a chunk: as many as one hash block has digests.
const CHUNK_BLOCKS: u64 = 128;

/// How the chunks of a payload are carried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// As they are.
    Raw,
    /// Each on its own: zero, raw or one zstd frame, as index pages say.
    Zstd {
        /// SHA-256 of the first index page.
        first_page: Digest,
    },
}

/// One image: its length, and the root hash that authenticates every block of it.
///
/// # Invariants
/// The length is 1 byte to 2^35 blocks of 4096 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Payload<'a> {
    role: Name<'a>,
    image_len: ByteLen,
    salt: Salt<'a>,
    root_hash: RootHash,
    encoding: Encoding,
}

impl<'a> Payload<'a> {
    /// The payload for `role`.
    ///
    /// # Errors
    /// [`Corrupt::ManifestImageLength`] where the image is empty or larger than the bound.
    pub fn new(
        role: Name<'a>,
        image_len: ByteLen,
        salt: Salt<'a>,
        root_hash: RootHash,
        encoding: Encoding,
    ) -> Result<Self, Corrupt> {
        let data_blocks = data_blocks(image_len);
        if data_blocks == 0 || data_blocks > DATA_BLOCKS {
            return Err(Corrupt::ManifestImageLength { image_len: image_len.get(), data_blocks });
        }
        Ok(Self { role, image_len, salt, root_hash, encoding })
    }

    /// The role of the partition it is for.
    #[must_use]
    pub const fn role(&self) -> Name<'a> {
        self.role
    }

    /// Bytes of the image, before it is padded with zeros to whole blocks.
    #[must_use]
    pub const fn image_len(&self) -> ByteLen {
        self.image_len
    }

    /// Blocks of 4096 bytes that hold the image: at least one.
    #[must_use]
    pub const fn data_blocks(&self) -> u64 {
        data_blocks(self.image_len)
    }

    /// Chunks of 128 data blocks, the last one perhaps shorter: at least one.
    #[must_use]
    pub const fn chunks(&self) -> u64 {
        self.data_blocks().div_ceil(CHUNK_BLOCKS)
    }

    /// Bytes of chunk number `chunk`, a whole number of blocks; 0 past the last chunk.
    #[must_use]
    pub fn chunk_len(&self, chunk: u64) -> usize {
        let before = chunk.saturating_mul(CHUNK_BLOCKS);
        let blocks = self.data_blocks().saturating_sub(before).min(CHUNK_BLOCKS);
        // At most 128 blocks.
        usize::try_from(blocks).unwrap_or_default().saturating_mul(BLOCK_BYTES)
    }

    /// The salt of its hash tree.
    #[must_use]
    pub const fn salt(&self) -> Salt<'a> {
        self.salt
    }

    /// The root of its hash tree.
    #[must_use]
    pub const fn root_hash(&self) -> RootHash {
        self.root_hash
    }

    /// How its chunks are carried.
    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }
}

#[expect(clippy::as_conversions, reason = "4096 fits 64 bits")]
const fn data_blocks(image_len: ByteLen) -> u64 {
    image_len.get().div_ceil(BLOCK_BYTES as u64)
}
