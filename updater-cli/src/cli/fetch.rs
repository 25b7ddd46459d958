//! How a URL is fetched: the same for every verb that reads a bundle.

use std::path::PathBuf;

use clap::Args;

/// How a URL is fetched.
#[derive(Args, Debug)]
#[command(next_help_heading = "Where it is a URL")]
pub struct Fetch {
    /// Certificates (PEM) of the authorities that vouch for https servers [default: the system's; SSL_CERT_FILE, SSL_CERT_DIR]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Seconds without a byte after which a connection is given up
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub timeout: u32,
    /// How often in a row a connection is tried again, with growing pauses, before a byte has come
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub retries: u32,
}
