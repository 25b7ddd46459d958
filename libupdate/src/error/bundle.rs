//! Why an envelope could not be taken.

use core::fmt;

use crate::error::{Corrupt, Error, Incompatible};

/// A bundle whose envelope could not be read, by whose fault. Becomes an [`Error`] of any device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum BundleFault {
    /// The source failed.
    Source(embedded_io::ErrorKind),
    /// The bytes break a rule.
    Corrupt(Corrupt),
    /// A newer updater could read it.
    Incompatible(Incompatible),
}

impl From<Corrupt> for BundleFault {
    fn from(kind: Corrupt) -> Self {
        Self::Corrupt(kind)
    }
}

impl From<Incompatible> for BundleFault {
    fn from(kind: Incompatible) -> Self {
        Self::Incompatible(kind)
    }
}

impl<E> From<BundleFault> for Error<E> {
    fn from(fault: BundleFault) -> Self {
        match fault {
            BundleFault::Source(kind) => Self::Source(kind),
            BundleFault::Corrupt(kind) => Self::Bundle(kind),
            BundleFault::Incompatible(kind) => kind.into(),
        }
    }
}

impl fmt::Display for BundleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(kind) => write!(f, "the bundle could not be read: {kind}"),
            Self::Corrupt(kind) => kind.fmt(f),
            Self::Incompatible(kind) => kind.fmt(f),
        }
    }
}

impl core::error::Error for BundleFault {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Source(kind) => Some(kind),
            Self::Corrupt(kind) => Some(kind),
            Self::Incompatible(kind) => Some(kind),
        }
    }
}
