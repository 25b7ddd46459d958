//! Why a slot was passed over, or not marked good: a number that records keep, and a line for people.

use core::fmt::{self, Write as _};

use heapless::String;

/// Bytes of a detail.
pub const DETAIL_BYTES: usize = 128;

/// Why a slot was passed over. An open set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Reason(pub u16);

impl Reason {
    /// An operator said so.
    pub const MARKED_BAD: Self = Self(1);
    /// The slot's trailer was missing, damaged or not authentic.
    pub const TRAILER: Self = Self(2);
    /// The hash tree did not have the signed root hash.
    pub const ROOT_HASH: Self = Self(3);
    /// A block did not match the hash tree.
    pub const CORRUPTION: Self = Self(4);
    /// The root file system could not be mounted.
    pub const MOUNT: Self = Self(5);
    /// The root file system has no init.
    pub const NO_INIT: Self = Self(6);
    /// A health check failed.
    pub const HEALTH_CHECK: Self = Self(7);
    /// The tries ran out without a good boot.
    pub(crate) const EXHAUSTED: Self = Self(8);
    /// The try could not be spent.
    pub(crate) const TRY_NOT_SPENT: Self = Self(9);
    /// The slot's partitions could not be read.
    pub const UNREADABLE: Self = Self(10);
    /// Its rollback index is lower than that of every good slot.
    pub(crate) const ROLLBACK: Self = Self(11);
    /// Not a fault: a person confirms the trial, within the seconds that the detail says.
    pub(crate) const AWAITS_PERSON: Self = Self(12);
    /// The system was restarted before it was marked good.
    pub const RESTARTED: Self = Self(13);
    /// Nobody confirmed the trial in time.
    pub const UNCONFIRMED: Self = Self(14);
    /// Its kernel could not be started.
    pub const KERNEL: Self = Self(15);

    /// The reason that [`word`](Self::word) names.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        (1..=Self::KERNEL.0).map(Self).find(|reason| reason.word() == word)
    }

    /// The reason as one word, for programs; `other` for one that this version does not know.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::MARKED_BAD => "marked-bad",
            Self::TRAILER => "trailer",
            Self::ROOT_HASH => "root-hash",
            Self::CORRUPTION => "corruption",
            Self::MOUNT => "mount",
            Self::NO_INIT => "no-init",
            Self::HEALTH_CHECK => "health-check",
            Self::EXHAUSTED => "exhausted",
            Self::TRY_NOT_SPENT => "try-not-spent",
            Self::UNREADABLE => "unreadable",
            Self::ROLLBACK => "rollback",
            Self::AWAITS_PERSON => "awaits-person",
            Self::RESTARTED => "restarted",
            Self::UNCONFIRMED => "unconfirmed",
            Self::KERNEL => "kernel",
            _ => "other",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::MARKED_BAD => "marked bad by an operator",
            Self::TRAILER => "its trailer is missing, damaged or not authentic",
            Self::ROOT_HASH => "its hash tree does not have the signed root hash",
            Self::CORRUPTION => "a block does not match the hash tree",
            Self::MOUNT => "its root file system cannot be mounted",
            Self::NO_INIT => "its root file system has no init",
            Self::HEALTH_CHECK => "a health check failed",
            Self::EXHAUSTED => "its tries ran out without a good boot",
            Self::TRY_NOT_SPENT => "the try could not be spent",
            Self::UNREADABLE => "its partitions could not be read",
            Self::ROLLBACK => "its rollback index is lower than that of every good slot",
            Self::AWAITS_PERSON => "a person has to confirm it",
            Self::RESTARTED => "the system was restarted before it was marked good",
            Self::UNCONFIRMED => "nobody confirmed it in time",
            Self::KERNEL => "its kernel cannot be started",
            Self(number) => return write!(f, "reason {number}"),
        })
    }
}

/// A line of printable ASCII, at most 128 bytes.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Detail(String<DETAIL_BYTES>);

impl Detail {
    /// Formats `text`: cut at 128 bytes, with `?` for what a terminal might obey.
    #[must_use]
    pub fn new(text: impl fmt::Display) -> Self {
        let mut detail = Self::default();
        // `write_str` below stops the formatter when the line is full; what came until then is the detail.
        if write!(detail, "{text}").is_err() {
            return detail;
        }
        detail
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(bytes).ok()?;
        let detail = Self::new(text);
        (detail.as_str() == text).then_some(detail)
    }
}

impl fmt::Write for Detail {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|letter| {
            let plain = if letter == ' ' || letter.is_ascii_graphic() { letter } else { '?' };
            self.0.push(plain).map_err(|_| fmt::Error)
        })
    }
}

impl fmt::Debug for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
