//! `version`: which program this is.

use serde::Serialize;

use crate::exit::Failure;
use crate::output::Report;
use crate::session::Session;

/// Shows it.
pub fn run(session: &Session) -> Result<(), Failure> {
    session.output.result(&Version { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") })
}

#[derive(Serialize)]
struct Version {
    name: &'static str,
    version: &'static str,
}

impl Report for Version {
    fn human(&self) -> String {
        format!("{} {}\n", self.name, self.version)
    }
}
