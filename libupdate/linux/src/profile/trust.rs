//! The keys that sign for a device, as files.

use std::fmt;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// The keys that sign for the device. Paths are absolute, or relative to the working directory as the profile's own is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trust {
    /// Public key files.
    pub keys: Vec<PathBuf>,
    /// A folder of more.
    pub folder: Option<PathBuf>,
    /// How many keys must have signed.
    pub threshold: NonZeroUsize,
}

/// Files that may hold the keys to trust.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrustFiles {
    /// Those that somebody named, each of them a key.
    pub named: Vec<PathBuf>,
    /// What lies in the trust folder; also what is no key.
    pub gathered: Vec<PathBuf>,
}

impl Trust {
    /// Every key file: the named ones, and what is in the folder as a `.pub`, by name.
    ///
    /// # Errors
    /// The folder cannot be read, or there is no key at all.
    pub fn files(&self) -> Result<TrustFiles, TrustError> {
        let mut gathered = Vec::new();
        if let Some(folder) = &self.folder {
            let failed = |error| TrustError::Unreadable { folder: folder.clone(), error };
            for entry in fs::read_dir(folder).map_err(failed)? {
                gathered.extend(
                    Some(entry.map_err(failed)?.path()).filter(|path| path.extension().is_some_and(|e| e == "pub")),
                );
            }
            gathered.sort();
        }
        if self.keys.is_empty() && gathered.is_empty() {
            return Err(TrustError::NoKey { folder: self.folder.clone().unwrap_or_default() });
        }
        Ok(TrustFiles { named: self.keys.clone(), gathered })
    }
}

/// Why no key is trusted.
#[derive(Debug)]
#[non_exhaustive]
pub enum TrustError {
    /// The folder of keys cannot be read.
    Unreadable {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The profile names no key, and its folder has none.
    NoKey {
        /// The folder.
        folder: PathBuf,
    },
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { folder, error } => {
                write!(f, "cannot read the trust folder {}: {error}", folder.display())
            }
            Self::NoKey { folder } => write!(f, "no *.pub file in {}", folder.display()),
        }
    }
}

impl core::error::Error for TrustError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Unreadable { error, .. } => Some(error),
            Self::NoKey { .. } => None,
        }
    }
}
