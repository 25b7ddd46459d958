//! A chunk built of an old image's bytes, what is added to them, and what is inserted.

use super::Numbers;

/// Where copied bytes differ, and by how much.
#[derive(Debug)]
pub(super) struct Differences<'b> {
    gaps: Numbers<'b>,
    values: &'b [u8],
    /// Copied bytes before the next one that differs; `None` if none follows.
    gap: Option<usize>,
}

impl<'b> Differences<'b> {
    pub(super) fn new(gaps: &'b [u8], values: &'b [u8]) -> Option<Self> {
        let mut differences = Self { gaps: Numbers::new(gaps), values, gap: None };
        differences.gap = differences.next_gap()?;
        Some(differences)
    }

    /// Adds them to the bytes that were copied next.
    fn add(&mut self, copied: &mut [u8]) -> Option<()> {
        let mut rest = copied;
        while let Some(gap) = self.gap {
            let Some(left) = gap.checked_sub(rest.len()) else {
                let (byte, after) = rest.get_mut(gap..)?.split_first_mut()?;
                let (value, values) = self.values.split_first().filter(|(value, _)| **value != 0)?;
                *byte = byte.wrapping_add(*value);
                (rest, self.values, self.gap) = (after, values, self.next_gap()?);
                continue;
            };
            self.gap = Some(left);
            return Some(());
        }
        Some(())
    }

    #[expect(clippy::option_option, reason = "a stream that is over, and one that is wrong")]
    fn next_gap(&mut self) -> Option<Option<usize>> {
        if self.gaps.is_over() { Some(None) } else { self.gaps.next().map(Some) }
    }

    const fn is_over(&self) -> bool {
        self.gap.is_none() && self.values.is_empty()
    }
}

/// Fills `chunk`; `None` if an entry leaves the reference, the chunk or its stream, or something is left over.
pub(super) fn build(
    reference: &[u8],
    control: &[u8],
    mut differences: Differences<'_>,
    mut extra: &[u8],
    chunk: &mut [u8],
) -> Option<()> {
    let mut control = Numbers::new(control);
    let (mut left, mut place) = (chunk, 0_usize);
    while !control.is_over() {
        let (copy, insert, step) = (control.next()?, control.next()?, control.step()?);
        let (copied, rest) = core::mem::take(&mut left).split_at_mut_checked(copy)?;
        let end = place.checked_add(copy)?;
        copied.copy_from_slice(reference.get(place..end)?);
        differences.add(copied)?;
        let (inserted, rest) = rest.split_at_mut_checked(insert)?;
        let (bytes, after) = extra.split_at_checked(insert)?;
        inserted.copy_from_slice(bytes);
        (left, extra) = (rest, after);
        place = moved(end, step).filter(|place| *place <= reference.len())?;
    }
    (left.is_empty() && extra.is_empty() && differences.is_over()).then_some(())
}

fn moved(place: usize, step: i64) -> Option<usize> {
    usize::try_from(i64::try_from(place).ok()?.checked_add(step)?).ok()
}
