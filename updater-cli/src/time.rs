//! Moments, as people and programs read them.

use libupdate::UnixSeconds;
use libupdate_linux::time::believed;

/// The moment as RFC 3339; `None` where it is not known.
pub fn rfc3339(at: UnixSeconds) -> Option<String> {
    let seconds = i64::try_from(at.get()).ok().filter(|seconds| *seconds > 0)?;
    jiff::Timestamp::from_second(seconds).ok().map(|moment| moment.to_string())
}

/// A moment that this machine's clock told, as RFC 3339; `None` where that clock was never set.
pub fn of_clock(at: UnixSeconds) -> Option<String> {
    rfc3339(believed(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_utc_and_an_unknown_one_not_at_all() {
        assert_eq!(rfc3339(UnixSeconds::new(1_600_000_000)).as_deref(), Some("2020-09-13T12:26:40Z"));
        assert_eq!(rfc3339(UnixSeconds::UNKNOWN), None);
        assert_eq!(rfc3339(UnixSeconds::new(u64::MAX)), None);
        assert_eq!(of_clock(UnixSeconds::new(5)), None);
        assert_eq!(of_clock(UnixSeconds::new(1_767_225_600)).as_deref(), Some("2026-01-01T00:00:00Z"));
    }
}
