//! The command line of `profile`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `profile`.
#[derive(Subcommand, Debug)]
pub enum Profile {
    /// Make a profile of another updater's configuration, with a remark at everything that it does not say
    Import(Import),
}

/// `profile import`.
#[derive(Args, Debug)]
pub struct Import {
    /// RAUC's system.conf
    #[arg(long, value_name = "FILE")]
    pub rauc: PathBuf,
    /// File to write: /etc/updater/profile.toml of the device; - for stdout
    #[arg(short, long, value_name = "OUT", default_value = "-")]
    pub output: PathBuf,
}
