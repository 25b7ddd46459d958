//! Buffers that exist once, in `.bss`, and are handed out once.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// Zeroed memory for one owner.
pub struct Once<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `take` hands the value out at most once, whoever asks.
unsafe impl<T: Send> Sync for Once<T> {}

impl<T> Once<T> {
    /// Memory that begins as `value`.
    pub const fn new(value: T) -> Self {
        Self { taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// The memory; `None` for every caller but the first.
    #[must_use]
    pub fn take(&'static self) -> Option<&'static mut T> {
        if self.taken.swap(true, Ordering::AcqRel) {
            return None;
        }
        // SAFETY: the swap let exactly one caller come here, so this is the only reference.
        Some(unsafe { &mut *self.value.get() })
    }
}
