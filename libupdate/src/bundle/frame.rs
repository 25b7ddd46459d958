//! Frames: the pieces that a chunk is carried in. One, unless the maker of the bundle asked for smaller ones, which let a device fetch less of a chunk
//! that it has most blocks of, and make the whole bundle larger.
//!
//! ```text
//!  chunk    | 128 data blocks                                   |
//!  frames   | 16 blocks | 16 blocks | 16 blocks | ..            |   each with a row of its own in the index page
//! ```
//! 1. A frame has 4, 8, 16, 32, 64 or 128 data blocks; the last one of an image may have fewer.
//! 2. A page has the rows of whole chunks: 100, 100, 96, 96, 96 for 64, 32, 16, 8, 4 blocks.
//! 3. The extension that names the number, and the feature bit, are both there or neither is; without them a frame is a chunk.

use crate::bundle::{Features, Verified, page};
use crate::error::{Corrupt, Rule};
use crate::manifest::ExtensionId;
use crate::units::digest::BLOCK_BYTES;
use crate::verity::{DIGESTS_PER_BLOCK, Geometry};

/// The extension that names the data blocks of a frame: 1 byte.
pub const FRAME_BLOCKS: ExtensionId = ExtensionId(4);
/// Rows for which a page has room.
const ROWS: u64 = 100;
/// Data blocks of a chunk.
const CHUNK: u8 = 128;

/// How many data blocks a frame has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frames(u8);

impl Default for Frames {
    fn default() -> Self {
        Self::WHOLE
    }
}

impl Frames {
    /// A frame is a chunk.
    pub const WHOLE: Self = Self(CHUNK);

    /// So many data blocks. `None` if it is not a power of two from 4 to 128.
    #[must_use]
    pub const fn of_blocks(blocks: u8) -> Option<Self> {
        if blocks.is_power_of_two() && blocks >= 4 { Some(Self(blocks)) } else { None }
    }

    /// Those of a bundle.
    ///
    /// # Errors
    /// `ManifestExtension`, `ManifestFeatures`.
    pub fn of(verified: &Verified<'_>) -> Result<Self, Corrupt> {
        let extension = verified.manifest().extensions().iter().find(|one| one.id() == FRAME_BLOCKS);
        let features = verified.features();
        if extension.is_some() != features.has(Features::FRAMES)
            || (extension.is_some() && !features.has(Features::ZSTD))
        {
            return Err(Corrupt(Rule::ManifestFeatures));
        }
        let Some(extension) = extension else { return Ok(Self::WHOLE) };
        match extension.bytes() {
            [blocks] => Self::of_blocks(*blocks).ok_or(Corrupt(Rule::ManifestExtension)),
            _ => Err(Corrupt(Rule::ManifestExtension)),
        }
    }

    /// Data blocks of a frame.
    #[must_use]
    pub const fn blocks(self) -> u8 {
        self.0
    }

    /// Whether a frame is a chunk.
    #[must_use]
    pub const fn are_chunks(self) -> bool {
        self.0 == CHUNK
    }

    /// Frames of a full chunk: 1 to 32.
    #[must_use]
    pub const fn a_chunk(self) -> u64 {
        // 128 / blocks, both powers of two.
        1 << (CHUNK.trailing_zeros().saturating_sub(self.0.trailing_zeros()))
    }

    /// Chunks whose rows a full page has.
    #[must_use]
    pub const fn chunks_a_page(self) -> u64 {
        ROWS >> self.a_chunk().trailing_zeros()
    }

    /// Frames that the chunks before `chunk` have.
    #[must_use]
    pub const fn before(self, chunk: u64) -> u64 {
        chunk.saturating_mul(self.a_chunk())
    }

    /// Frames of `chunk`.
    #[must_use]
    pub fn of_chunk(self, geometry: &Geometry, chunk: u64) -> u64 {
        let blocks = u64::try_from(geometry.chunk_blocks(chunk)).unwrap_or(0);
        blocks.div_ceil(self.0.into())
    }

    /// Frames of an image.
    #[must_use]
    pub fn of_image(self, geometry: &Geometry) -> u64 {
        geometry.data_blocks().div_ceil(self.0.into())
    }

    /// Bytes of frame `place` of `chunk`, and where in the chunk it begins.
    pub(crate) fn in_chunk(self, geometry: &Geometry, chunk: u64, place: u64) -> core::ops::Range<usize> {
        let whole = usize::from(self.0).saturating_mul(BLOCK_BYTES);
        let start = usize::try_from(place).unwrap_or(usize::MAX).saturating_mul(whole);
        start..start.saturating_add(whole).min(geometry.chunk_len(chunk))
    }

    /// Bytes of a frame, counted through the image.
    pub(crate) fn len(self, geometry: &Geometry, frame: u64) -> usize {
        // Frames of a chunk are a power of two.
        let (chunk, place) = (frame >> self.a_chunk().trailing_zeros(), frame & self.a_chunk().saturating_sub(1));
        self.in_chunk(geometry, chunk, place).len()
    }
}

const _: () = assert!(
    DIGESTS_PER_BLOCK == 128 && page::ROWS == 100,
    "a chunk has the blocks of one hash block, and a page its rows"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_a_power_of_two_of_blocks_up_to_a_chunk() {
        let good: std::vec::Vec<u8> = (0..=255).filter(|blocks| Frames::of_blocks(*blocks).is_some()).collect();
        assert_eq!(good, [4, 8, 16, 32, 64, 128]);
        assert!(Frames::of_blocks(128).unwrap().are_chunks() && !Frames::of_blocks(64).unwrap().are_chunks());
    }

    #[test]
    fn a_page_has_the_rows_of_whole_chunks() {
        let counted = [128, 64, 32, 16, 8, 4].map(|blocks| {
            let frames = Frames::of_blocks(blocks).unwrap();
            (frames.a_chunk(), frames.chunks_a_page(), frames.before(frames.chunks_a_page()))
        });
        assert_eq!(counted, [(1, 100, 100), (2, 50, 100), (4, 25, 100), (8, 12, 96), (16, 6, 96), (32, 3, 96)]);
    }

    #[test]
    fn the_frames_of_an_image_are_its_blocks() {
        for (data_blocks, blocks, image, last) in [(300, 16, 19, 12), (128, 16, 8, 16), (129, 64, 3, 1), (5, 4, 2, 1)] {
            let geometry = Geometry::from_data_blocks(data_blocks).unwrap();
            let frames = Frames::of_blocks(blocks).unwrap();
            assert_eq!(frames.of_image(&geometry), image);
            let lens: std::vec::Vec<_> = (0..image).map(|frame| frames.len(&geometry, frame) / BLOCK_BYTES).collect();
            assert_eq!(lens.last(), Some(&last));
            assert_eq!(lens.iter().sum::<usize>(), usize::try_from(data_blocks).unwrap());
            let by_chunk: u64 = (0..geometry.chunks()).map(|chunk| frames.of_chunk(&geometry, chunk)).sum();
            assert_eq!(by_chunk, image);
        }
    }
}
