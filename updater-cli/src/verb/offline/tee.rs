//! A bundle that is stored while it is read: every byte that is checked is written, and no other.

use std::fs::File;
use std::io::{self, Write};

use embedded_io::{ErrorType, Read, ReadExactError};
use libupdate::bundle::Verified;
use libupdate::install::Source;

use crate::source::{BundleSource, SourceError};

/// The source and the file.
pub struct Tee<'t> {
    source: &'t mut BundleSource,
    file: &'t File,
    /// Bytes that were written.
    pub bytes: u64,
    /// Why the file took no more.
    pub fault: Option<io::Error>,
}

impl<'t> Tee<'t> {
    /// Nothing is written yet.
    pub fn new(source: &'t mut BundleSource, file: &'t File) -> Self {
        Self { source, file, bytes: 0, fault: None }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SourceError> {
        self.file.write_all(bytes).map_err(|error| {
            let told = SourceError(io::Error::from(error.kind()));
            self.fault = Some(error);
            told
        })?;
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }
}

impl ErrorType for Tee<'_> {
    type Error = SourceError;
}

impl Read for Tee<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, SourceError> {
        let got = self.source.read(buf)?;
        self.write(buf.get(..got).unwrap_or_default())?;
        Ok(got)
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> Result<(), ReadExactError<SourceError>> {
        self.source.read_exact(buf)?;
        Ok(self.write(buf)?)
    }
}

/// It lends nothing and skips nothing: what is not read would not be stored.
impl Source for Tee<'_> {
    fn expects(&mut self, head: &Verified<'_>) {
        self.source.expects(head);
    }
}
