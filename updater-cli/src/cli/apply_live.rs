//! The command line of `apply-live`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `apply-live`.
#[derive(Args, Debug)]
pub struct ApplyLive {
    /// Say what would be done, and mount nothing that others see
    #[arg(long)]
    pub dry_run: bool,
    /// Only this file or folder below /usr; may be given several times
    #[arg(long, value_name = "PATH")]
    pub only: Vec<PathBuf>,
    /// Restart services that run what changed: reload those that can, restart those that run, or all of them, also those that a session needs
    #[arg(long, value_enum, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "try")]
    pub restart_services: Option<RestartOption>,
    /// Take files that are changed or removed, too, and those that a running system does not take well
    #[arg(long)]
    pub force: bool,
    /// Take back what was applied
    #[arg(long, conflicts_with_all = ["dry_run", "only", "force"])]
    pub reset: bool,
    /// Seconds that each health check has afterwards; if one fails, what was applied is taken back
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub health_timeout: u32,
}

/// `--restart-services`.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum RestartOption {
    /// Reload what can be reloaded, restart what else runs.
    Reload,
    /// Restart what runs.
    Try,
    /// The same, also the bus, the login manager and consoles.
    Full,
}
