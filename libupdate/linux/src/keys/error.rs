//! What keeps a key from being read, made or trusted.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use libupdate::error::KeyFault;

use super::role::KeyRole;
use super::unfit::UnfitKey;

/// A key file that cannot be used.
#[derive(Debug)]
pub struct KeyError {
    path: PathBuf,
    role: KeyRole,
    kind: KeyErrorKind,
}

/// What is wrong with a key file.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyErrorKind {
    /// It cannot be read.
    Unreadable(io::Error),
    /// It is not the key that is needed.
    Unfit(UnfitKey),
}

/// A key that could not be made. Nothing is left of it.
#[derive(Debug)]
pub struct MakeKeyError {
    pub(super) name: String,
    pub(super) kind: MakeKeyErrorKind,
}

/// Why a key could not be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum MakeKeyErrorKind {
    /// The name could be no file of a key.
    BadName,
    /// The system gives no random numbers.
    NoRandomness(String),
    /// The key could not be encoded.
    Unencodable(String),
    /// The files could not be written; [`io::ErrorKind::AlreadyExists`] where one is there.
    Unwritten(io::Error),
}

/// Keys that cannot be trusted together.
#[derive(Debug)]
#[non_exhaustive]
pub enum AnchorsError {
    /// A file that was named is no key.
    Named(KeyError),
    /// The keys do not make a set of anchors.
    Together {
        /// Why not.
        fault: KeyFault,
        /// Every file that was considered.
        files: Vec<PathBuf>,
        /// Those of the trust folder that added no key.
        skipped: Vec<Skipped>,
    },
}

/// A file in the trust folder that adds no key.
#[derive(Debug)]
pub struct Skipped {
    /// The file.
    pub path: PathBuf,
    /// Why it adds none.
    pub why: SkipReason,
}

/// Why a file in the trust folder adds no key.
#[derive(Debug)]
#[non_exhaustive]
pub enum SkipReason {
    /// Its name begins with a dot.
    Hidden,
    /// It is a folder, a pipe or another thing.
    NotAFile,
    /// It is a link that leads nowhere.
    Dangling,
    /// Its key is in a file before it.
    Repeated,
    /// The system does not say what it is.
    Unknown(io::Error),
    /// It is not a public key.
    Key(KeyErrorKind),
}

impl KeyError {
    pub(super) fn new(path: &Path, role: KeyRole, kind: KeyErrorKind) -> Self {
        Self { path: path.to_owned(), role, kind }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the key was wanted for.
    #[must_use]
    pub const fn role(&self) -> KeyRole {
        self.role
    }

    /// What is wrong with the file.
    #[must_use]
    pub const fn kind(&self) -> &KeyErrorKind {
        &self.kind
    }

    pub(super) fn into_kind(self) -> KeyErrorKind {
        self.kind
    }
}

impl MakeKeyError {
    /// The name that was asked for.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why the key could not be made.
    #[must_use]
    pub const fn kind(&self) -> &MakeKeyErrorKind {
        &self.kind
    }
}

impl fmt::Display for KeyErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => error.fmt(f),
            Self::Unfit(unfit) => unfit.fmt(f),
        }
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} key {}: {}", self.role, self.path.display(), self.kind)
    }
}

impl fmt::Display for MakeKeyErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName => f.write_str("not a name: 1 to 64 characters of A-Z a-z 0-9 . _ + ~ -, not a dot first"),
            Self::NoRandomness(why) | Self::Unencodable(why) => f.write_str(why),
            Self::Unwritten(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for MakeKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {}: {}", self.name, self.kind)
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hidden => f.write_str("a hidden file"),
            Self::NotAFile => f.write_str("not a regular file"),
            Self::Dangling => f.write_str("a link that leads nowhere"),
            Self::Repeated => f.write_str("its key stands in another file too"),
            Self::Unknown(error) => error.fmt(f),
            Self::Key(kind) => kind.fmt(f),
        }
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.path.display(), self.why)
    }
}

impl fmt::Display for AnchorsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(error) => error.fmt(f),
            Self::Together { fault, skipped, .. } => {
                fault.fmt(f)?;
                let listed: Vec<String> = skipped.iter().map(Skipped::to_string).collect();
                if listed.is_empty() { Ok(()) } else { write!(f, "; skipped: {}", listed.join(", ")) }
            }
        }
    }
}

impl core::error::Error for KeyErrorKind {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Unreadable(error) => Some(error),
            Self::Unfit(unfit) => Some(unfit),
        }
    }
}

impl core::error::Error for KeyError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.kind)
    }
}

impl core::error::Error for MakeKeyError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.kind {
            MakeKeyErrorKind::Unwritten(error) => Some(error),
            _ => None,
        }
    }
}

impl core::error::Error for AnchorsError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Named(error) => Some(error),
            Self::Together { fault, .. } => Some(fault),
        }
    }
}

impl From<KeyError> for AnchorsError {
    fn from(error: KeyError) -> Self {
        Self::Named(error)
    }
}
