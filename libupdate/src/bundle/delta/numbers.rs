//! Numbers of a body and of its streams: LEB128, 32 bits at most, each in its shortest form.

/// What is left of a stream of numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers<'b>(&'b [u8]);

impl<'b> Numbers<'b> {
    pub(super) const fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// What is left, as bytes.
    pub(super) const fn bytes(&self) -> &'b [u8] {
        self.0
    }

    /// What was read of `whole`, of which this is the end.
    pub(super) fn before(&self, whole: &'b [u8]) -> Option<Self> {
        whole.get(..whole.len().checked_sub(self.0.len())?).map(Self)
    }

    /// The next number. `None` if the stream ends in it, it is over 32 bits, or has a shorter form.
    pub(super) fn next(&mut self) -> Option<usize> {
        self.word().and_then(|number| usize::try_from(number).ok())
    }

    /// The next number, as a step: 0, -1, 1, -2, 2, ..
    pub(super) fn step(&mut self) -> Option<i64> {
        let number = i64::from(self.word()?);
        let size = number >> 1;
        Some(if number & 1 == 0 { size } else { !size })
    }

    fn word(&mut self) -> Option<u32> {
        let (mut number, mut shift) = (0_u32, 0_u32);
        loop {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let low = u32::from(*byte & 0x7f);
            let placed = low.checked_shl(shift).filter(|placed| placed.checked_shr(shift) == Some(low))?;
            number |= placed;
            if *byte & 0x80 == 0 {
                return (low != 0 || shift == 0).then_some(number);
            }
            shift = shift.saturating_add(7);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(bytes: &[u8]) -> Option<u32> {
        let mut numbers = Numbers::new(bytes);
        numbers.word().filter(|_| numbers.is_over())
    }

    #[test]
    fn a_number_has_one_form() {
        for (bytes, expected) in [
            (&[0][..], Some(0)),
            (&[0x7f], Some(127)),
            (&[0x80, 1], Some(128)),
            (&[0xff, 0xff, 0xff, 0xff, 0x0f], Some(u32::MAX)),
            (&[0xff, 0xff, 0xff, 0xff, 0x1f], None),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0], None),
            (&[0x80, 0], None),
            (&[0x81, 0x80, 0], None),
            (&[0x80], None),
            (&[], None),
        ] {
            assert_eq!(word(bytes), expected, "{bytes:x?}");
        }
    }

    #[test]
    fn steps_go_both_ways() {
        let step = |bytes: &[u8]| Numbers::new(bytes).step();
        assert_eq!([0, 1, 2, 3, 4].map(|byte| step(&[byte]).unwrap()), [0, -1, 1, -2, 2]);
        assert_eq!(step(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Some(-(1 << 31)));
        assert_eq!(step(&[0xfe, 0xff, 0xff, 0xff, 0x0f]), Some((1 << 31) - 1));
    }
}
