//! The history of acts: neither kept nor read, where the program is built without the feature `history`.

use std::path::Path;

use libupdate::SlotId;
use libupdate::gpt::Guid;
use libupdate::policy::SlotFacts;
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

    /// The slot that it changes.
    pub const fn changes(&self, _: &SlotFacts) {}

    /// What it puts into a slot.
    pub const fn puts(&self, _: SlotId, _: &str) {}

    /// Bytes of the images, and those that were there.
    pub const fn moved(&self, _: u64, _: u64) {}
}

/// Remembers nothing.
pub const fn keep<T>(_: &Session, _: &'static str, _: &Result<T, Failure>) {}

/// No installation is remembered.
pub const fn last_installation(_: &Path, _: Guid) -> Option<Entry> {
    None
}
