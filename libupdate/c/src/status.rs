//! The numbers of errors, one for each thing that the caller can do.

use core::ffi::CStr;
#[cfg(any(feature = "full", feature = "words"))]
use core::fmt;
#[cfg(any(test, feature = "words"))]
use core::fmt::Write as _;

use libupdate::Error;
use libupdate::error::{Medium, Misuse};

use crate::abi::{Failure, TEXT_BYTES};
use crate::disk::Refused;

/// Done.
pub(crate) const DONE: i32 = 0;
/// There is nothing to do, or nothing that boots.
pub(crate) const NOTHING: i32 = 1;
/// A good slot boots, and its try could not be spent.
pub(crate) const NOT_SPENT: i32 = 2;

/// What each number says.
const TEXTS: [(i32, &CStr); 14] = [
    (DONE, c"done"),
    (NOTHING, c"nothing to do, or no slot boots"),
    (NOT_SPENT, c"a good slot boots, but its try could not be spent: look at the disk"),
    (-1, c"an argument is null, out of its range, or a struct has another size: mend the caller"),
    (-2, c"the memory is too small: lu_chooser_memory, lu_full_memory and lu_load_memory say how much is needed"),
    (-3, c"the disk failed, or does not keep what is written: replace it"),
    (-4, c"the partition table cannot be read, is not usable, or changed meanwhile: try again, then repair it"),
    (-5, c"the bundle is damaged or not authentic: fetch another one"),
    (-6, c"what a slot holds is damaged or not authentic: install again"),
    (-7, c"policy refuses"),
    (-8, c"the image does not fit its partition"),
    (-9, c"the bundle could not be read: install again, it resumes"),
    (-10, c"stopped by the caller: install again, it resumes"),
    (-11, c"no such slot or partition on this disk"),
];

/// The caller broke a rule of this interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wrong {
    /// An argument.
    Argument,
    /// The memory.
    Memory,
}

/// How a function ends.
pub(crate) type Answer = Result<i32, Fault>;

/// Why it did not do what it is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Caller(Wrong),
    Core(Error<Refused>),
}

impl From<Wrong> for Fault {
    fn from(wrong: Wrong) -> Self {
        Self::Caller(wrong)
    }
}

impl From<Error<Refused>> for Fault {
    fn from(error: Error<Refused>) -> Self {
        Self::Core(error)
    }
}

impl Fault {
    /// Its number.
    pub(crate) const fn status(&self) -> i32 {
        match self {
            Self::Caller(Wrong::Argument) => -1,
            Self::Caller(Wrong::Memory) => -2,
            Self::Core(Error::Misuse(Misuse::Buffer { .. })) => -2,
            Self::Core(Error::Misuse(Misuse::Role)) => -11,
            Self::Core(Error::Misuse(_)) => -1,
            // It says nothing about the slot.
            Self::Core(Error::Slot(kind)) if kind.is_unreadable() => -3,
            Self::Core(Error::Medium(_)) => -3,
            Self::Core(Error::Table(_)) => -4,
            Self::Core(Error::Bundle(_)) => -5,
            Self::Core(Error::Slot(_)) => -6,
            Self::Core(Error::Rejected(libupdate::error::Rejected::NoSuchSlot { .. })) => -11,
            Self::Core(Error::Rejected(_)) => -7,
            Self::Core(Error::NoSpace(_)) => -8,
            Self::Core(Error::Source(_)) => -9,
            Self::Core(Error::Interrupted) => -10,
            Self::Core(_) => -1,
        }
    }

    const fn cause(&self) -> i32 {
        match self {
            Self::Core(Error::Medium(Medium::Failed(error))) => error.cause.0,
            _ => 0,
        }
    }

    /// Fills what the caller reads. Without the feature `words` there is no text: `lu_text` has a sentence for each number.
    pub(crate) fn tell(&self, failure: &mut Failure) {
        (failure.status, failure.cause) = (self.status(), self.cause());
        failure.text = [0; TEXT_BYTES];
        #[cfg(feature = "words")]
        self.say(&mut Line::new(&mut failure.text));
    }

    /// A sentence that is too long ends where its room ends.
    #[cfg(feature = "words")]
    fn say(&self, line: &mut Line<'_>) {
        let told = match self {
            Self::Core(error) => write!(line, "{error}"),
            Self::Caller(_) => line.write_str(text(self.status()).to_str().unwrap_or_default()),
        };
        told.unwrap_or_default();
    }
}

/// What a number says.
pub(crate) fn text(status: i32) -> &'static CStr {
    TEXTS.iter().find(|(number, _)| *number == status).map_or(c"unknown", |(_, text)| text)
}

/// One line for C: text that ends with a zero, and where its room ends.
#[cfg(any(feature = "full", feature = "words"))]
pub(crate) struct Line<'t> {
    bytes: &'t mut [u8; TEXT_BYTES],
    len: usize,
}

#[cfg(any(feature = "full", feature = "words"))]
impl<'t> Line<'t> {
    pub(crate) const fn new(bytes: &'t mut [u8; TEXT_BYTES]) -> Self {
        Self { bytes, len: 0 }
    }
}

#[cfg(any(feature = "full", feature = "words"))]
impl fmt::Write for Line<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            let [place, after] =
                self.bytes.get_mut(self.len..).and_then(|rest| rest.first_chunk_mut()).ok_or(fmt::Error)?;
            (*place, *after) = (byte, 0);
            self.len = self.len.saturating_add(1);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_sentence_ends_with_a_zero_where_its_room_ends() {
        let mut bytes = [7; TEXT_BYTES];
        let mut text = Line::new(&mut bytes);
        assert!(text.write_str(&"x".repeat(500)).is_err());
        assert_eq!(CStr::from_bytes_until_nul(&bytes).unwrap().to_bytes().len(), TEXT_BYTES - 1);
    }

    #[test]
    fn every_number_has_its_own_sentence() {
        for (at, (number, sentence)) in TEXTS.iter().enumerate() {
            assert_eq!(text(*number), *sentence);
            assert!(TEXTS[..at].iter().all(|(other, words)| other != number && words != sentence), "{number}");
        }
        assert_eq!(text(99), c"unknown");
    }
}
