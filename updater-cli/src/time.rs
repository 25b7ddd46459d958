//! Moments, as people and programs read them.

use std::time::{SystemTime, UNIX_EPOCH};

use libupdate::UnixSeconds;

/// 2026-01-01. Before it there was no such program: a machine whose clock says so never had it set since it was switched on.
const FIRST: u64 = 1_767_225_600;

/// The moment as RFC 3339; `None` where it is not known.
#[cfg(feature = "program")]
pub fn rfc3339(at: UnixSeconds) -> Option<String> {
    let seconds = i64::try_from(at.get()).ok().filter(|seconds| *seconds > 0)?;
    jiff::Timestamp::from_second(seconds).ok().map(|moment| moment.to_string())
}

/// A moment that this machine's clock told, as RFC 3339; `None` where that clock was never set.
#[cfg(feature = "program")]
pub fn of_clock(at: UnixSeconds) -> Option<String> {
    rfc3339(believed(at))
}

/// Now, as far as this machine's clock knows.
pub fn now() -> UnixSeconds {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    believed(since.map_or(UnixSeconds::UNKNOWN, |since| UnixSeconds::new(since.as_secs())))
}

fn believed(at: UnixSeconds) -> UnixSeconds {
    if at.get() < FIRST { UnixSeconds::UNKNOWN } else { at }
}

#[cfg(all(test, feature = "program"))]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_utc_and_an_unknown_one_not_at_all() {
        assert_eq!(rfc3339(UnixSeconds::new(1_600_000_000)).as_deref(), Some("2020-09-13T12:26:40Z"));
        assert_eq!(rfc3339(UnixSeconds::UNKNOWN), None);
        assert_eq!(rfc3339(UnixSeconds::new(u64::MAX)), None);
    }

    /// A machine without a battery for its clock begins in 1970, or with the day on which its system was built.
    #[test]
    fn a_clock_that_was_never_set_tells_no_moment() {
        assert_eq!(of_clock(UnixSeconds::new(5)), None);
        assert_eq!(of_clock(UnixSeconds::new(FIRST - 1)), None);
        assert_eq!(of_clock(UnixSeconds::new(FIRST)).as_deref(), Some("2026-01-01T00:00:00Z"));
    }
}
