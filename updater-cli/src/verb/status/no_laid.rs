//! What is laid over the system: nothing, where the program is built without the feature `live`.

use serde::Serialize;

use crate::session::Session;

/// Packs and overlays of a system: there are none.
#[derive(Serialize, Default)]
pub struct Laid {
    packs: Option<()>,
    overlays: [(); 0],
    applied: Option<()>,
}

impl Laid {
    /// Nothing is stored.
    pub fn of(_: &Session) -> Self {
        Self::default()
    }

    /// Nobody counts.
    pub const fn boot_is_good(_: &Session) {}

    /// For people.
    pub const fn in_words(&self) -> String {
        String::new()
    }
}
