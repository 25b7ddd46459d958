//! One image of a release.

use crate::error::{Corrupt, Rule};
use crate::manifest::Name;
use crate::units::block::ByteLen;
use crate::units::digest::{Digest, RootHash, Salt};
use crate::verity::{Geometry, Tree};

/// Bytes of a data block.
const BLOCK: u64 = 4096;

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
    geometry: Geometry,
    salt: Salt<'a>,
    root_hash: RootHash,
    encoding: Encoding,
}

impl<'a> Payload<'a> {
    /// The payload for `role`.
    ///
    /// # Errors
    /// `ManifestImageLength` where the image is empty or larger than the bound.
    pub fn new(
        role: Name<'a>,
        image_len: ByteLen,
        salt: Salt<'a>,
        root_hash: RootHash,
        encoding: Encoding,
    ) -> Result<Self, Corrupt> {
        let data_blocks = image_len.get().div_ceil(BLOCK);
        let out_of_bounds = Corrupt(Rule::ManifestImageLength { image_len: image_len.get(), data_blocks });
        let geometry = Geometry::from_image_len(image_len).ok_or(out_of_bounds)?;
        Ok(Self { role, image_len, geometry, salt, root_hash, encoding })
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
        self.geometry.data_blocks()
    }

    /// Where the blocks of image and hash tree are.
    #[must_use]
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The hash tree that authenticates every block.
    #[must_use]
    pub const fn tree(&self) -> Tree<'a> {
        Tree { geometry: self.geometry, salt: self.salt, root: self.root_hash }
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
