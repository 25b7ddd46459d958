//! `bundle digest`: the message that signatures are made over, for a token, a service or openssl.

use libupdate::Error;
use libupdate::bundle::Unverified;
use libupdate::bundle::writer::Sealed;
use libupdate::limits::ENVELOPE_BYTES;
use serde::Serialize;

use crate::cli::BundleDigest;
use crate::exit::Failure;
use crate::os::OsError;
use crate::output::Report;
use crate::session::Session;
use crate::source::{BundleSource, shown};
use crate::verb::bundle::file::NewFile;

/// Writes the message where asked to, and its digest.
pub fn run(session: &Session, args: &BundleDigest) -> Result<(), Failure> {
    let what = format!("cannot read {}", shown(&args.file));
    let mut source = BundleSource::open(&args.file, &args.fetch, session)?;
    let mut head = Box::new([0; ENVELOPE_BYTES]);
    let read = Unverified::read(&mut source, &mut head);
    let named = |fault| Failure::from(Error::<OsError>::from(fault)).doing(what);
    let sealed = Sealed::from(&read.map_err(|fault| source.explained(named(fault)))?);
    if let Some(path) = &args.output {
        let mut new = NewFile::beside(path, true)?;
        let written = std::io::Write::write_all(new.file(), &sealed.message());
        written.map_err(|error| super::file::unwritable(path, &error))?;
        new.commit()?;
    }
    session.output.result(&Message { sha256: sealed.digest().to_string(), bytes: sealed.message().len() })
}

#[derive(Serialize)]
struct Message {
    sha256: String,
    bytes: usize,
}

impl Report for Message {
    fn human(&self) -> String {
        format!("{}\n", self.sha256)
    }
}
