//! `bundle attach-signature`: a signature that was made elsewhere, checked and added.

use std::fs::File;
use std::io::{self, Write};

use libupdate::Error;
use libupdate::bundle::Unverified;
use libupdate::bundle::writer::Sealed;
use libupdate::limits::ENVELOPE_BYTES;
use serde::Serialize;

use crate::cli::AttachSignature;
use crate::exit::{Exit, Failure};
use crate::keys;
use crate::os::OsError;
use crate::output::{Printable, Report};
use crate::session::Session;
use crate::source::{self, SourceError};
use crate::verb::bundle::file::{NewFile, unwritable};

/// Writes the bundle anew with one more signature; the old file stands until the new one is complete.
pub fn run(session: &Session, args: &AttachSignature) -> Result<(), Failure> {
    let what = format!("cannot attach a signature to {}", args.file.display());
    let key = keys::public(&args.public_key)?;
    let signature = std::fs::read(&args.signature).map_err(|error| source::unreadable(&args.signature, &error))?;
    let mut bundle = source::open(&args.file)?;
    let mut head = Box::new([0; ENVELOPE_BYTES]);
    let unverified = Unverified::read(&mut Plain(&mut bundle), &mut head)
        .map_err(|fault| Failure::from(Error::<OsError>::from(fault)).doing(&what))?;
    let sealed = Sealed::from(&unverified).attach(&key, &signature).map_err(|error| {
        let next =
            "sign the message that `bundle digest -o FILE` writes, with SHA-256, and name that signer's public key";
        Failure::new(Exit::NotAuthentic, &what, error, next)
    })?;
    let mut new = NewFile::beside(&args.file, true)?;
    let copied = new.file().write_all(sealed.envelope()).and_then(|()| io::copy(&mut bundle, new.file()));
    copied.map_err(|error| unwritable(&args.file, &error))?;
    new.commit()?;
    session.output.result(&Attached { file: args.file.display().to_string(), key_id: key.id().to_string() })
}

/// A file as the core's stream.
struct Plain<'f>(&'f mut File);

impl embedded_io::ErrorType for Plain<'_> {
    type Error = SourceError;
}

impl embedded_io::Read for Plain<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, SourceError> {
        io::Read::read(self.0, buf).map_err(SourceError)
    }
}

#[derive(Serialize)]
struct Attached {
    file: String,
    key_id: String,
}

impl Report for Attached {
    fn human(&self) -> String {
        format!("{} is now also signed by {}\n", Printable(&self.file), self.key_id)
    }
}
