//! Little-endian fields in byte slices: the one place where bytes become numbers and numbers become bytes.
//!
//! Every function is total: an access outside the slice is `None`, never a panic.

/// The `N` bytes at `at`, or `None` if the slice ends before.
#[must_use]
pub fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

/// The little-endian `u16` at `at`.
#[must_use]
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

/// The little-endian `u32` at `at`.
#[must_use]
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

/// The little-endian `u64` at `at`.
#[must_use]
pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// Copies `field` to `at`. `None`, with nothing written, where it does not fit.
#[must_use]
pub fn put(bytes: &mut [u8], at: usize, field: &[u8]) -> Option<()> {
    let end = at.checked_add(field.len())?;
    bytes.get_mut(at..end)?.copy_from_slice(field);
    Some(())
}

/// A slice's length as the type of disk sizes.
#[must_use]
#[expect(clippy::as_conversions, reason = "usize is at most 64 bits on every target of Rust, so nothing is cut")]
pub const fn len_u64(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}

/// Whether every byte is zero: padding is checked, not skipped.
#[must_use]
pub fn all_zero(bytes: &[u8]) -> bool {
    // A word at a time, for compilers that are told to make it small too: a loop over bytes took a tenth of hashing them.
    let (words, rest) = bytes.as_chunks::<16>();
    words.iter().all(|word| u128::from_ne_bytes(*word) == 0) && rest.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_little_endian_and_bounded() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(u16_at(&bytes, 0), Some(0x0201));
        assert_eq!(u32_at(&bytes, 1), Some(0x0504_0302));
        assert_eq!(u64_at(&bytes, 1), Some(0x0908_0706_0504_0302));
        assert_eq!(u64_at(&bytes, 2), None);
        assert_eq!(u16_at(&bytes, usize::MAX), None);
    }

    #[test]
    fn put_writes_whole_or_nothing() {
        let mut bytes = [0; 4];
        assert_eq!(put(&mut bytes, 3, &[1, 2]), None);
        assert_eq!(put(&mut bytes, usize::MAX, &[1]), None);
        assert!(all_zero(&bytes));
        assert_eq!(put(&mut bytes, 2, &[1, 2]), Some(()));
        assert_eq!(bytes, [0, 0, 1, 2]);
    }
}
