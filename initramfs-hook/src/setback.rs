//! Why a slot was not booted.

use std::fmt;

use libupdate::boot::Unfit;
use libupdate::boot::{Detail, Reason};
use libupdate::region::boot_note::BootNote;

/// The rule that was broken, and what was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setback {
    /// The rule.
    pub reason: Reason,
    /// What was found: a line that fits a verdict, of printable ASCII.
    pub detail: String,
}

impl Setback {
    /// A broken rule.
    pub fn new(reason: Reason, detail: impl fmt::Display) -> Self {
        Self { reason, detail: Detail::new(detail).as_str().to_owned() }
    }

    /// What a slot's trailer says.
    pub fn unfit(unfit: &Unfit) -> Self {
        Self::new(unfit.reason(), unfit)
    }

    /// What a word on a slot says of a boot that went before.
    pub fn earlier(word: &BootNote) -> Self {
        Self { reason: word.reason, detail: word.detail.as_str().to_owned() }
    }

    /// The tries ran out, and what was left on the slot says why.
    pub fn exhausted(word: Option<&BootNote>) -> Self {
        match word.map(Self::earlier) {
            None => Self::new(Reason::EXHAUSTED, ""),
            Some(earlier) => Self::new(Reason::EXHAUSTED, earlier),
        }
    }
}

impl fmt::Display for Setback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, detail } = self;
        if detail.is_empty() { write!(f, "{reason}") } else { write!(f, "{reason} ({detail})") }
    }
}

#[cfg(test)]
mod tests {
    use libupdate::{Digest, UnixSeconds};

    use super::*;

    #[test]
    fn exhausted_slots_say_what_their_last_word_was() {
        let word = |reason, detail: &str| BootNote {
            reason,
            manifest: Digest::new([0; 32]),
            at: UnixSeconds::UNKNOWN,
            detail: Detail::new(detail),
        };
        let told = |word: Option<&BootNote>| Setback::exhausted(word).to_string();
        assert_eq!(told(None), "its tries ran out without a good boot");
        let health = word(Reason::HEALTH_CHECK, "20-app: failed");
        assert_eq!(
            told(Some(&health)),
            "its tries ran out without a good boot (a health check failed (20-app: failed))"
        );
    }
}
