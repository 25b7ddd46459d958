//! In the place of bars, where the program is built without the feature `progress-bar`: a terminal gets lines, as a log does.

use libupdate::ByteLen;

/// All bars of the program, which has none.
#[derive(Clone)]
pub struct Bars;

/// The bar of a phase.
pub enum Bar {}

impl Bars {
    /// Nothing is drawn.
    pub const fn new() -> Self {
        Self
    }

    /// There is none.
    pub const fn begin(&self, _: &'static str, _: ByteLen) -> Option<Bar> {
        None
    }

    /// Writes: no bar is in the way.
    pub fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        write()
    }
}

impl Bar {
    pub const fn at(&self, _: &str, _: ByteLen, _: u64) {
        match *self {}
    }

    pub const fn finish(self) {
        match self {}
    }
}
