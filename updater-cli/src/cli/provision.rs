//! The command line of `provision`.

use std::path::PathBuf;

use clap::Args;

use super::Fetch;

/// `provision`.
#[derive(Args, Debug)]
pub struct Provision {
    /// Size of a disk image file that is to be made: bytes, or with K, M, G, T
    #[arg(long, value_name = "S")]
    pub size: Option<String>,
    /// The first bundle, a file, an http(s) URL, or oci://HOST/REPOSITORY:TAG
    pub bundle: PathBuf,
    /// Destroy what is on the disk: its partition table and every slot, or a file system without a table
    #[arg(long)]
    pub danger_overwrite: bool,
    /// If it is a URL.
    #[command(flatten)]
    pub fetch: Fetch,
}
