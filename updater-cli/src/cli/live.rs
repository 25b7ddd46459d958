//! The command line of `live`, which no person needs.

use clap::Subcommand;

/// `live`.
#[derive(Subcommand, Debug)]
pub enum Live {
    /// Check packs and overlays again and lay what this boot may have; for updater-live.service alone
    Boot,
    /// Take away what is laid, so that /var can be unmounted; for updater-live.service alone
    Shutdown,
}
