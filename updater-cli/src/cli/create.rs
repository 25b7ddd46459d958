//! The command line of who makes keys and bundles.

use std::path::PathBuf;

use clap::{Args, Subcommand};

mod bundle;

#[cfg(feature = "push")]
pub use bundle::Push;
pub use bundle::{AttachSignature, Bundle, BundleCreate, BundleDigest, CompressionOption};

/// The verbs of who makes bundles.
#[derive(Subcommand, Debug)]
pub enum Create {
    /// Make a key pair: N.key (PKCS#8 PEM, for the signer only) and N.pub (SPKI PEM, for devices)
    Keygen(Keygen),
    /// Make and sign bundles
    #[command(subcommand)]
    Bundle(Bundle),
}

/// `keygen`.
#[derive(Args, Debug)]
pub struct Keygen {
    /// Folder for both files
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Name of the pair
    #[arg(long, value_name = "N")]
    pub name: String,
}
