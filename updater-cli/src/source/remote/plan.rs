//! Which bytes of a file are fetched.
//!
//! ```text
//!  the act    reads .. skips a little .. reads .. skips much .. reads
//!  spans      [---------------------------------]           [--------]
//! ```

use libupdate::install::{Ahead, Run};

/// Bytes of a gap that cost less to fetch than another request: on the pairs of docs/PERFORMANCE.md they are 0.5 % more bytes for half as many
/// requests.
pub const NEAR: u64 = 64 << 10;

/// Bytes of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    pub from: u64,
    /// The place after the last one; none is the end of the file.
    pub to: Option<u64>,
}

impl Span {
    fn has(&self, at: u64) -> bool {
        self.from <= at && self.to.is_none_or(|to| at < to)
    }
}

/// The spans for what an act will read from `at` on.
pub fn spans(at: u64, ahead: Ahead<'_>) -> Vec<Span> {
    let Ahead::Runs(runs) = ahead else { return vec![Span { from: at, to: None }] };
    let mut spans: Vec<Span> = Vec::new();
    let mut end = at;
    for Run { skip, read } in runs {
        let from = end.saturating_add((*skip).into());
        end = from.saturating_add((*read).into());
        match spans.last_mut() {
            _ if *read == 0 => {}
            Some(Span { to: Some(to), .. }) if from.saturating_sub(*to) <= NEAR => *to = end,
            _ => spans.push(Span { from, to: Some(end) }),
        }
    }
    spans
}

/// Whether the byte at `at` will come.
pub fn covers(spans: &[Span], at: u64) -> bool {
    spans.iter().any(|span| span.has(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: u64, to: u64) -> Span {
        Span { from, to: Some(to) }
    }

    #[test]
    fn what_is_near_is_fetched_in_one() {
        let run = |skip, read| Run { skip, read };
        assert_eq!(spans(7, Ahead::All), [Span { from: 7, to: None }]);
        assert_eq!(spans(7, Ahead::Runs(&[run(0, 10)])), [span(7, 17)]);
        assert_eq!(
            spans(0, Ahead::Runs(&[run(5, 10), run(65_536, 1), run(65_537, 1)])),
            [span(5, 65_552), span(131_089, 131_090)]
        );
        assert_eq!(spans(0, Ahead::Runs(&[run(70_000, 0)])), []);
        assert_eq!(
            spans(0, Ahead::Runs(&[run(0, 1), run(70_000, 0), run(70_000, 2)])),
            [span(0, 1), span(140_001, 140_003)]
        );
    }

    #[test]
    fn a_byte_of_a_gap_does_not_come_until_it_is_asked_for() {
        let spans = [span(0, 10), span(100, 110), Span { from: 200, to: None }];
        assert!(covers(&spans, 9) && !covers(&spans, 10) && covers(&spans, 100) && covers(&spans, 1000));
    }
}
