//! Why there is no profile to work with.

use std::fmt;
use std::io;
use std::path::Path;

/// A profile that cannot be used.
#[derive(Debug)]
pub struct ProfileError {
    origin: String,
    kind: ProfileErrorKind,
}

/// What is wrong with it.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProfileErrorKind {
    /// None was named, and the device has none.
    NoneOfDevice,
    /// The file that was named is not there.
    NoSuchFile,
    /// Neither a folder of profiles nor the program has one of this name.
    NoSuchName,
    /// The file cannot be read.
    Unreadable(io::Error),
    /// The file is empty.
    Empty,
    /// The text breaks a rule.
    Broken {
        /// Its line, counted from 1; `None` if it is the file as a whole.
        line: Option<usize>,
        /// The rule, in words.
        rule: String,
    },
}

impl ProfileError {
    pub(super) const fn new(origin: String, kind: ProfileErrorKind) -> Self {
        Self { origin, kind }
    }

    pub(super) fn of_file(path: &Path, kind: ProfileErrorKind) -> Self {
        Self::new(path.display().to_string(), kind)
    }

    /// The profile: its file, its name, or what it was called.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What is wrong with it.
    #[must_use]
    pub const fn kind(&self) -> &ProfileErrorKind {
        &self.kind
    }
}

impl fmt::Display for ProfileErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoneOfDevice | Self::NoSuchFile => f.write_str("no such file"),
            Self::NoSuchName => f.write_str("no profile has this name"),
            Self::Unreadable(error) => error.fmt(f),
            Self::Empty => f.write_str("it is empty"),
            Self::Broken { line: Some(line), rule } => write!(f, "line {line}: {rule}"),
            Self::Broken { line: None, rule } => f.write_str(rule),
        }
    }
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "profile {}: {}", self.origin, self.kind)
    }
}

impl core::error::Error for ProfileError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.kind {
            ProfileErrorKind::Unreadable(error) => Some(error),
            _ => None,
        }
    }
}
