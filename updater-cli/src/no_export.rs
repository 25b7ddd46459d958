//! What `info` takes out of a bundle: nothing, where the program is built without the feature `create`.

use clap::Args;
use libupdate::bundle::Unverified;

use crate::exit::Failure;
use crate::session::Session;

/// No option.
#[derive(Args, Debug)]
pub struct Export {}

impl Export {
    /// Nothing was asked for.
    pub const fn run(&self, _: &Session, _: &Unverified<'_>) -> Result<(), Failure> {
        Ok(())
    }
}
