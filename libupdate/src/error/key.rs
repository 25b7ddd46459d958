//! Public keys that cannot be trust anchors.

use core::fmt;

use crate::units::digest::Digest;

/// What is wrong with a key, or with a set of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum KeyFault {
    /// Not the DER form of a P-256 key.
    Spki,
    /// Not a point of P-256.
    Point,
    /// Not a secret number of P-256.
    Secret,
    /// One key twice, perhaps in two forms.
    Duplicate {
        /// Its key id.
        key: Digest,
    },
    /// More keys than the bound.
    TooMany {
        /// How many.
        keys: usize,
    },
    /// A threshold above the number of keys.
    Threshold {
        /// The threshold.
        threshold: usize,
        /// How many keys there are.
        keys: usize,
    },
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spki => f.write_str("not a P-256 public key in SubjectPublicKeyInfo form"),
            Self::Point => f.write_str("not a point of the curve P-256"),
            Self::Secret => f.write_str("not a private key of the curve P-256"),
            Self::Duplicate { key } => write!(f, "key {key} is given twice"),
            Self::TooMany { keys } => write!(f, "{keys} keys are more than a device can trust"),
            Self::Threshold { threshold, keys } => {
                write!(f, "a threshold of {threshold} cannot be reached with {keys} keys")
            }
        }
    }
}

impl core::error::Error for KeyFault {}
