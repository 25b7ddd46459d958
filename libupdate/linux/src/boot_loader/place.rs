//! Bytes of a file or device that are overwritten in place, and read back from the medium.

use std::fs::File;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::PathBuf;

use rustix::fs::{Advice, OFlags};

use super::refused;
use crate::error::OsError;
use crate::file;

/// One copy of a store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The file or block device.
    pub path: PathBuf,
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub len: usize,
}

impl Place {
    fn open(&self, flags: OFlags, act: &'static str) -> Result<File, OsError> {
        file::open(&self.path, flags).map_err(|error| OsError::io(&self.path, act, &error))
    }

    /// What is there.
    ///
    /// # Errors
    /// What the system says; fewer bytes; a raw flash device.
    pub fn read(&self) -> Result<Vec<u8>, OsError> {
        let file = self.open(OFlags::RDONLY, "open")?;
        self.read_from(&file)
    }

    fn read_from(&self, file: &File) -> Result<Vec<u8>, OsError> {
        let failed = |error| OsError::io(&self.path, "read", &error);
        if file.metadata().map_err(failed)?.file_type().is_char_device() {
            let why = "it is a raw flash device (MTD), which is erased before it is written: not supported, use a block device or a file";
            return Err(refused(&self.path, why.to_owned()));
        }
        // What is in the page cache says nothing of the medium.
        rustix::fs::fadvise(file, 0, None, Advice::DontNeed)
            .map_err(|errno| OsError::call(&self.path, "read", errno))?;
        let mut bytes = vec![0; self.len];
        file.read_exact_at(&mut bytes, self.offset).map_err(failed)?;
        Ok(bytes)
    }

    /// Writes it anew, never shortened: what was there is overwritten.
    ///
    /// # Durability
    /// Durable when it returns, and read back.
    /// # Errors
    /// What the system says; what is read back is different.
    pub fn write(&self, bytes: &[u8]) -> Result<(), OsError> {
        let failed = |act| move |error| OsError::io(&self.path, act, &error);
        let file = self.open(OFlags::RDWR, "open for writing")?;
        file.write_all_at(bytes, self.offset).map_err(failed("write"))?;
        file.sync_data().map_err(failed("flush"))?;
        if self.read_from(&file)? == bytes {
            return Ok(());
        }
        Err(refused(&self.path, "what was written to it reads back different: the medium is failing".to_owned()))
    }

    /// Makes durable what an earlier act has written, which may have been killed before its flush.
    ///
    /// # Errors
    /// What the system says.
    pub fn flush(&self) -> Result<(), OsError> {
        let file = self.open(OFlags::RDWR, "open for writing")?;
        file.sync_data().map_err(|error| OsError::io(&self.path, "flush", &error))
    }
}
