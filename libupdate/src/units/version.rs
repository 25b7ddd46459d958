//! Order of version strings: the UAPI Group's Version Format Specification (UAPI.10).
//!
//! 1. `~` sorts before everything, even the end: `1.0~rc1 < 1.0`.
//! 2. The end of a string sorts before anything else.
//! 3. Then `-`, then `.`, each before letters and digits: `1-2 < 1.1 < 11`.
//! 4. Runs of digits compare as numbers of any length, and sort after runs of letters.
//! 5. Characters outside letters, digits and `~-.` only separate.
//!
//! ```
//! use core::cmp::Ordering;
//! use libupdate::units::version::compare;
//! assert_eq!(compare("1.0~rc1", "1.0"), Ordering::Less);
//! assert_eq!(compare("1.10", "1.9"), Ordering::Greater);
//! assert_eq!(compare("1.01", "1.1"), Ordering::Equal);
//! ```

use core::cmp::Ordering;

/// Compares two versions. Total; strings that differ may be equal versions.
#[must_use]
pub fn compare(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    loop {
        left = after(left, |byte| !counts(byte));
        right = after(right, |byte| !counts(byte));
        match separator(&mut left, &mut right, b'~') {
            Ordering::Equal => {}
            order => return order,
        }
        if left.is_empty() || right.is_empty() {
            return left.len().min(1).cmp(&right.len().min(1));
        }
        for mark in [b'-', b'^', b'.'] {
            match separator(&mut left, &mut right, mark) {
                Ordering::Equal => {}
                order => return order,
            }
        }
        match segment(&mut left, &mut right) {
            Ordering::Equal => {}
            order => return order,
        }
    }
}

fn counts(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'~' | b'-' | b'^' | b'.')
}

fn after(bytes: &[u8], skip: impl Fn(u8) -> bool) -> &[u8] {
    let end = bytes.iter().position(|byte| !skip(*byte)).unwrap_or(bytes.len());
    bytes.get(end..).unwrap_or_default()
}

/// Both begin with `mark`: it is taken off. One does: that one is lower.
fn separator(left: &mut &[u8], right: &mut &[u8], mark: u8) -> Ordering {
    match (left.split_first(), right.split_first()) {
        (Some((l, left_rest)), Some((r, right_rest))) if *l == mark && *r == mark => {
            *left = left_rest;
            *right = right_rest;
            Ordering::Equal
        }
        (l, r) => {
            let begins = |first: Option<(&u8, &[u8])>| first.is_some_and(|(byte, _)| *byte == mark);
            begins(r).cmp(&begins(l))
        }
    }
}

/// Compares and takes off one run of digits, or one of letters.
fn segment(left: &mut &[u8], right: &mut &[u8]) -> Ordering {
    let digit_first = |bytes: &[u8]| bytes.first().is_some_and(u8::is_ascii_digit);
    if digit_first(left) || digit_first(right) {
        let (l, r) = (take(left, |byte| byte.is_ascii_digit()), take(right, |byte| byte.is_ascii_digit()));
        let (l_number, r_number) = (after(l, |byte| byte == b'0'), after(r, |byte| byte == b'0'));
        (!l.is_empty()).cmp(&!r.is_empty()).then(l_number.len().cmp(&r_number.len())).then(l_number.cmp(r_number))
    } else {
        take(left, |byte| byte.is_ascii_alphabetic()).cmp(take(right, |byte| byte.is_ascii_alphabetic()))
    }
}

fn take<'a>(bytes: &mut &'a [u8], wanted: impl Fn(u8) -> bool) -> &'a [u8] {
    let end = bytes.iter().position(|byte| !wanted(*byte)).unwrap_or(bytes.len());
    let (head, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
    *bytes = rest;
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each is lower than the next. Order by `systemd-analyze compare-versions` of systemd 252, which `tests` runs too.
    #[test]
    fn a_chain_in_ascending_order() {
        let chain = [
            "", "~rc1", "1~rc1", "1", "1-1", "1.0~rc1", "1.0", "1.0-1", "1.0.1", "1.1", "1.9", "1.10", "1.10a",
            "1.10b", "2", "10",
        ];
        for (at, pair) in chain.windows(2).enumerate().skip(1) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{at}: {pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{at}: {pair:?}");
        }
    }

    #[test]
    fn leading_zeros_and_foreign_characters_do_not_count() {
        assert_eq!(compare("1.01", "1.1"), Ordering::Equal);
        assert_eq!(compare("1_1", "1+1"), Ordering::Equal);
        assert_eq!(compare("99999999999999999999999", "100000000000000000000000"), Ordering::Less);
    }
}
