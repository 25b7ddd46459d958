//! Which file it is that a server gives: what is compared before two answers are joined.
//!
//! ```text
//!  first answer    200   ETag, Last-Modified, Content-Length           -> Identity
//!  a later one     206   Content-Range: bytes N-M/LENGTH, ETag, ..     goes on at N
//!                  200   the server knows no ranges                    the same file: N bytes are read and left out
//!                  either, of another file, or 416                     it changed: never joined
//! ```
//! A server may send neither `ETag` nor `Last-Modified`. Then the length alone is compared: a mixture does not get far, since each chunk
//! is checked against the signed hash tree before it counts.

use ureq::http::{HeaderMap, StatusCode, header};

/// What distinguishes a file from what stood at its place before.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Identity {
    etag: Option<String>,
    modified: Option<String>,
    /// Its bytes, where the server says so.
    pub len: Option<u64>,
}

/// Where a body begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Begins {
    /// At the byte that was asked for.
    ThereAlready,
    /// At the file's front.
    AtTheFront,
}

/// The answer is not the rest of that file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mismatch {
    /// There is another file now.
    Changed,
    /// The server answers something else than it was asked.
    Nonsense,
}

impl Identity {
    /// What the headers of an answer say about the whole file.
    pub fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        let len = match status {
            StatusCode::PARTIAL_CONTENT => range(headers).and_then(|(_, total)| total),
            _ => text(headers, header::CONTENT_LENGTH).and_then(|len| len.parse().ok()),
        };
        let [etag, modified] = [header::ETAG, header::LAST_MODIFIED].map(|name| text(headers, name).map(str::to_owned));
        Self { etag, modified, len }
    }

    /// For `If-Range`: RFC 9110, 13.1.5 wants a strong validator.
    pub fn if_range(&self) -> Option<&str> {
        let strong = self.etag.as_deref().filter(|etag| !etag.starts_with("W/"));
        strong.or(self.modified.as_deref())
    }

    /// Whether an answer goes on with this file at byte `at`.
    ///
    /// # Errors
    /// Where it does not.
    pub fn continued(&self, at: u64, status: StatusCode, headers: &HeaderMap) -> Result<Begins, Mismatch> {
        let now = Self::of(status, headers);
        // RFC 9110, 15.3.7: a part that was asked for with `If-Range` comes without a date, but not without its tag.
        let lost = match status {
            StatusCode::PARTIAL_CONTENT => self.etag.is_some() && now.etag.is_none(),
            _ => self.if_range().is_some() && now.etag.is_none() && now.modified.is_none(),
        };
        if status == StatusCode::RANGE_NOT_SATISFIABLE || lost || !self.same(&now) {
            return Err(Mismatch::Changed);
        }
        match (status, range(headers)) {
            (StatusCode::OK, _) => Ok(Begins::AtTheFront),
            (StatusCode::PARTIAL_CONTENT, Some((first, _))) if first == at => Ok(Begins::ThereAlready),
            _ => Err(Mismatch::Nonsense),
        }
    }

    fn same(&self, now: &Self) -> bool {
        fn differ<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
            one.zip(other).is_some_and(|(one, other)| one != other)
        }
        !differ(self.etag.as_ref(), now.etag.as_ref())
            && !differ(self.modified.as_ref(), now.modified.as_ref())
            && !differ(self.len.as_ref(), now.len.as_ref())
    }
}

/// First byte and, where it is told, the length of the whole: `bytes 7-99/100`, `bytes 7-99/*`.
fn range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let (span, total) = text(headers, header::CONTENT_RANGE)?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = span.split_once('-')?;
    Some((first.parse().ok()?, total.parse().ok()))
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
    ) -> Result<Begins, Mismatch> {
        let known = Identity::of(StatusCode::OK, &headers(first));
        known.continued(7, StatusCode::from_u16(status).unwrap(), &headers(later))
    }

    #[test]
    fn the_rest_of_the_same_file_goes_on() {
        let rest = [("etag", "\"a\""), ("content-range", "bytes 7-99/100"), ("content-length", "93")];
        assert_eq!(continued(&FIRST, 206, &rest), Ok(Begins::ThereAlready));
        assert_eq!(continued(&FIRST, 206, &[rest[0], ("content-range", "bytes 7-99/*")]), Ok(Begins::ThereAlready));
        assert_eq!(continued(&FIRST, 200, &FIRST), Ok(Begins::AtTheFront));
        assert_eq!(continued(&[], 206, &rest), Ok(Begins::ThereAlready));
        assert_eq!(continued(&FIRST[1..], 206, &[rest[1]]), Ok(Begins::ThereAlready));
        assert_eq!(continued(&[FIRST[2]], 200, &[FIRST[2]]), Ok(Begins::AtTheFront));
    }

    #[test]
    fn another_file_is_never_joined() {
        let range = ("content-range", "bytes 7-99/100");
        for later in [
            &[("etag", "\"b\""), range][..],
            &[("last-modified", "Tuesday"), range],
            &[("etag", "\"a\""), ("content-range", "bytes 7-99/101")],
            // A server that no longer says which file it is.
            &[range],
        ] {
            assert_eq!(continued(&FIRST, 206, later), Err(Mismatch::Changed), "{later:?}");
        }
        assert_eq!(continued(&FIRST, 200, &[FIRST[0], ("content-length", "99")]), Err(Mismatch::Changed));
        assert_eq!(continued(&FIRST, 200, &[FIRST[2]]), Err(Mismatch::Changed));
        assert_eq!(continued(&FIRST[1..], 200, &[FIRST[2]]), Err(Mismatch::Changed));
        assert_eq!(continued(&FIRST, 416, &[]), Err(Mismatch::Changed));
    }

    #[test]
    fn an_answer_to_another_question_is_refused() {
        for range in ["bytes 8-99/100", "bytes */100", "lines 7-99/100", "7-99/100", ""] {
            let answer = continued(&FIRST, 206, &[FIRST[0], ("content-range", range)]);
            assert_eq!(answer, Err(Mismatch::Nonsense), "{range}");
        }
        assert_eq!(continued(&FIRST, 206, &[FIRST[0]]), Err(Mismatch::Nonsense));
        assert_eq!(continued(&FIRST, 204, &[FIRST[0]]), Err(Mismatch::Nonsense));
    }

    #[test]
    fn only_a_strong_validator_asks_for_a_range() {
        let if_range = |lines: &[(&'static str, &str)]| {
            Identity::of(StatusCode::OK, &headers(lines)).if_range().map(str::to_owned)
        };
        assert_eq!(if_range(&FIRST).as_deref(), Some("\"a\""));
        assert_eq!(if_range(&[("etag", "W/\"a\""), FIRST[1]]).as_deref(), Some("Monday"));
        assert_eq!(if_range(&[("etag", "W/\"a\"")]), None);
    }
}
