//! Why a slot of the boot order does not boot, by what its trailer says. Pure: the hook, `choose` and `status` judge by these rules.
//!
//! 1. Its partitions have the same authentic trailer ([`SlotTrailer::fit`](crate::inspect::SlotTrailer::fit)).
//! 2. On trial, its rollback index is not below that of every other good slot ([`above`], `Facts::lowest_index_beside`).

use core::fmt;

use crate::boot::Reason;
use crate::error::{Corrupt, Rule};

/// The rule that the slot breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unfit {
    /// Its trailer could not be read, which says nothing about the slot.
    Unreadable,
    /// It has no trailer, or one that is not authentic.
    Trailer(Corrupt),
    /// An installation into it did not end.
    Unfinished,
    /// It is on trial, and its try could not be spent.
    TryNotSpent,
    /// It is on trial, and older than every good slot.
    BelowFloor {
        /// Its rollback index.
        index: u64,
        /// The lowest of another good slot.
        floor: u64,
    },
}

impl Unfit {
    /// The word for it in reports and on the slot.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Unreadable => Reason::UNREADABLE,
            Self::Trailer(_) | Self::Unfinished => Reason::TRAILER,
            Self::TryNotSpent => Reason::TRY_NOT_SPENT,
            Self::BelowFloor { .. } => Reason::ROLLBACK,
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => Corrupt(Rule::TrailerUnreadable).fmt(f),
            Self::Trailer(kind) => kind.fmt(f),
            Self::Unfinished => f.write_str("an installation did not end"),
            Self::TryNotSpent => f.write_str("the disk does not take it: replace the disk"),
            Self::BelowFloor { index, floor } => write!(f, "{index} where {floor} is the lowest"),
        }
    }
}

/// Whether a slot on trial may boot with this rollback index, where `floor` is the lowest of another good slot: the fallback always boots, and
/// what an attacker with the disk could arm, an older release that was signed once, has an index below it.
///
/// # Errors
/// [`Unfit::BelowFloor`].
pub const fn above(index: u64, floor: u64) -> Result<(), Unfit> {
    if index < floor { Err(Unfit::BelowFloor { index, floor }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_at_the_floor_boots() {
        assert_eq!(above(7, 7), Ok(()));
        assert_eq!(above(6, 7), Err(Unfit::BelowFloor { index: 6, floor: 7 }));
        assert_eq!(above(6, 7).unwrap_err().reason(), Reason::ROLLBACK);
        assert_eq!(Unfit::Trailer(Corrupt(Rule::TrailerMissing)).reason(), Reason::TRAILER);
        assert_eq!(Unfit::Unreadable.reason(), Reason::UNREADABLE);
    }
}
