//! Memory that a reader of a file fills and a device takes as it is: nothing is copied between them.
//!
//! ```text
//!  reader ── fills ──► SharedBuf ──► Lending ── &[u8] ──► the act ── write(&[u8]) ──► queue
//!    ▲                                  └── whose bytes are these? ◄─────────────────── │
//!    └────────── nobody holds it any more ◄── device ◄── SharedBuf, in flight ◄────────┘
//! ```
//!
//! A buffer is filled anew only while its reader alone holds it: [`SharedBuf::fill`].

use std::sync::{Arc, Mutex, PoisonError};

use crate::aligned::AlignedBuf;

/// A buffer that several look at, and that nobody changes as long as they do.
#[derive(Clone, Debug)]
pub struct SharedBuf(Arc<AlignedBuf>);

impl SharedBuf {
    /// `len` zero bytes.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self(Arc::new(AlignedBuf::new(len)))
    }

    /// The bytes, to be changed; none while somebody else holds them.
    pub fn fill(&mut self) -> Option<&mut [u8]> {
        Arc::get_mut(&mut self.0).map(|buf| &mut **buf)
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Where `bytes` begin in it, if they lie in it.
    fn place_of(&self, bytes: &[u8]) -> Option<usize> {
        let (mine, theirs) = (self.bytes().as_ptr_range(), bytes.as_ptr_range());
        let inside = mine.start <= theirs.start && theirs.end <= mine.end && !bytes.is_empty();
        inside.then(|| theirs.start.addr().saturating_sub(mine.start.addr()))
    }
}

/// What a reader lends at the moment. Clones are the same one.
#[derive(Clone, Default, Debug)]
pub struct Lending(Arc<Mutex<Option<SharedBuf>>>);

impl Lending {
    /// Says whose bytes the next accesses have. What was lent before no longer is.
    pub fn lend(&self, buf: Option<&SharedBuf>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = buf.cloned();
    }

    /// The buffer in which `bytes` lie, and where, if it is lent and a device takes them as they are.
    pub(crate) fn holder(&self, bytes: &[u8]) -> Option<(SharedBuf, usize)> {
        let lent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lent = lent.as_ref().filter(|_| AlignedBuf::is_aligned(bytes))?;
        Some((lent.clone(), lent.place_of(bytes)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_filled_only_while_one_holds_it() {
        let mut buf = SharedBuf::new(4096);
        buf.fill().unwrap()[0] = 7;
        let held = buf.clone();
        assert!(buf.fill().is_none());
        drop(held);
        assert_eq!((buf.fill().unwrap()[0], buf.bytes().len()), (7, 4096));
    }

    #[test]
    fn only_bytes_that_are_lent_aligned_and_inside_have_a_holder() {
        let (lending, buf, other) = (Lending::default(), SharedBuf::new(16_384), SharedBuf::new(8192));
        assert!(lending.holder(buf.bytes()).is_none(), "nothing is lent");
        lending.lend(Some(&buf));
        let whole = lending.clone().holder(&buf.bytes()[4096..]).unwrap();
        assert_eq!((whole.1, whole.0.bytes().as_ptr()), (4096, buf.bytes().as_ptr()));
        assert!(lending.holder(&buf.bytes()[8..]).is_none(), "not aligned");
        assert!(lending.holder(&buf.bytes()[..0]).is_none(), "no bytes");
        assert!(lending.holder(other.bytes()).is_none(), "another buffer");
        lending.lend(None);
        assert!(lending.holder(buf.bytes()).is_none(), "no longer lent");
    }
}
