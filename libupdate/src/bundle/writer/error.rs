//! Why a bundle was not made.

use core::fmt;
use std::io;
use std::string::String;

use crate::error::{Corrupt, Misuse};
use crate::units::block::ByteLen;
use crate::verity::BuildError;

/// Why a bundle was not made.
#[derive(Debug)]
#[non_exhaustive]
pub enum WriteError {
    /// An image could not be read.
    Image {
        /// Its role.
        role: String,
        /// Why.
        cause: io::Error,
    },
    /// An image has fewer or more bytes than was said: it may have changed meanwhile.
    ImageLength {
        /// Its role.
        role: String,
        /// What was said.
        expected: ByteLen,
    },
    /// The output could not be written.
    Output(io::Error),
    /// The compressor failed.
    Compressor(io::Error),
    /// A signer failed.
    Signer(io::Error),
    /// A signature does not hold over this bundle with this key.
    NotItsSignature,
    /// A detached head is for a raw image.
    DetachedIsRaw,
    /// The manifest or envelope would break a rule of the format.
    Statement(Corrupt),
    /// The hash tree was not finished.
    Tree(BuildError<Corrupt>),
    /// A buffer was too small.
    Misuse(Misuse),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image { role, cause } => write!(f, "the image for {role} could not be read: {cause}"),
            Self::ImageLength { role, expected } => {
                write!(f, "the image for {role} does not have the promised {expected}")
            }
            Self::Output(cause) => write!(f, "the bundle could not be written: {cause}"),
            Self::Compressor(cause) => write!(f, "a chunk could not be compressed: {cause}"),
            Self::Signer(cause) => write!(f, "the bundle could not be signed: {cause}"),
            Self::NotItsSignature => f.write_str("the signature does not hold over this bundle with this key"),
            Self::DetachedIsRaw => f.write_str("a detached head carries its image uncompressed"),
            Self::Statement(kind) => kind.fmt(f),
            Self::Tree(kind) => kind.fmt(f),
            Self::Misuse(kind) => kind.fmt(f),
        }
    }
}

impl core::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Image { cause, .. } | Self::Output(cause) | Self::Compressor(cause) | Self::Signer(cause) => {
                Some(cause)
            }
            Self::Statement(kind) => Some(kind),
            Self::Tree(kind) => Some(kind),
            Self::Misuse(kind) => Some(kind),
            Self::ImageLength { .. } | Self::NotItsSignature | Self::DetachedIsRaw => None,
        }
    }
}
