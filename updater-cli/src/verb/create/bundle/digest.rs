//! `bundle digest`: the message that signatures are made over, for a token, a service or openssl.

use std::io::Write;

use libupdate::Error;
use libupdate::bundle::Unverified;
use libupdate::bundle::writer::Sealed;
use libupdate::units::limits::ENVELOPE_BYTES;
use libupdate_linux::OsError;
use serde::Serialize;

use crate::cli::create::BundleDigest;
use crate::exit::Failure;
use crate::new_file::{Existing, NewFile, unwritable};
use crate::output::Report;
use crate::session::Session;
use crate::source::{BundleSource, shown};

/// Writes the message where asked to, and its digest.
pub fn run(session: &Session, args: &BundleDigest) -> Result<(), Failure> {
    let what = format!("cannot read {}", shown(&args.file));
    let mut source = BundleSource::open(&args.file, &args.fetch, session)?;
    let mut head = Box::new([0; ENVELOPE_BYTES]);
    let read = Unverified::read(&mut source, &mut head);
    let named = |fault| Failure::from(Error::<OsError>::from(fault)).doing(what);
    let sealed = Sealed::from(&read.map_err(|fault| source.explained(named(fault)))?);
    let message = Message { sha256: sealed.digest().to_string(), message_bytes: sealed.message().len() };
    let Some(path) = &args.output else { return session.output.result(&message) };
    let mut new = NewFile::begin(path, Existing::Replaced, &session.interrupt)?;
    new.file().write_all(&sealed.message()).map_err(|error| unwritable(path, &error))?;
    session.output.done_after(new.commit()?, &message);
    Ok(())
}

#[derive(Serialize)]
struct Message {
    sha256: String,
    message_bytes: usize,
}

impl Report for Message {
    fn human(&self) -> String {
        format!("{}\n", self.sha256)
    }
}
