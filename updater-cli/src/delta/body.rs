//! The first part of a body: which blocks of the old image it refers to.
//!
//! ```text
//!  count 1 | count x ( varint: blocks from the end of the extent before | varint: blocks )
//! ```

use libupdate::units::limits::{DELTA_EXTENTS, DELTA_REFERENCE_BLOCKS};

use super::Extent;

/// Appends a number in groups of 7 bits, the lowest first, as few of them as it needs.
pub fn varint(out: &mut Vec<u8>, number: u32) {
    let mut left = number;
    loop {
        let low = u8::try_from(left & 0x7f).unwrap_or_default();
        left >>= 7;
        if left == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// A signed number as one without a sign: 0, -1, 1, -2, ..
pub const fn zigzag(number: i32) -> u32 {
    (number << 1 ^ number >> 31).cast_unsigned()
}

/// The extents as a body begins with them; `None` where it may not have them. They are ascending, and none is empty.
pub fn head(extents: &[Extent]) -> Option<Vec<u8>> {
    let blocks: usize = extents.iter().map(|extent| extent.blocks()).sum();
    if extents.is_empty() || extents.len() > DELTA_EXTENTS || blocks > DELTA_REFERENCE_BLOCKS {
        return None;
    }
    let mut out = vec![u8::try_from(extents.len()).ok()?];
    let mut end = 0;
    for extent in extents {
        varint(&mut out, extent.start.checked_sub(end)?);
        varint(&mut out, extent.end.checked_sub(extent.start)?);
        end = extent.end;
    }
    Some(out)
}

/// Appends blocks to extents, of which the last one grows where they follow it.
pub fn push(extents: &mut Vec<Extent>, next: Extent) {
    match extents.last_mut() {
        Some(last) if last.end == next.start => last.end = next.end,
        _ => extents.push(next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::tests::extent;

    #[test]
    fn numbers_have_the_bytes_that_they_need() {
        for (number, expected) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (16_383, &[0xff, 0x7f]),
            (16_384, &[0x80, 0x80, 1]),
            (u32::MAX, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ] {
            let mut out = Vec::new();
            varint(&mut out, number);
            assert_eq!(out, expected, "{number}");
        }
        let signed = [0, -1, 1, -2, 2, i32::MAX, i32::MIN];
        assert_eq!(signed.map(zigzag), [0, 1, 2, 3, 4, u32::MAX - 1, u32::MAX]);
    }

    #[test]
    fn extents_follow_each_other_and_are_bounded() {
        assert_eq!(head(&[extent(5, 6), extent(8, 11), extent(11, 12)]), Some(vec![3, 5, 1, 2, 3, 0, 1]));
        assert_eq!(head(&[extent(300, 556)]), Some(vec![1, 0xac, 2, 0x80, 2]));
        assert_eq!(head(&[]), None);
        assert_eq!(head(&[extent(0, 257)]), None);
        let many = |count: u32| (0..count).map(|at| extent(2 * at, 2 * at + 1)).collect::<Vec<_>>();
        assert!(head(&many(64)).is_some());
        assert_eq!(head(&many(65)), None);
        assert_eq!(head(&[extent(5, 6), extent(4, 5)]), None, "they do not ascend");
    }
}
