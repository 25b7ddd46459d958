//! A moment, as the formats store it.

use core::fmt;

/// Seconds since 1970-01-01 00:00 UTC; 0 where the moment is not known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct UnixSeconds(u64);

impl UnixSeconds {
    /// Not known.
    pub const UNKNOWN: Self = Self(0);

    /// Wraps the number.
    #[must_use]
    pub const fn new(seconds: u64) -> Self {
        Self(seconds)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}
