//! Why a slot was not booted.

use std::fmt;

use libupdate::bundle::verdict::{Detail, Reason};

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
}

impl fmt::Display for Setback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, detail } = self;
        if detail.is_empty() { write!(f, "{reason}") } else { write!(f, "{reason} ({detail})") }
    }
}
