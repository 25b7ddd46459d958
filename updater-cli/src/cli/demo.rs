//! The command line of `demo`.

use std::path::PathBuf;

use clap::Args;

/// `demo`.
#[derive(Args, Debug)]
pub struct Demo {
    /// Folder for keys, images, bundles and the disk file; made if it is not there [default: a new one under the temporary folder]
    pub dir: Option<PathBuf>,
}
