//! The form in which openssl, tokens and cloud services exchange ECDSA signatures (RFC 3279, section 2.2.3).
//!
//! ```text
//!  30 len | 02 len r | 02 len s |      big-endian, as short as can be, a zero byte before a set top bit
//! ```

use std::vec::Vec;

/// Bytes of r, and of s.
const HALF: usize = 32;

/// The DER form of r then s.
#[must_use]
pub fn to_der(signature: &[u8; 64]) -> Vec<u8> {
    let (r, s) = signature.split_at(HALF);
    let body: Vec<u8> = [integer(r), integer(s)].concat();
    // At most 2 * 35 bytes.
    let len = u8::try_from(body.len()).unwrap_or(u8::MAX);
    [&[0x30, len], body.as_slice()].concat()
}

/// r then s of a DER signature that is the whole of `der`, strictly encoded. `None` for anything else.
#[must_use]
pub fn from_der(der: &[u8]) -> Option<[u8; 64]> {
    let (body, after) = tagged(0x30, der)?;
    let (r, rest) = tagged(0x02, body)?;
    let (s, end) = tagged(0x02, rest)?;
    if !after.is_empty() || !end.is_empty() {
        return None;
    }
    let mut out = [0; 64];
    let (r_out, s_out) = out.split_at_mut(HALF);
    put_number(r, r_out)?;
    put_number(s, s_out)?;
    Some(out)
}

fn integer(number: &[u8]) -> Vec<u8> {
    let leading = number.iter().take_while(|byte| **byte == 0).count().min(HALF.saturating_sub(1));
    let (_, short) = number.split_at(leading);
    let pad: &[u8] = if short.first().is_some_and(|top| *top >= 0x80) { &[0] } else { &[] };
    let len = u8::try_from(pad.len().saturating_add(short.len())).unwrap_or(u8::MAX);
    [&[0x02, len], pad, short].concat()
}

/// What a tag with a one-byte length holds, and what follows it.
fn tagged(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    match der {
        [found, len @ 0..=0x7f, rest @ ..] if *found == tag => rest.split_at_checked(usize::from(*len)),
        _ => None,
    }
}

/// Puts a non-negative DER integer in its shortest form to the end of `out`.
fn put_number(integer: &[u8], out: &mut [u8]) -> Option<()> {
    let digits = match integer {
        [0, rest @ ..] if rest.first().is_some_and(|top| *top >= 0x80) => rest,
        [0, _, ..] | [] => return None,
        [top, ..] if *top >= 0x80 => return None,
        shortest => shortest,
    };
    let at = out.len().checked_sub(digits.len())?;
    crate::units::bytes::put(out, at, digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(r: &[u8], s: &[u8]) -> [u8; 64] {
        let mut out = [0; 64];
        out[32 - r.len()..32].copy_from_slice(r);
        out[64 - s.len()..].copy_from_slice(s);
        out
    }

    #[test]
    fn numbers_are_as_short_as_can_be() {
        assert_eq!(to_der(&signature(&[1], &[0x7f])), [0x30, 6, 2, 1, 1, 2, 1, 0x7f]);
        assert_eq!(to_der(&signature(&[0x80], &[1, 0])), [0x30, 8, 2, 2, 0, 0x80, 2, 2, 1, 0]);
        assert_eq!(to_der(&[0xff; 64]).len(), 72);
    }

    #[test]
    fn both_ways_give_the_same() {
        for len in 1..=32 {
            for top in [1, 0x7f, 0x80, 0xff] {
                let mut number = std::vec![0x55; len];
                number[0] = top;
                let raw = signature(&number, &[3]);
                assert_eq!(from_der(&to_der(&raw)), Some(raw));
            }
        }
    }

    #[test]
    fn only_the_strict_form_is_taken() {
        let good = [0x30, 7, 2, 2, 0, 0x80, 2, 1, 1];
        assert_eq!(from_der(&good), Some(signature(&[0x80], &[1])));
        for len in 0..good.len() {
            assert_eq!(from_der(&good[..len]), None);
        }
        let bad: [&[u8]; 9] = [
            &[0x30, 7, 2, 2, 0, 0x80, 2, 1, 1, 0],       // a byte after the end
            &[0x30, 8, 2, 2, 0, 0x80, 2, 1, 1, 0],       // a byte inside
            &[0x31, 7, 2, 2, 0, 0x80, 2, 1, 1],          // a set
            &[0x30, 7, 3, 2, 0, 0x80, 2, 1, 1],          // a bit string
            &[0x30, 6, 2, 1, 0x80, 2, 1, 1],             // negative
            &[0x30, 7, 2, 2, 0, 0x7f, 2, 1, 1],          // a needless zero
            &[0x30, 5, 2, 0, 2, 1, 1],                   // no digits
            &[0x30, 0x81, 7, 2, 2, 0, 0x80, 2, 1, 1],    // a length in the long form
            &[0x30, 0x80, 2, 2, 0, 0x80, 2, 1, 1, 0, 0], // no length
        ];
        for der in bad {
            assert_eq!(from_der(der), None, "{der:02x?}");
        }
        let mut long = std::vec![0x30, 38, 2, 33, 1];
        long.extend([0; 32]);
        long.extend([2, 1, 1]);
        assert_eq!(from_der(&long), None, "33 digits");
    }
}
