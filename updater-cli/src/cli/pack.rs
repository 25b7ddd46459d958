//! The command line of `pack`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Fetch;

/// `pack`.
#[derive(Subcommand, Debug)]
pub enum Pack {
    /// Check and store a pack, and merge it over the system that runs; from then on each boot of a version that it fits merges it
    Install(Install),
    /// Say whether a pack is newer than what is installed, from its head alone: exit code 0 if it is, 7 if not, 3 if it is for others, 4 if it is not authentic
    Check(Check),
    /// Show the packs that are stored, and what becomes of each
    List,
    /// Remove a pack, and merge what is left
    Remove(Remove),
    /// Remove all packs: the system is the image's again
    Purge,
    /// Merge packs again that are off after a fallback
    Enable,
}

/// `pack install`.
#[derive(Args, Debug)]
pub struct Install {
    /// Pack: a file, an http(s) URL, or oci://HOST/REPOSITORY:TAG; - for one on stdin
    #[arg(value_name = "FILE|-|URL")]
    pub source: PathBuf,
    /// Take one that replaces the kernel's files, libc, init or the updater, which a reboot is better for; and one that is not newer
    #[arg(long)]
    pub force: bool,
    /// Store it, and leave the merging to the next boot
    #[arg(long)]
    pub no_merge: bool,
    /// If it is a URL.
    #[command(flatten)]
    pub fetch: Fetch,
}

/// `pack check`.
#[derive(Args, Debug)]
pub struct Check {
    /// Pack: a file, an http(s) URL, or oci://HOST/REPOSITORY:TAG
    #[arg(value_name = "FILE|URL")]
    pub source: PathBuf,
    /// If it is a URL.
    #[command(flatten)]
    pub fetch: Fetch,
}

/// `pack remove`.
#[derive(Args, Debug)]
pub struct Remove {
    /// The pack
    pub name: String,
}
