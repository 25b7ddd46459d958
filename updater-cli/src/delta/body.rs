//! The first part of a body: which blocks of the old image it refers to.
//!
//! ```text
//!  count 1 | count x ( varint: blocks from the end of the run before | varint: blocks )
//! ```

use libupdate::units::limits::{DELTA_REFERENCE_BLOCKS, DELTA_RUNS};

use super::Run;

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

/// The runs as a body begins with them; `None` where it may not have them. They are ascending, and none is empty.
pub fn head(runs: &[Run]) -> Option<Vec<u8>> {
    let blocks: usize = runs.iter().map(|run| run.blocks()).sum();
    if runs.is_empty() || runs.len() > DELTA_RUNS || blocks > DELTA_REFERENCE_BLOCKS {
        return None;
    }
    let mut out = vec![u8::try_from(runs.len()).ok()?];
    let mut end = 0;
    for run in runs {
        varint(&mut out, run.start.checked_sub(end)?);
        varint(&mut out, run.end.checked_sub(run.start)?);
        end = run.end;
    }
    Some(out)
}

/// Appends blocks to runs, of which the last one grows where they follow it.
pub fn push(runs: &mut Vec<Run>, next: Run) {
    match runs.last_mut() {
        Some(last) if last.end == next.start => last.end = next.end,
        _ => runs.push(next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::tests::run;

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
    fn runs_follow_each_other_and_are_bounded() {
        assert_eq!(head(&[run(5, 6), run(8, 11), run(11, 12)]), Some(vec![3, 5, 1, 2, 3, 0, 1]));
        assert_eq!(head(&[run(300, 556)]), Some(vec![1, 0xac, 2, 0x80, 2]));
        assert_eq!(head(&[]), None);
        assert_eq!(head(&[run(0, 257)]), None);
        let many = |count: u32| (0..count).map(|at| run(2 * at, 2 * at + 1)).collect::<Vec<_>>();
        assert!(head(&many(64)).is_some());
        assert_eq!(head(&many(65)), None);
        assert_eq!(head(&[run(5, 6), run(4, 5)]), None, "they do not ascend");
    }
}
