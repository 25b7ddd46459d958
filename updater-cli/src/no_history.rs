//! The history of acts: neither kept nor read, where the program is built without the feature `history`.

use std::path::Path;

use libupdate::SlotId;
use libupdate::gpt::Guid;
use libupdate::policy::Facts;
use libupdate::slot::SlotState;
use serde::Serialize;

use crate::exit::Failure;
use crate::session::Session;

/// An act that was recorded: none.
#[derive(Serialize)]
pub enum Entry {}

impl Entry {
    /// One line for people.
    pub const fn in_words(&self) -> String {
        match *self {}
    }
}

/// What is known of the act of this run: nothing is asked of it.
#[derive(Default)]
pub struct Record(());

impl Record {
    /// The disk that it works on.
    pub const fn on(&self, _: &Path) {}

    /// The verb.
    pub const fn of(&self, _: &'static str) {}

    /// The act begins.
    pub const fn begins(&self) {}

    /// The slot that it changes.
    pub const fn changes(&self, _: &Facts<'_>, _: SlotId) {}

    /// What it is to put into a slot.
    #[cfg(feature = "provision")]
    pub const fn means(&self, _: SlotId, _: &str) {}

    /// The pack that it is about.
    #[cfg(feature = "live")]
    pub const fn names(&self, _: &str) {}

    /// What it puts into a slot.
    pub const fn puts(&self, _: &Facts<'_>, _: SlotId, _: &str) {}

    /// What the slot is after it.
    pub const fn leaves(&self, _: &Facts<'_>) {}

    /// How an installation ended.
    pub const fn installed(&self, _: SlotId, _: &str, _: SlotState, _: (u64, u64)) {}
}

/// Remembers nothing.
pub const fn keep<T>(_: &Session, _: &'static str, _: &Result<T, Failure>) {}

/// No installation is remembered.
pub const fn last_installation(_: &Path, _: Guid) -> Option<Entry> {
    None
}
