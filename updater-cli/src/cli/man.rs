//! The command line of `man`.

use std::path::PathBuf;

use clap::Args;

/// `man`.
#[derive(Args, Debug)]
pub struct Man {
    /// Folder; made if it is not there
    pub dir: PathBuf,
}
