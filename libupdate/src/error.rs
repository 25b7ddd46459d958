//! What can go wrong, by what the caller can do about it.
//!
//! | class | what it means | what helps |
//! |---|---|---|
//! | [`Error::Bundle`] | the bundle is damaged or not authentic | another copy of it, or the right key |
//! | [`Error::Slot`] | what a slot holds is damaged or not authentic | installing into it again |
//! | [`Error::Medium`] | the disk failed, or does not keep what is written to it | another disk |
//! | [`Error::Rejected`] | policy says no | what the message names |
//! | [`Error::NoSpace`] | the image does not fit its partition | a smaller image |
//! | [`Error::Table`] | the disk's partition table is not usable | repair, provision |
//! | [`Error::Source`] | the bundle could not be read | run again, it resumes |
//! | [`Error::Interrupted`] | the caller asked to stop | run again, it resumes |
//! | [`Error::Misuse`] | the caller broke a rule of this interface | mending the caller |
//!
//! One rule of the format can be broken by a bundle and by a slot: [`Corrupt`] is the rule, the class says whose bytes they are.

use core::fmt;

mod bundle;
mod corrupt;
mod key;
mod medium;
mod misuse;
mod no_space;
mod rejected;
mod superblock;
mod table;

pub use bundle::BundleFault;
pub use corrupt::Corrupt;
pub(crate) use corrupt::Rule;
pub use key::KeyFault;
pub use medium::{Access, IoError, Medium};
pub use misuse::Misuse;
pub use no_space::NoSpace;
pub use rejected::{Incompatible, Needed, Rejected};
pub use superblock::SuperblockFault;
pub use table::TableFault;

/// Why an act failed. `E` is the device's own error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Error<E> {
    /// The bundle is damaged or not authentic: fetch another one.
    Bundle(Corrupt),
    /// What a slot holds is damaged or not authentic: install into it again.
    Slot(Corrupt),
    /// The target disk failed, or does not keep what is written to it: replace it.
    Medium(Medium<E>),
    /// Policy refuses.
    Rejected(Rejected),
    /// The image does not fit.
    NoSpace(NoSpace),
    /// The caller's own fault.
    Misuse(Misuse),
    /// The partition table is not usable.
    Table(TableFault),
    /// The bundle's source failed.
    Source(embedded_io::ErrorKind),
    /// The caller's observer asked to stop.
    Interrupted,
}

impl<E> From<IoError<E>> for Error<E> {
    fn from(error: IoError<E>) -> Self {
        Self::Medium(Medium::Failed(error))
    }
}

impl<E> From<Incompatible> for Error<E> {
    fn from(kind: Incompatible) -> Self {
        Self::Rejected(Rejected::Incompatible(kind))
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

impl<E> From<Misuse> for Error<E> {
    fn from(kind: Misuse) -> Self {
        Self::Misuse(kind)
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
            Self::Bundle(kind) | Self::Slot(kind) => kind.fmt(f),
            Self::Medium(kind) => kind.fmt(f),
            Self::Rejected(kind) => kind.fmt(f),
            Self::NoSpace(kind) => kind.fmt(f),
            Self::Misuse(kind) => kind.fmt(f),
            Self::Table(kind) => kind.fmt(f),
            Self::Source(kind) => write!(f, "the bundle could not be read: {kind}"),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for Error<E> {
    /// The kind; the device's own error where the disk failed.
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Bundle(kind) | Self::Slot(kind) => Some(kind),
            Self::Medium(Medium::Failed(error)) => Some(&error.cause),
            Self::Medium(Medium::NotKept(kind)) => Some(kind),
            Self::Rejected(kind) => Some(kind),
            Self::NoSpace(kind) => Some(kind),
            Self::Misuse(kind) => Some(kind),
            Self::Table(kind) => Some(kind),
            Self::Source(kind) => Some(kind),
            Self::Interrupted => None,
        }
    }
}
