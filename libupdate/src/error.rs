//! What can go wrong, by what the caller can do about it.
//!
//! | class | what it means | what helps |
//! |---|---|---|
//! | [`Error::Io`] | the target disk failed | another disk |
//! | [`Error::Source`] | the bundle could not be read | run again, it resumes |
//! | [`Error::Corrupt`] | the bundle is damaged or not authentic | another copy of it, or the right key |
//! | [`Error::Incompatible`] | the bundle needs a newer updater | update the updater |
//! | [`Error::Rejected`] | policy says no | what the message names |
//! | [`Error::NoSpace`] | the image does not fit its partition | a smaller image |
//! | [`Error::Table`] | the disk's partition table is not usable | repair, provision |
//! | [`Error::Interrupted`] | the caller asked to stop | run again, it resumes |

use core::fmt;

use crate::units::block::{ByteLen, ByteOffset, Lba};

mod bundle;
mod corrupt;
mod key;
mod rejected;
mod superblock;
mod table;

pub use bundle::BundleFault;
pub use corrupt::Corrupt;
pub use key::KeyFault;
pub use rejected::{Incompatible, Rejected};
pub use superblock::SuperblockFault;
pub use table::TableFault;

/// Why an act failed. `E` is the device's own error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Error<E> {
    /// The target disk failed.
    Io(IoError<E>),
    /// The bundle's source failed or ended early.
    Source(embedded_io::ErrorKind),
    /// The bundle, or what a slot holds, is damaged or not authentic.
    Corrupt(Corrupt),
    /// The bundle needs a newer updater.
    Incompatible(Incompatible),
    /// Policy refuses.
    Rejected(Rejected),
    /// The image does not fit.
    NoSpace(NoSpace),
    /// The partition table is not usable.
    Table(TableFault),
    /// The caller's observer asked to stop.
    Interrupted,
}

/// A failed access to the target disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IoError<E> {
    /// What was tried.
    pub access: Access,
    /// Where it began; LBA 0 for a flush.
    pub at: Lba,
    /// What the device said.
    pub cause: E,
}

/// The three things that are done with a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Blocks were read.
    Read,
    /// Blocks were written.
    Write,
    /// Earlier writes were made durable.
    Flush,
    /// The device, or a part of it, was taken for an act: see [`BlockIo::claim`](crate::io::BlockIo::claim).
    Claim,
}

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
    /// An access outside the partition.
    OutsidePartition {
        /// Where it began.
        offset: ByteOffset,
        /// Its bytes.
        len: u64,
        /// Bytes of the partition.
        size: ByteLen,
    },
    /// The caller's buffer is smaller than the act needs.
    Buffer {
        /// Bytes it needs.
        needed: usize,
        /// Bytes it got.
        got: usize,
    },
}

impl<E> From<Corrupt> for Error<E> {
    fn from(kind: Corrupt) -> Self {
        Self::Corrupt(kind)
    }
}

impl<E> From<Incompatible> for Error<E> {
    fn from(kind: Incompatible) -> Self {
        Self::Incompatible(kind)
    }
}

impl<E> From<Rejected> for Error<E> {
    fn from(kind: Rejected) -> Self {
        Self::Rejected(kind)
    }
}

impl<E> From<NoSpace> for Error<E> {
    fn from(kind: NoSpace) -> Self {
        Self::NoSpace(kind)
    }
}

impl<E> From<TableFault> for Error<E> {
    fn from(kind: TableFault) -> Self {
        Self::Table(kind)
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) if error.access == Access::Claim => error.cause.fmt(f),
            Self::Io(error) => write!(f, "{} at {} failed: {}", error.access, error.at, error.cause),
            Self::Source(kind) => write!(f, "the bundle could not be read: {kind}"),
            Self::Corrupt(kind) => kind.fmt(f),
            Self::Incompatible(kind) => kind.fmt(f),
            Self::Rejected(kind) => kind.fmt(f),
            Self::NoSpace(kind) => kind.fmt(f),
            Self::Table(kind) => kind.fmt(f),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl<E: core::error::Error> core::error::Error for Error<E> {}
impl core::error::Error for NoSpace {}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Flush => "flush",
            Self::Claim => "claim",
        })
    }
}

impl fmt::Display for NoSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image { needed, available } => {
                write!(f, "image and hash tree need {needed}, the partition has {available} before its trailer")
            }
            Self::NoTrailerRegion { size } => write!(f, "a partition of {size} has no room for the trailer region"),
            Self::OutsidePartition { offset, len, size } => {
                write!(f, "an access of {len} bytes at {offset} leaves the partition of {size} or splits a block")
            }
            Self::Buffer { needed, got } => write!(f, "a buffer of {got} bytes where {needed} are needed"),
        }
    }
}
