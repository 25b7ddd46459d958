//! Memory that a disk can read into.

use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

/// An alignment that every disk takes.
const ALIGNMENT: usize = 4096;

/// Bytes that begin on a page.
#[derive(Debug)]
pub struct Aligned {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// `len` zero bytes; `None` if there is no memory for them.
    pub fn new(len: usize) -> Option<Self> {
        let (mut memory, all) = (Vec::new(), len.checked_add(ALIGNMENT)?);
        memory.try_reserve_exact(all).ok()?;
        memory.resize(all, 0);
        let start = memory.as_ptr().align_offset(ALIGNMENT);
        Some(Self { memory, start, len })
    }

    fn end(&self) -> usize {
        self.start.saturating_add(self.len)
    }
}

impl Deref for Aligned {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.memory.get(self.start..self.end()).unwrap_or_default()
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [u8] {
        let end = self.end();
        self.memory.get_mut(self.start..end).unwrap_or_default()
    }
}
