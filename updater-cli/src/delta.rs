//! Chunks as what differs from an old image: how delta bundles are made.
//!
//! ```text
//!  old image  --read once-->  landmarks: where bytes with a certain hash are     blocks: where each block is
//!                                     |                                               |
//!  chunk  ----------------->  cover: the granules of 4 KiB that most of          copies: every block is there
//!                             its landmarks are in, grown to 1 MiB                    |
//!                                     |                                               |
//!                                   runs ------read again---> reference               |
//!                                     |                          |                    |
//!                                     |            zstd frame with the reference      |
//!                                     |            as prefix, or copies of it         |
//!                                     |            with differences                   |
//!  body                            [ runs | frame ]                               [ runs ]          the shorter one
//! ```
//!
//! 1. The old image stays in its file: in memory are 8 bytes for each landmark, of which there is one in 64 bytes (at most 16 million,
//!    128 MiB), and 12 for each block. Each core that packs chunks has 60 MiB more.
//! 2. Nothing depends on the number of cores or on the order of their work: the same two images always give the same bodies.
//! 3. A hash is only a hint. What is copied was compared, and what is not found costs bytes, not correctness.

mod align;
mod body;
mod copies;
mod cover;
mod index;
mod landmarks;
mod old_image;
mod pack;
mod streams;

pub use old_image::{ImageFile, OldImage, Unreadable};
pub use pack::Packer;

/// Bytes of a block.
const BLOCK: usize = 4096;

/// Blocks of the old image that follow each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Run {
    /// Number of the first one.
    start: u32,
    /// Number after the last one.
    end: u32,
}

impl Run {
    fn blocks(self) -> usize {
        usize::try_from(self.end.saturating_sub(self.start)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod decoder;
#[cfg(test)]
mod tests;
