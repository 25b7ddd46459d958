//! `hook-config`: the profile and its keys, as the boot hook reads them.

use std::fs;

use serde::Serialize;

use crate::cli;
use crate::exit::{Exit, Failure};
use crate::hook_config::HookConfig;
use crate::output::{Printable, Report, Size};
use crate::session::Session;

/// Writes the file; one that is there is replaced.
pub fn run(session: &Session, args: &cli::HookConfig) -> Result<(), Failure> {
    let what = format!("cannot write {}", args.output.display());
    let profile = session.profile()?;
    let config = HookConfig::of(&profile, &session.anchors(&profile)?);
    let too_long =
        || Failure::new(Exit::Usage, what.clone(), "the profile is too long for the hook", "make it shorter");
    let bytes = config.encode().ok_or_else(too_long)?;
    let failed = |error| Failure::new(Exit::Io, what.clone(), error, "check the folder and its rights");
    fs::write(&args.output, &bytes).map_err(failed)?;
    let keys = config.anchors.keys().iter().map(|key| key.id().to_string()).collect();
    session.output.result(&Written { file: args.output.display().to_string(), bytes: bytes.len(), keys })
}

#[derive(Serialize)]
struct Written {
    file: String,
    bytes: usize,
    keys: Vec<String>,
}

impl Report for Written {
    fn human(&self) -> String {
        let size = u64::try_from(self.bytes).unwrap_or(u64::MAX);
        let mut text = format!("{}  {}\n", Printable(&self.file), Size(size));
        text.extend(self.keys.iter().map(|key| format!("trusts key id  {key}\n")));
        text
    }
}
