//! A disk that fails, or that does not keep what is written to it.

use core::fmt;

use crate::error::Corrupt;
use crate::units::block::Lba;

/// What the disk did. `E` is its own error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Medium<E> {
    /// It said that an access failed.
    Failed(IoError<E>),
    /// It said nothing, and what was right when it was written reads back different.
    NotKept(Corrupt),
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

/// What is done with a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Access {
    /// Blocks were read.
    Read,
    /// Blocks were written.
    Write,
    /// Earlier writes were made durable.
    Flush,
    /// The device, or a part of it, was taken for an act: see [`BlockIo::claim`](crate::io::BlockIo::claim).
    Claim,
    /// The store of a boot loader was read or written: see [`Loader`](crate::loader::Loader).
    BootLoader,
}

impl<E: fmt::Display> fmt::Display for Medium<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::NotKept(kind) => kind.fmt(f),
        }
    }
}

impl<E: fmt::Display> fmt::Display for IoError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.access {
            Access::Claim | Access::BootLoader => self.cause.fmt(f),
            access => write!(f, "{access} at {} failed: {}", self.at, self.cause),
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Flush => "flush",
            Self::Claim => "claim",
            Self::BootLoader => "boot loader's store",
        })
    }
}

impl<E: core::error::Error + 'static> core::error::Error for Medium<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Failed(error) => Some(&error.cause),
            Self::NotKept(kind) => Some(kind),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for IoError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.cause)
    }
}
