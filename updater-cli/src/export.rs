//! What `info` takes out of a bundle.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use libupdate::bundle::Unverified;
use libupdate::bundle::writer::{Sealed, to_der};

use crate::exit::Failure;
use crate::new_file::{Existing, NewFile, unwritable};
use crate::session::Session;

/// What is taken out.
#[derive(Args, Debug)]
pub struct Export {
    /// Folder to write each signature to, in DER, and the message
    #[arg(long, value_name = "DIR")]
    signatures: Option<PathBuf>,
}

impl Export {
    /// Writes what was asked for.
    pub fn run(&self, session: &Session, unverified: &Unverified<'_>) -> Result<(), Failure> {
        self.signatures.as_deref().map_or(Ok(()), |folder| export(session, unverified, folder))
    }
}

/// The message and each signature in DER, named after its key.
fn export(session: &Session, unverified: &Unverified<'_>, folder: &Path) -> Result<(), Failure> {
    let write = |name: String, bytes: Vec<u8>| {
        let path = folder.join(name);
        let mut new = NewFile::begin(&path, Existing::Replaced, &session.interrupt)?;
        new.file().write_all(&bytes).map_err(|error| unwritable(&path, &error))?;
        new.commit().map(drop)
    };
    fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
    write("message".to_owned(), Sealed::from(unverified).message())?;
    unverified.signatures().try_for_each(|one| write(format!("{}.der", one.key_id()), to_der(one.bytes())))
}
