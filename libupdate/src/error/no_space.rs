//! An image that does not fit.

use core::fmt;

use crate::units::block::ByteLen;

/// What did not fit where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NoSpace {
    /// Image, hash tree and trailer are larger than the partition.
    Image {
        /// Bytes of image and hash area, before the trailer region.
        needed: ByteLen,
        /// Bytes of the partition before the trailer region.
        available: ByteLen,
    },
    /// A partition without room for the trailer region.
    NoTrailerRegion {
        /// Bytes of the partition.
        size: ByteLen,
    },
}

impl fmt::Display for NoSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image { needed, available } => {
                write!(f, "image and hash tree need {needed}, the partition has {available} before its trailer")
            }
            Self::NoTrailerRegion { size } => write!(f, "a partition of {size} has no room for the trailer region"),
        }
    }
}

impl core::error::Error for NoSpace {}
