//! Which file it is that a server gives, and which bytes of it: what is compared before two answers are joined.
//!
//! ```text
//!  asked from byte N on    206   Content-Range: bytes F-M/LENGTH    F <= N: N - F bytes are left out, M may be before the end
//!                          200   the same header, and M - F + 1     a part with the wrong status
//!                                bytes
//!                          200   the server knows no ranges         N bytes are left out
//!                          416   Content-Range: bytes */N           the file ends here
//!                          else, or F > N                           all of it is asked for, once
//! ```
//! 1. Another length: the file changed.
//! 2. Another `ETag` or `Last-Modified`, or none any more: perhaps the file changed, perhaps another machine answers for the same server.
//!    It is joined: each chunk is checked against the signed hash tree before it counts. Where one is wrong, this is why.

use ureq::http::{HeaderMap, StatusCode, header};

/// What distinguishes a file from what stood at its place before.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Identity {
    etag: Option<String>,
    modified: Option<String>,
    /// What it is said to be, `text/html`, in small letters.
    pub media: Option<String>,
    /// Its bytes, where the server says so.
    pub len: Option<u64>,
}

/// The bytes of a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// The first one's place in the file.
    pub first: u64,
    /// The place behind the last one, where the server says so.
    pub end: Option<u64>,
    /// Bytes of the whole file, where it says so.
    pub total: Option<u64>,
    /// Whose bytes they are.
    pub file: Sameness,
}

/// Whether two answers are about one file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sameness {
    /// The server says so, or says nothing against it.
    Same,
    /// The hashes have to judge.
    Doubtful,
}

/// The answer is not the rest of that file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mismatch {
    /// There is another file now.
    Changed,
    /// The server answers something else than it was asked.
    Nonsense,
    /// The file ends where the rest would begin.
    Over,
    /// It ends before that.
    Short,
    /// A page for people has come in its place.
    Page,
}

impl Identity {
    /// What the headers of an answer say about the whole file.
    pub fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        let len = match range(status, headers) {
            Some(range) => range.total,
            None if status == StatusCode::PARTIAL_CONTENT => None,
            None => content_length(headers),
        };
        let [etag, modified] = [header::ETAG, header::LAST_MODIFIED].map(|name| text(headers, name).map(str::to_owned));
        let media = text(headers, header::CONTENT_TYPE).and_then(|media| media.split(';').next());
        Self { etag, modified, media: media.map(|media| media.trim().to_ascii_lowercase()), len }
    }

    /// Which bytes an answer brings, to go on with this file at byte `at`.
    ///
    /// # Errors
    /// Where it does not.
    pub fn continued(&self, at: u64, status: StatusCode, headers: &HeaderMap) -> Result<Span, Mismatch> {
        let now = Self::of(status, headers);
        let file = if self.doubts(&now, status) { Sameness::Doubtful } else { Sameness::Same };
        match (status, range(status, headers)) {
            (StatusCode::RANGE_NOT_SATISFIABLE, _) => Err(match unsatisfied(headers) {
                Some(len) if len == at => Mismatch::Over,
                Some(len) if len < at && self.len.is_none() => Mismatch::Short,
                Some(len) if len < at => Mismatch::Changed,
                _ => Mismatch::Nonsense,
            }),
            _ if is_page(now.media.as_deref()) && self.media != now.media && at > 0 => Err(Mismatch::Page),
            (_, Some(range)) if differ(self.len.as_ref(), range.total.as_ref()) => Err(Mismatch::Changed),
            (_, Some(range)) if range.first <= at && at < range.end => {
                Ok(Span { first: range.first, end: Some(range.end), total: range.total.or(self.len), file })
            }
            (_, Some(_)) | (StatusCode::PARTIAL_CONTENT, None) => Err(Mismatch::Nonsense),
            // As long as what is missing, and not as long as the file.
            (_, None) if at > 0 && self.len.is_some() && now.len == self.len.map(|len| len.saturating_sub(at)) => {
                Ok(Span { first: at, end: self.len, total: self.len, file: Sameness::Doubtful })
            }
            (_, None) if differ(self.len.as_ref(), now.len.as_ref()) => Err(Mismatch::Changed),
            (_, None) => Ok(Span { first: 0, end: now.len, total: now.len, file }),
        }
    }

    /// What is known after another answer about the same file.
    #[must_use]
    pub fn and(self, now: Self) -> Self {
        let Self { etag, modified, media, len } = now;
        Self {
            etag: etag.or(self.etag),
            modified: modified.or(self.modified),
            media: self.media.or(media),
            len: self.len.or(len),
        }
    }

    fn doubts(&self, now: &Self, status: StatusCode) -> bool {
        // RFC 9110, 15.3.7: a part may come without a date, but not without its tag.
        let lost = match status {
            StatusCode::PARTIAL_CONTENT => self.etag.is_some() && now.etag.is_none(),
            _ => (self.etag.is_some() || self.modified.is_some()) && now.etag.is_none() && now.modified.is_none(),
        };
        lost || differ(self.etag.as_ref(), now.etag.as_ref()) || differ(self.modified.as_ref(), now.modified.as_ref())
    }
}

/// Whether that is a type of pages for people.
pub fn is_page(media: Option<&str>) -> bool {
    matches!(media, Some("text/html" | "application/xhtml+xml"))
}

fn differ<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one != other)
}

/// First byte, the one behind the last, and the length of the whole where it is told.
struct Range {
    first: u64,
    end: u64,
    total: Option<u64>,
}

/// `bytes 7-99/100`, `bytes 7-99/*`. Under the status of a whole file it counts if the body is as long as it says.
fn range(status: StatusCode, headers: &HeaderMap) -> Option<Range> {
    let (span, total) = of_bytes(headers)?.split_once('/')?;
    let (first, last) = span.split_once('-')?;
    let (first, end) = (number(first)?, number(last)?.checked_add(1)?);
    let (len, total) = (end.checked_sub(first).filter(|len| *len > 0)?, number(total));
    let counts = status == StatusCode::PARTIAL_CONTENT || content_length(headers) == Some(len);
    (counts && total.is_none_or(|total| end <= total)).then_some(Range { first, end, total })
}

/// `bytes */100`.
fn unsatisfied(headers: &HeaderMap) -> Option<u64> {
    number(of_bytes(headers)?.strip_prefix("*/")?)
}

/// RFC 9110, 14.1: the unit's name is written in letters of any size.
fn of_bytes(headers: &HeaderMap) -> Option<&str> {
    let (unit, rest) = text(headers, header::CONTENT_RANGE)?.trim().split_once(' ')?;
    unit.eq_ignore_ascii_case("bytes").then(|| rest.trim())
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    text(headers, header::CONTENT_LENGTH).and_then(number)
}

/// Digits and nothing else: `+7` is no number of a header.
pub fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    const FIRST: [(&str, &str); 3] = [("etag", "\"a\""), ("last-modified", "Monday"), ("content-length", "100")];

    fn continued(
        first: &[(&'static str, &str)],
        status: u16,
        later: &[(&'static str, &str)],
    ) -> Result<Span, Mismatch> {
        let known = Identity::of(StatusCode::OK, &headers(first));
        known.continued(7, StatusCode::from_u16(status).unwrap(), &headers(later))
    }

    fn same(first: u64, end: Option<u64>) -> Result<Span, Mismatch> {
        Ok(Span { first, end, total: end.map(|_| 100), file: Sameness::Same })
    }

    fn doubtful(first: u64, end: u64) -> Result<Span, Mismatch> {
        Ok(Span { first, end: Some(end), total: Some(100), file: Sameness::Doubtful })
    }

    #[test]
    fn the_rest_of_the_same_file_goes_on() {
        let rest = [("etag", "\"a\""), ("content-range", "bytes 7-99/100"), ("content-length", "93")];
        assert_eq!(continued(&FIRST, 206, &rest), same(7, Some(100)));
        assert_eq!(continued(&FIRST, 206, &[rest[0], ("content-range", "Bytes 7-99/*")]), same(7, Some(100)));
        assert_eq!(continued(&FIRST, 200, &FIRST), same(0, Some(100)));
        assert_eq!(continued(&[], 206, &rest), same(7, Some(100)));
        assert_eq!(continued(&FIRST[1..], 206, &[rest[1]]), same(7, Some(100)));
        assert_eq!(continued(&[FIRST[2]], 200, &[FIRST[2]]), same(0, Some(100)));
        assert_eq!(continued(&[], 200, &[]), same(0, None));
    }

    /// Earlier, shorter, or under the status of a whole file.
    #[test]
    fn odd_parts_are_parts() {
        let at = |range| [FIRST[0], ("content-range", range)];
        assert_eq!(continued(&FIRST, 206, &at("bytes 0-99/100")), same(0, Some(100)));
        assert_eq!(continued(&FIRST, 206, &at("bytes 3-8/100")), same(3, Some(9)));
        let part = ("content-length", "93");
        assert_eq!(continued(&FIRST, 200, &[FIRST[0], ("content-range", "bytes 7-99/100"), part]), same(7, Some(100)));
        assert_eq!(continued(&FIRST, 200, &[FIRST[0], part]), doubtful(7, 100));
        assert_eq!(
            continued(&FIRST, 200, &[FIRST[0], ("content-range", "bytes 7-99/100"), FIRST[2]]),
            same(0, Some(100))
        );
    }

    #[test]
    fn the_hashes_judge_what_may_be_another_file() {
        let range = ("content-range", "bytes 7-99/100");
        for later in [
            &[("etag", "\"b\""), range][..],
            &[("last-modified", "Tuesday"), range],
            // A server that no longer says which file it is.
            &[range],
        ] {
            assert_eq!(continued(&FIRST, 206, later), doubtful(7, 100), "{later:?}");
        }
        assert_eq!(continued(&FIRST, 200, &[FIRST[2]]), doubtful(0, 100));
        assert_eq!(continued(&FIRST[1..], 200, &[FIRST[2]]), doubtful(0, 100));
    }

    #[test]
    fn another_length_is_another_file_and_the_end_is_the_end() {
        let range = |range| [FIRST[0], ("content-range", range)];
        assert_eq!(continued(&FIRST, 206, &range("bytes 7-99/101")), Err(Mismatch::Changed));
        assert_eq!(continued(&FIRST, 200, &[FIRST[0], ("content-length", "99")]), Err(Mismatch::Changed));
        assert_eq!(continued(&FIRST, 416, &range("bytes */6")), Err(Mismatch::Changed));
        assert_eq!(continued(&[], 416, &range("bytes */6")), Err(Mismatch::Short));
        assert_eq!(continued(&FIRST, 416, &range("bytes */7")), Err(Mismatch::Over));
    }

    #[test]
    fn a_page_in_the_middle_is_no_part() {
        let page = [("content-type", "Text/HTML; charset=utf-8"), ("content-length", "93")];
        assert_eq!(continued(&FIRST, 200, &page), Err(Mismatch::Page));
        // A server that calls everything so.
        assert_eq!(continued(&[page[0], FIRST[2]], 200, &[page[0], FIRST[2]]), same(0, Some(100)));
    }

    #[test]
    fn an_answer_to_another_question_is_refused() {
        for range in [
            "bytes 8-99/100",
            "bytes */100",
            "lines 7-99/100",
            "7-99/100",
            "",
            "bytes 7-6/100",
            "bytes +7-99/100",
            "bytes 7-100/100",
            "bytes 7-0x63/100",
            "bytes -7-99/100",
            "bytes 7-18446744073709551615/*",
            "bytes 7-99999999999999999999/*",
        ] {
            let answer = continued(&FIRST, 206, &[FIRST[0], ("content-range", range)]);
            assert_eq!(answer, Err(Mismatch::Nonsense), "{range}");
        }
        assert_eq!(continued(&FIRST, 206, &[FIRST[0]]), Err(Mismatch::Nonsense));
        assert_eq!(continued(&FIRST, 416, &[]), Err(Mismatch::Nonsense));
        assert_eq!(continued(&FIRST, 416, &[("content-range", "bytes */100")]), Err(Mismatch::Nonsense));
    }
}
