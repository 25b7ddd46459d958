//! What an act says while it runs.

use core::fmt;

use crate::boot::{Setback, Stage};
use crate::gpt::write::{ToTheEnd, Warning};
use crate::gpt::{CopyId, TriesLeft};
use crate::install::progress::{Observer, Silent};
use crate::loader::Counting;
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
    /// The boot loader took tries of a slot on trial, which the bits did not know yet. What is left, and how the loader counts: with
    /// [`Counting::Once`] the slot did not start, or was not tried, since its flag was lost.
    TriesTaken(SlotId, TriesLeft, Counting),
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

impl News<'_> {
    /// Says it in the words of a boot, if it is one of the things that a boot says.
    pub fn say(&self, say: impl FnOnce(fmt::Arguments<'_>)) {
        match self {
            Self::Repaired(copy) => {
                say(format_args!("the {copy} copy of the partition table was damaged and is repaired"));
            }
            Self::NoPlace => say(format_args!("a copy of the partition table is damaged and has no place")),
            Self::NotRepaired(error) => {
                say(format_args!("a copy of the partition table is damaged and stays so: {error}"));
            }
            Self::Warning(warning) => say(format_args!("{warning}")),
            Self::TryNotSpent(slot, error) => say(format_args!("the try of slot {slot} could not be spent: {error}")),
            Self::PassedOver(slot, setback) => say(format_args!("slot {slot} is passed over: {setback}")),
            Self::KeepsBits(slot, error) => say(format_args!("slot {slot} keeps its bits: {error}")),
            Self::NoteNotLeft(_, error) => say(format_args!("the reason could not be recorded: {error}")),
            Self::NotMarkedGood(slot, error) => say(format_args!("slot {slot} could not be marked good: {error}")),
            Self::LastResort => say(format_args!("no slot boots; as a last resort, every block of each is checked")),
            Self::Backup(_) | Self::BackupNotMoved(_) | Self::Admitted(..) | Self::TriesTaken(..) | Self::Passed(_) => {
            }
        }
    }
}

/// The last that a boot says: which slot it hands over to.
#[derive(Clone, Copy, Debug)]
pub struct Boots<'b> {
    /// The slot.
    pub slot: SlotId,
    /// Its version.
    pub version: &'b str,
    /// How it came to boot.
    pub kind: &'static str,
    /// What is left after this boot's try.
    pub tries_left: u8,
    /// Seconds that a person has to confirm the trial.
    pub confirm_within: Option<u32>,
    /// Why an earlier boot of the same trial was not marked good.
    pub earlier: Option<&'b Setback>,
}

impl Boots<'_> {
    /// Says it, each line with a call.
    pub fn say(&self, mut say: impl FnMut(fmt::Arguments<'_>)) {
        let Self { slot, version, kind, tries_left, confirm_within, earlier } = self;
        say(format_args!("slot {slot} boots: version {version}, {kind}, {tries_left} tries left"));
        if let Some(seconds) = confirm_within {
            say(format_args!("slot {slot} waits for a person: `updater-cli mark-good` within {seconds} s"));
        }
        if let Some(earlier) = earlier {
            say(format_args!("slot {slot} was not marked good in an earlier boot: {earlier}"));
        }
    }
}

/// Whoever hears what an act says.
pub trait Listener: Observer {
    /// Hears one thing.
    fn hear(&mut self, _news: &News<'_>) {}
}

impl Listener for Silent {}
