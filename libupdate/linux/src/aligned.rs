//! Memory that a device can read and write itself, so that nothing is copied on the way.

use std::ops::{Deref, DerefMut};

/// Alignment that satisfies every device of the field.
const ALIGNMENT: usize = 4096;

/// A buffer on an address that direct access takes. What `Vec` gives for a large buffer is off by the allocator's own words.
#[derive(Debug)]
pub struct AlignedBuf {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl AlignedBuf {
    /// `len` zero bytes.
    pub fn new(len: usize) -> Self {
        let memory = vec![0; len.saturating_add(ALIGNMENT)];
        let start = memory.as_ptr().align_offset(ALIGNMENT);
        Self { memory, start, len }
    }

    /// Whether direct access takes the memory as it is.
    pub fn is_aligned(bytes: &[u8]) -> bool {
        bytes.as_ptr().align_offset(ALIGNMENT) == 0
    }

    fn end(&self) -> usize {
        self.start.saturating_add(self.len)
    }
}

impl Deref for AlignedBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.memory.get(self.start..self.end()).unwrap_or_default()
    }
}

impl DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        let end = self.end();
        self.memory.get_mut(self.start..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_has_its_length_and_its_alignment_also_after_a_move() {
        for len in [0, 1, 4096, 512 << 10] {
            let mut buffer = Box::new(AlignedBuf::new(len));
            assert_eq!(buffer.len(), len);
            buffer.fill(7);
            let moved = *buffer;
            assert!(AlignedBuf::is_aligned(&moved) && moved.iter().all(|byte| *byte == 7));
        }
        assert!(!AlignedBuf::is_aligned(&AlignedBuf::new(2)[1..]));
    }
}
