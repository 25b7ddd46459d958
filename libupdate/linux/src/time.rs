//! Moments, as far as this machine's clock is to be believed.

use std::time::{SystemTime, UNIX_EPOCH};

use libupdate::UnixSeconds;

/// 2026-01-01. Before it there was no such program: a machine whose clock says so never had it set since it was switched on.
const FIRST: u64 = 1_767_225_600;

/// Now; unknown where the clock was never set.
pub fn now() -> UnixSeconds {
    believed(clock())
}

/// What the clock says, believed or not.
pub fn clock() -> UnixSeconds {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(UnixSeconds::UNKNOWN, |since| UnixSeconds::new(since.as_secs()))
}

/// A moment that such a clock told; unknown where it was never set.
#[must_use]
pub fn believed(at: UnixSeconds) -> UnixSeconds {
    if at.get() < FIRST { UnixSeconds::UNKNOWN } else { at }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine without a battery for its clock begins in 1970, or with the day on which its system was built.
    #[test]
    fn a_clock_that_was_never_set_tells_no_moment() {
        assert_eq!(believed(UnixSeconds::new(5)), UnixSeconds::UNKNOWN);
        assert_eq!(believed(UnixSeconds::new(FIRST - 1)), UnixSeconds::UNKNOWN);
        assert_eq!(believed(UnixSeconds::new(FIRST)).get(), FIRST);
    }
}
