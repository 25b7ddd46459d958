//! A string of the manifest.

use core::fmt;

use crate::error::{Corrupt, Rule};
use crate::units::limits::NAME_BYTES;

/// A compatible, a version or a role: 1 to 64 characters of `[A-Za-z0-9._+~-]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Name<'a>(&'a str);

impl<'a> Name<'a> {
    /// Borrows the string.
    ///
    /// # Errors
    /// `ManifestName` where it is empty, too long or has another character.
    pub fn new(text: &'a str) -> Result<Self, Corrupt> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+~-".contains(&byte);
        if text.is_empty() || text.len() > NAME_BYTES || !text.bytes().all(plain) {
            return Err(Corrupt(Rule::ManifestName));
        }
        Ok(Self(text))
    }

    /// The string.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.0
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

impl PartialEq<str> for Name<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}
