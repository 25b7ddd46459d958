//! Names of files in `EFI/Linux`. Pure: text to values and back.
//!
//! ```text
//!  updater-2-b+3-0.efi     rank, slot, tries left, tries done: on trial
//!  updater-1-a.efi         rank, slot: good
//!  updater-b.new           a copy that is complete and has yet to get its name
//!  updater-b.part          a copy in the making
//! ```
//! 1. systemd-boot lists what ends in `.efi`, in any case, and nothing else of these.
//! 2. Of entries that are equal in all else it starts the one with the greatest name; numbers in it are compared as numbers. So the rank
//!    decides.
//! 3. It takes a counter from behind the last `+`. What is no counter there makes an entry that is not counted: [`Counter::Odd`], which
//!    the next write puts right.
//! 4. Any other name is somebody else's, and is not touched.

use std::fmt;

use libupdate::SlotId;

use crate::entry_name::PREFIX;

/// What ends the name of an entry.
const ENTRY: &str = ".efi";
/// What ends the name of a complete copy, and of one in the making.
const NEW: &str = ".new";
const PART: &str = ".part";

/// An entry of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Name {
    /// The greatest one boots first.
    pub rank: u64,
    /// The slot.
    pub slot: SlotId,
    /// How its boots are counted.
    pub counter: Counter,
}

/// The counter of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counter {
    /// Its boots are not counted.
    Absent,
    /// They are.
    Of {
        /// Boots that are left.
        left: u64,
        /// Boots that were.
        done: u64,
    },
    /// Something stands in its place.
    Odd,
}

/// A file that is ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ours {
    /// It is listed by systemd-boot.
    Entry(Name),
    /// A complete copy.
    New(SlotId),
    /// A copy in the making.
    Part(SlotId),
}

impl Ours {
    /// What a name says, if it is one of ours.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let rest = name.strip_prefix(PREFIX)?;
        if let Some(slot) = rest.strip_suffix(NEW) {
            return SlotId::from_name(slot).map(Self::New);
        }
        if let Some(slot) = rest.strip_suffix(PART) {
            return SlotId::from_name(slot).map(Self::Part);
        }
        let stem = rest.strip_suffix(ENTRY)?;
        let (stem, counter) = stem.split_once('+').map_or((stem, None), |(stem, counter)| (stem, Some(counter)));
        let (rank, slot) = stem.split_once('-')?;
        let (rank, slot) = (number(rank)?, SlotId::from_name(slot)?);
        Some(Self::Entry(Name { rank, slot, counter: counter.map_or(Counter::Absent, Counter::of) }))
    }
}

impl Counter {
    fn of(text: &str) -> Self {
        let (left, done) = text.split_once('-').unwrap_or((text, "0"));
        let number = |text| number(text).filter(|number| *number < u64::MAX);
        match (number(left), number(done)) {
            (Some(left), Some(done)) => Self::Of { left, done },
            _ => Self::Odd,
        }
    }
}

/// Digits alone. More than fit are the greatest number.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// The name of a complete copy.
#[must_use]
pub fn new(slot: SlotId) -> String {
    format!("{PREFIX}{slot}{NEW}")
}

/// The name of a copy in the making.
#[must_use]
pub fn part(slot: SlotId) -> String {
    format!("{PREFIX}{slot}{PART}")
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rank, slot, counter } = self;
        write!(f, "{PREFIX}{rank}-{slot}")?;
        if let Counter::Of { left, done } = counter {
            write!(f, "+{left}-{done}")?;
        }
        f.write_str(ENTRY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(rank: u64, slot: SlotId, counter: Counter) -> Option<Ours> {
        Some(Ours::Entry(Name { rank, slot, counter }))
    }

    #[test]
    fn names_are_read_and_written() {
        let counted = |left, done| Counter::Of { left, done };
        for (text, wanted) in [
            ("updater-1-a.efi", entry(1, SlotId::A, Counter::Absent)),
            ("updater-2-b+3-0.efi", entry(2, SlotId::B, counted(3, 0))),
            ("updater-12-b+0-3.efi", entry(12, SlotId::B, counted(0, 3))),
            ("updater-b.new", Some(Ours::New(SlotId::B))),
            ("updater-a.part", Some(Ours::Part(SlotId::A))),
        ] {
            assert_eq!(Ours::of(text), wanted, "{text}");
            let written = match wanted.unwrap() {
                Ours::Entry(name) => name.to_string(),
                Ours::New(slot) => new(slot),
                Ours::Part(slot) => part(slot),
            };
            assert_eq!(written, text);
        }
        assert_eq!(Ours::of("updater-2-b+3.efi"), entry(2, SlotId::B, counted(3, 0)), "systemd-boot writes no -0");
        assert_eq!(Ours::of("UPDATER-2-B+2-1.EFI"), entry(2, SlotId::B, counted(2, 1)), "FAT knows no case");
    }

    #[test]
    fn a_counter_that_is_none_is_odd_and_not_taken_for_one() {
        let long = "9".repeat(200);
        for counter in ["", "-", "3-", "-3", "x", "3-0-1", "1+3-0", "+3-0", " 3", "3-0x", "0x3", &long] {
            let text = format!("updater-2-b+{counter}.efi");
            assert_eq!(Ours::of(&text), entry(2, SlotId::B, Counter::Odd), "{text}");
        }
        assert_eq!(Ours::of(&format!("updater-{long}-b.efi")), entry(u64::MAX, SlotId::B, Counter::Absent));
    }

    #[test]
    fn other_names_are_somebody_elses() {
        for text in [
            "updater-b.efi",
            "updater-x-b.efi",
            "updater-1-b",
            "updater-1-b.efi.bak",
            "updater-1-z.efi",
            "updater-1-ab.efi",
            "updater--b.efi",
            "updater-1-.efi",
            "updater-.new",
            "updater-1-b.part",
            "debian+3-0.efi",
            ".efi",
            "",
        ] {
            assert_eq!(Ours::of(text), None, "{text}");
        }
    }
}
