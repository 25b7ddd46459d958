//! Packs: none, where the program is built without the feature `live`.

use serde::Serialize;

use crate::session::Session;

/// Packs of a system: there are none.
#[derive(Serialize)]
pub enum Packs {}

impl Packs {
    /// Nothing is stored.
    pub const fn in_status(_: &Session) -> Option<Self> {
        None
    }

    /// Nobody counts.
    pub const fn boot_is_good(_: &Session) {}

    /// For people.
    pub const fn in_words(&self) -> String {
        match *self {}
    }
}
