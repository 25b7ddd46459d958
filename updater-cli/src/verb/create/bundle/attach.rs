//! `bundle attach-signature`: a signature that was made elsewhere, checked and added.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use libupdate::Error;
use libupdate::bundle::Unverified;
use libupdate::bundle::writer::Sealed;
use libupdate::units::limits::{ENVELOPE_BYTES, SIGNATURE_BYTES};
use libupdate_linux::keys;
use libupdate_linux::{Interrupt, OsError, file};
use rustix::fs::OFlags;
use serde::Serialize;

use crate::cli::create::AttachSignature;
use crate::exit::{Exit, Failure};
use crate::new_file::{Existing, NewFile, unwritable};
use crate::output::{Printable, Report};
use crate::session::Session;
use crate::source::{self, SourceError};

/// Bytes that are copied before a signal is looked for.
const PIECE: u64 = 64 << 20;

/// Writes the bundle anew with one more signature; the old file stands until the new one is complete.
pub fn run(session: &Session, args: &AttachSignature) -> Result<(), Failure> {
    let what = format!("cannot attach a signature to {}", args.file.display());
    let key = keys::public(&args.public_key)?;
    let signature = signature(&args.signature)?;
    let mut bundle = regular(&args.file).map_err(|failure| failure.doing(&what))?;
    let mut head = Box::new([0; ENVELOPE_BYTES]);
    let unverified = Unverified::read(&mut Plain(&mut bundle), &mut head)
        .map_err(|fault| Failure::from(Error::<OsError>::from(fault)).doing(&what))?;
    let sealed = Sealed::from(&unverified).attach(&key, &signature).map_err(|error| {
        let next = match signature.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
            true => "decode the signature first (base64 -d): it is text, and DER or 64 bytes r and s are wanted",
            false => {
                "sign the message that `bundle digest -o FILE` writes, with SHA-256, and name that signer's public key"
            }
        };
        Failure::new(Exit::NotAuthentic, &what, error, next)
    })?;
    let mut new = NewFile::begin(&args.file, Existing::Replaced, &session.interrupt)?;
    let copied = new.file().write_all(sealed.envelope()).and_then(|()| copy(&bundle, new.file(), &session.interrupt));
    copied.map_err(|error| match error.kind() {
        ErrorKind::Interrupted => {
            Failure::new(Exit::Interrupted, &what, "interrupted", "run the same command again, it begins anew")
        }
        _ => unwritable(&args.file, &error),
    })?;
    new.commit()?;
    session.output.done(&Attached { file: args.file.display().to_string(), key_id: key.id().to_string() });
    Ok(())
}

/// Opens a file that is to be read and then changed.
fn regular(path: &Path) -> Result<File, Failure> {
    let failed = |error: io::Error| source::unreadable(path, &error);
    let file = file::open(path, OFlags::RDONLY).map_err(failed)?;
    let facts = file.metadata().map_err(failed)?;
    if !facts.is_file() {
        return Err(Failure::new(Exit::Usage, "", "it is not a regular file", "copy it to a file, and name that one"));
    }
    if facts.len() == 0 { Err(source::empty(path, Exit::NotAuthentic)) } else { Ok(file) }
}

fn signature(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = file::read(path, SIGNATURE_BYTES).map_err(|error| source::unreadable(path, &error))?;
    match bytes.is_empty() {
        true => Err(source::empty(path, Exit::Usage)),
        false => Ok(bytes),
    }
}

/// The rest of the bundle, in pieces between which a signal is heard.
fn copy(mut from: &File, to: &mut File, interrupt: &Interrupt) -> io::Result<()> {
    loop {
        if interrupt.requested() {
            return Err(ErrorKind::Interrupted.into());
        }
        if io::copy(&mut (&mut from).take(PIECE), to)? == 0 {
            return Ok(());
        }
    }
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
