//! What an act says while it runs.

use core::fmt;

use crate::boot::{Setback, Stage};
use crate::gpt::CopyId;
use crate::gpt::write::{ToTheEnd, Warning};
use crate::install::progress::{Observer, Silent};
use crate::policy::{Admitted, Facts};
use crate::units::slot_id::SlotId;

/// One thing that an act says.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum News<'n> {
    /// A damaged copy of the table was written anew.
    Repaired(CopyId),
    /// A damaged copy of the table has no place to be written to.
    NoPlace,
    /// A damaged copy of the table could not be written anew.
    NotRepaired(&'n dyn fmt::Display),
    /// The backup copy of the table was moved to the end of a disk that grew, or something is in the way.
    Backup(ToTheEnd),
    /// The disk refused the backup copy of the table at its end; the act goes on.
    BackupNotMoved(&'n dyn fmt::Display),
    /// The change is durable, but the backup copy of the table is not as it should be.
    Warning(Warning),
    /// The bundle is authentic and may be installed; nothing was written yet.
    Admitted(&'n Admitted<'n>, &'n Facts<'n>),
    /// The try of a good slot could not be spent; it boots all the same.
    TryNotSpent(SlotId, &'n dyn fmt::Display),
    /// This stage of a boot has ended well.
    Passed(Stage),
    /// The slot did not start, or was not tried.
    PassedOver(SlotId, &'n Setback),
    /// What should become of a slot that did not start could not be written.
    KeepsBits(SlotId, &'n dyn fmt::Display),
    /// The reason could not be left on the slot.
    NoteNotLeft(SlotId, &'n dyn fmt::Display),
    /// A slot on trial started, and could not be marked good.
    NotMarkedGood(SlotId, &'n dyn fmt::Display),
    /// No slot boots: the last resort begins.
    LastResort,
}

/// Whoever hears what an act says.
pub trait Listener: Observer {
    /// Hears one thing.
    fn hear(&mut self, _news: &News<'_>) {}
}

impl Listener for Silent {}
