//! What a disk is opened for.

use rustix::fs::OFlags;

/// What a disk is opened for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Reading; a write is an error.
    ReadOnly,
    /// Reading and writing.
    ReadWrite,
}

/// The same for open(2).
pub(super) const fn flags(mode: Mode) -> OFlags {
    match mode {
        Mode::ReadOnly => OFlags::RDONLY,
        Mode::ReadWrite => OFlags::RDWR,
    }
}
