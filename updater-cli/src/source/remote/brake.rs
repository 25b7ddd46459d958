//! A bound of the rate at which bytes are fetched: `--limit-rate`.

use std::time::{Duration, Instant};

/// What was not used is kept for so long, and no longer.
const KEPT: Duration = Duration::from_secs(1);

/// Bytes a second, and when the next may come.
#[derive(Debug)]
pub struct Brake {
    rate: u64,
    next: Instant,
}

impl Brake {
    /// At most `rate` bytes a second, from now on.
    pub fn new(rate: u64) -> Self {
        Self { rate: rate.max(1), next: Instant::now() }
    }

    /// How long to wait after `bytes` have come, at `now`.
    pub fn after(&mut self, bytes: u64, now: Instant) -> Duration {
        let earliest = now.checked_sub(KEPT).map_or(self.next, |kept| self.next.max(kept));
        // Numbers of a rate that a person gives; in nanoseconds they fit 128 bits.
        let nanoseconds = u128::from(bytes).saturating_mul(1_000_000_000).checked_div(self.rate.into()).unwrap_or(0);
        let takes = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        self.next = earliest.checked_add(takes).unwrap_or(earliest);
        self.next.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_at_the_rate_and_a_second_that_was_not_used_is_kept() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut brake = Brake { rate: 1000, next: start };
        let waits = |brake: &mut Brake, bytes, now| brake.after(bytes, at(now)).as_millis();
        assert_eq!(waits(&mut brake, 500, 0), 500);
        assert_eq!(waits(&mut brake, 500, 500), 500);
        // Half a second late: the next half comes at once.
        assert_eq!(waits(&mut brake, 500, 1500), 0);
        assert_eq!(waits(&mut brake, 500, 1500), 500);
        // A minute late: one second's worth, not sixty.
        assert_eq!(waits(&mut brake, 3000, 62_000), 2000);
    }
}
