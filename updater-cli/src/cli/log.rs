//! `log` on the command line.

use clap::Args;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// `log`.
#[derive(Args, Debug)]
pub struct Log {
    /// Acts to show, the newest ones
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    pub lines: u16,
    /// Acts on every disk, also on those that are not there now
    #[arg(long)]
    pub all_disks: bool,
    /// Acts from this time on, UTC: 2026-11-29, 2026-11-29T13:46, or 2026-11-29T13:46:48Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Timestamp>,
    /// Check that each line has the hash of the line before it: exit code 4 where one does not fit
    #[arg(long, conflicts_with_all = ["lines", "all_disks", "since"])]
    pub verify: bool,
}

/// A moment as RFC 3339 has it, or a date, perhaps with a time of day, in UTC.
fn moment(text: &str) -> Result<Timestamp, String> {
    let civil = || text.parse::<DateTime>().and_then(|moment| Ok(moment.to_zoned(TimeZone::UTC)?.timestamp()));
    text.parse()
        .or_else(|_| civil())
        .map_err(|error| format!("{error}; give it as 2026-11-29T13:46:48Z, or 2026-11-29"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_or_more() {
        for (text, moment_of) in [
            ("2026-11-29", "2026-11-29T00:00:00Z"),
            ("2026-11-29T13:46", "2026-11-29T13:46:00Z"),
            ("2026-11-29 13:46:48", "2026-11-29T13:46:48Z"),
            ("2026-11-29T13:46:48Z", "2026-11-29T13:46:48Z"),
            ("2026-11-29T13:46:48+02:00", "2026-11-29T11:46:48Z"),
        ] {
            assert_eq!(moment(text).map(|moment| moment.to_string()).as_deref(), Ok(moment_of), "{text}");
        }
        for text in ["", "yesterday", "2026-13-01", "1767225600"] {
            assert!(moment(text).unwrap_err().contains("give it as"), "{text}");
        }
    }
}
