//! `log` on the command line.

use clap::Args;

/// `log`.
#[derive(Args, Debug)]
pub struct Log {
    /// Acts to show, the newest ones
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    pub lines: u16,
    /// Acts on every disk, also on those that are not there now
    #[arg(long)]
    pub all_disks: bool,
}
