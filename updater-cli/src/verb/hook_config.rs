//! `hook-config`: the profile and its keys, as the boot hook reads them, or as a header for firmware in C.

use std::io::Write;

use libupdate_linux::hook_config;
use serde::Serialize;

use crate::cli;
use crate::exit::{Exit, Failure};
use crate::new_file::{Existing, NewFile, unwritable};
use crate::output::{Printable, Report, Size};
use crate::session::Session;

mod header;

/// Writes the file; one that is there is replaced.
pub fn run(session: &Session, args: &cli::HookConfig) -> Result<(), Failure> {
    let what = format!("cannot write {}", args.output.display());
    let profile = session.profile()?;
    let anchors = session.anchors(&profile)?;
    let too_long =
        || Failure::new(Exit::Usage, what.clone(), "the profile is too long for the hook", "make it shorter");
    let bytes = if args.c_header {
        header::of(&profile, &anchors).into_bytes()
    } else {
        hook_config::encode(&profile, &anchors).ok_or_else(too_long)?
    };
    let mut new = NewFile::begin(&args.output, Existing::Replaced, &session.interrupt)?;
    new.file().write_all(&bytes).map_err(|error| unwritable(&args.output, &error))?;
    let went = new.commit()?;
    let key_ids = anchors.keys().iter().map(|key| key.id().to_string()).collect();
    let written = Written { file: args.output.display().to_string(), file_bytes: bytes.len(), key_ids };
    session.output.done_after(went, &written);
    Ok(())
}

#[derive(Serialize)]
struct Written {
    file: String,
    file_bytes: usize,
    key_ids: Vec<String>,
}

impl Report for Written {
    fn human(&self) -> String {
        let size = u64::try_from(self.file_bytes).unwrap_or(u64::MAX);
        let mut text = format!("{}  {}\n", Printable(&self.file), Size(size));
        text.extend(self.key_ids.iter().map(|key| format!("trusts key id  {key}\n")));
        text
    }
}
