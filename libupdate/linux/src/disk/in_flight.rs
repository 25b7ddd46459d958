//! The seam through which a disk has accesses in flight. The boot hook has none: it waits for each.

use super::medium::{Bounce, Medium};
use crate::error::OsError;

/// Where an access goes: bytes from `at` on; nothing is at `end` or after it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'m> {
    pub medium: &'m Medium,
    pub at: u64,
    #[cfg_attr(not(feature = "signals"), expect(dead_code, reason = "who reads ahead asks for it"))]
    pub end: u64,
}

/// Accesses that are done while the act goes on: several on their way at once, `queue.rs`. Dropped, it has none left.
pub trait InFlight: std::fmt::Debug {
    /// Takes bytes to be written.
    ///
    /// # Errors
    /// An earlier write's.
    fn write(&mut self, place: Place<'_>, bytes: &[u8]) -> Result<(), OsError>;

    /// Fills `out` with what is there after every earlier write.
    ///
    /// # Errors
    /// An earlier write's, or this read's.
    fn read(&mut self, place: Place<'_>, out: &mut [u8], bounce: &mut Bounce) -> Result<(), OsError>;

    /// Whether the next `len` bytes from the place on were read ahead as one piece, and are held now, until the next access.
    ///
    /// # Errors
    /// An earlier write's.
    fn hold(&mut self, place: Place<'_>, len: usize) -> Result<bool, OsError>;

    /// The bytes that are held.
    fn held(&self) -> &[u8];

    /// Waits until every write is done, and forgets what was read ahead: what is read after a barrier comes from the device.
    ///
    /// # Errors
    /// The first write's that failed.
    fn settle(&mut self) -> Result<(), OsError>;
}
