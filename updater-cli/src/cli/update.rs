//! The command lines of `check` and `update`.

use std::path::PathBuf;

use clap::Args;

use super::{Fetch, Install};

/// `check`.
#[derive(Args, Debug)]
pub struct Check {
    /// Bundle, or raw image with a detached head beside it: a file, an http(s) URL, or oci://HOST/REPOSITORY:TAG
    #[arg(value_name = "FILE|URL")]
    pub source: PathBuf,
    /// Leave out whether this device is one of the fraction that it is for so far
    #[arg(long)]
    pub any_rollout: bool,
    /// If it is a URL.
    #[command(flatten)]
    pub fetch: Fetch,
}

/// `update`.
#[derive(Args, Debug)]
pub struct Update {
    /// Install it whatever fraction of devices it is for so far
    #[arg(long)]
    pub any_rollout: bool,
    /// As `install` does.
    #[command(flatten)]
    pub install: Install,
}
