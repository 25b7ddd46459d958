//! Why a slot did not start, with what was found.

use core::fmt;

use crate::boot::{Detail, Reason, Unfit};
use crate::error::Error;

/// The rule that was broken, and what was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setback {
    /// The rule.
    pub reason: Reason,
    /// What was found.
    pub detail: Detail,
}

impl Setback {
    /// A broken rule.
    #[must_use]
    pub fn new(reason: Reason, detail: impl fmt::Display) -> Self {
        Self { reason, detail: Detail::new(detail) }
    }

    /// What a slot's trailer says.
    #[must_use]
    pub fn unfit(unfit: &Unfit) -> Self {
        Self::new(unfit.reason(), unfit)
    }

    /// A block that was read, and is wrong, or could not be read.
    #[must_use]
    pub fn damage<E: core::error::Error>(error: Error<E>) -> Self {
        let reason = match error {
            Error::Slot(kind) if kind.is_of_the_tree() => Reason::ROOT_HASH,
            Error::Slot(_) => Reason::CORRUPTION,
            _ => Reason::UNREADABLE,
        };
        Self::new(reason, error)
    }

    /// The tries ran out; what was left on the slot in an earlier boot says why.
    #[must_use]
    pub fn exhausted(earlier: Option<&Self>) -> Self {
        match earlier {
            None => Self::new(Reason::EXHAUSTED, ""),
            Some(earlier) => Self::new(Reason::EXHAUSTED, earlier),
        }
    }
}

impl fmt::Display for Setback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, detail } = self;
        if detail.as_str().is_empty() { write!(f, "{reason}") } else { write!(f, "{reason} ({detail})") }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;

    #[test]
    fn exhausted_slots_say_what_their_last_note_was() {
        let text = |earlier: Option<&Setback>| Setback::exhausted(earlier).to_string();
        assert_eq!(text(None), "its tries ran out without a good boot");
        let health = Setback::new(Reason::HEALTH_CHECK, "20-app: failed");
        assert_eq!(
            text(Some(&health)),
            "its tries ran out without a good boot (a health check failed (20-app: failed))"
        );
    }
}
