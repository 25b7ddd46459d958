//! Moments, as people and programs read them.

use std::time::{SystemTime, UNIX_EPOCH};

use libupdate::UnixSeconds;

/// The moment as RFC 3339; `None` where it is not known.
pub fn rfc3339(at: UnixSeconds) -> Option<String> {
    let seconds = i64::try_from(at.get()).ok().filter(|seconds| *seconds > 0)?;
    jiff::Timestamp::from_second(seconds).ok().map(|moment| moment.to_string())
}

/// Now, as far as this machine's clock knows.
pub fn now() -> UnixSeconds {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(UnixSeconds::UNKNOWN, |since| UnixSeconds::new(since.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_utc_and_an_unknown_one_not_at_all() {
        assert_eq!(rfc3339(UnixSeconds::new(1_600_000_000)).as_deref(), Some("2020-09-13T12:26:40Z"));
        assert_eq!(rfc3339(UnixSeconds::UNKNOWN), None);
        assert_eq!(rfc3339(UnixSeconds::new(u64::MAX)), None);
    }
}
