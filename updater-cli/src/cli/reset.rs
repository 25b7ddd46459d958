//! The command line of `reset`.

use clap::Args;

/// `reset`.
#[derive(Args, Debug)]
pub struct Reset {
    /// Yes, everything in /var is to be lost
    #[arg(long, conflicts_with = "cancel")]
    pub yes: bool,
    /// Reboot when it is asked for
    #[arg(long, conflicts_with = "cancel")]
    pub reboot: bool,
    /// Take back what was asked for and has not happened yet
    #[arg(long)]
    pub cancel: bool,
}
