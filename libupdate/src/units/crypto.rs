//! SHA-256 and P-256, and whose they are.
//!
//! ```text
//!  feature soft-crypto   the crates sha2 and p256
//!  feature host-crypto   functions of the firmware that links the core, through libupdate-host-crypto
//! ```
//! Both features: the crates. A digest is 32 bytes; a point is in the form 04 X Y of SEC1, 65 bytes; a signature is r then s, 64 bytes.

#[cfg(not(any(test, feature = "soft-crypto", feature = "host-crypto")))]
compile_error!("libupdate needs SHA-256: the feature `soft-crypto`, which is a default one, or `host-crypto`");

#[cfg(any(test, feature = "soft-crypto"))]
mod soft;
#[cfg(any(test, feature = "soft-crypto"))]
pub(crate) use soft::{Point, sha256, sha256_each};

#[cfg(all(feature = "host-crypto", not(any(test, feature = "soft-crypto"))))]
mod host;
#[cfg(all(feature = "host-crypto", not(any(test, feature = "soft-crypto"))))]
pub(crate) use host::{Point, sha256, sha256_each};

/// Bytes of a point in the form 04 X Y.
pub(crate) const POINT_BYTES: usize = 65;

/// Which of its two forms a signature has: (r, s) and (r, n - s) are both valid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// r and s are from 1 to n - 1, and s is the smaller one.
    Low,
    /// As `Low`, with the larger s.
    High,
    /// r or s is 0, or too large.
    None,
}

/// The order of the curve, n of FIPS 186-4 D.1.2.3, big-endian.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
/// Half of it, rounded down.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xde, 0x73, 0x7d,
    0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

/// The form of a signature.
pub(crate) fn form(signature: &[u8; 64]) -> Form {
    let (r, s) = signature.split_at(32);
    let scalar = |number: &[u8]| number != [0; 32] && number < &ORDER[..];
    match (scalar(r) && scalar(s), s <= &HALF_ORDER[..]) {
        (false, _) => Form::None,
        (true, true) => Form::Low,
        (true, false) => Form::High,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_less(number: [u8; 32]) -> [u8; 32] {
        let mut less = number;
        for byte in less.iter_mut().rev() {
            let (lower, borrowed) = byte.overflowing_sub(1);
            *byte = lower;
            if !borrowed {
                break;
            }
        }
        less
    }

    /// What the crate says of the same bytes.
    fn by_the_crate(signature: &[u8; 64]) -> Form {
        match p256::ecdsa::Signature::from_slice(signature) {
            Err(_) => Form::None,
            Ok(parsed) if parsed.normalize_s() == parsed => Form::Low,
            Ok(_) => Form::High,
        }
    }

    #[test]
    fn the_form_is_what_the_crate_says() {
        let mut one = [0; 32];
        one[31] = 1;
        let mut half_and_one = HALF_ORDER;
        half_and_one[31] += 1;
        let numbers = [[0; 32], one, HALF_ORDER, half_and_one, one_less(ORDER), ORDER, [0xff; 32], [0x55; 32]];
        let mut seen = std::vec::Vec::new();
        for r in numbers {
            for s in numbers {
                let signature: [u8; 64] = [r, s].concat().try_into().unwrap();
                assert_eq!(form(&signature), by_the_crate(&signature), "{signature:02x?}");
                seen.push(form(&signature));
            }
        }
        for form in [Form::Low, Form::High, Form::None] {
            assert!(seen.contains(&form), "{form:?}");
        }
    }
}
