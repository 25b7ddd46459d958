//! The command line of `offline`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Fetch;
#[cfg(feature = "history")]
use super::log::Log;

/// `offline`.
#[derive(Subcommand, Debug)]
pub enum Offline {
    /// Check a bundle in full and store it for the next offline update; asks for nothing yet
    Prepare(Prepare),
    /// Have the next boot install what is prepared, and nothing else
    Trigger(Trigger),
    /// Show what is prepared, whether the next boot installs it, and how the last offline update ended
    Status,
    /// Show the offline updates on the disk that are recorded, the newest last
    #[cfg(feature = "history")]
    Log(Log),
    /// Take back the request, and remove what is prepared
    Cancel,
    /// Install what is prepared, if this boot was asked to; for updater-offline.service alone
    #[command(hide = true)]
    Run,
}

/// `offline prepare`.
#[derive(Args, Debug)]
pub struct Prepare {
    /// Bundle, or raw image with a detached head beside it: a file, an http(s) URL, or oci://HOST/REPOSITORY:TAG; - for a bundle on stdin
    #[arg(value_name = "FILE|-|URL")]
    pub source: PathBuf,
    /// Install a version lower than the booted one
    #[arg(long)]
    pub allow_downgrade: bool,
    /// Install a version that failed here before
    #[arg(long)]
    pub retry_failed: bool,
    /// If it is a URL.
    #[command(flatten)]
    pub fetch: Fetch,
}

/// `offline trigger`.
#[derive(Args, Debug)]
pub struct Trigger {
    /// Reboot after the update, whether it succeeds or fails: the default
    #[arg(long, conflicts_with = "poweroff")]
    pub reboot: bool,
    /// Power off after the update, whether it succeeds or fails
    #[arg(long)]
    pub poweroff: bool,
    /// Restart into the update at once
    #[arg(long)]
    pub now: bool,
}
