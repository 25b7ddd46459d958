//! The options that every verb has.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use libupdate::SlotId;

use super::slot;

/// Options of every verb.
#[derive(Args, Debug)]
#[command(next_help_heading = "Options of every verb")]
pub struct Common {
    /// Board: a name (qemu-x86_64, another of the built-in ones, or one of /etc/updater/profiles) or a file [default:
    /// /etc/updater/profile.toml]
    #[arg(long, value_name = "NAME|FILE", global = true)]
    pub profile: Option<String>,
    /// Whole disk, or a disk image file [default: the one disk that matches the profile]
    #[arg(long, value_name = "PATH", global = true)]
    pub disk: Option<PathBuf>,
    /// Logical sector size of a disk image file, if it cannot be detected
    #[arg(long, value_name = "512|4096", global = true)]
    pub sector_size: Option<u32>,
    /// Public key (SPKI, PEM or DER) to trust, instead of the profile's; may be given again
    #[arg(long, value_name = "PUB", global = true)]
    pub trust: Vec<PathBuf>,
    /// The slot that is running [default: what the initramfs hook said; on a disk image file the good slot of the highest
    /// priority]
    #[arg(long, value_name = "a|b|none", global = true, value_parser = booted)]
    pub booted: Option<BootedOption>,
    /// Store of a boot loader that chooses by itself (`loader` in the profile) [default: the profile's; on a disk that this system does
    /// not run from it has to be named; `none` leaves it as it is]
    #[arg(long, value_name = "PATH", global = true)]
    pub loader_store: Option<PathBuf>,
    /// Believe --booted even if this boot's own report or the kernel's command line names another slot
    #[arg(long, requires = "booted", global = true)]
    pub danger_booted: bool,
    /// One JSON document on stdout; docs/schema.json of the project describes each
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress and no notes on stderr
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// How progress is reported on stderr
    #[arg(long, value_enum, default_value_t = ProgressOption::Auto, global = true)]
    pub progress: ProgressOption,
    /// Open file descriptor that receives progress as JSON lines
    #[arg(long, value_name = "N", global = true)]
    pub progress_fd: Option<u32>,
}

/// `--progress`.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProgressOption {
    /// A bar on a terminal, plain lines elsewhere.
    Auto,
    /// Plain lines.
    Plain,
    /// JSON lines.
    Json,
    /// Nothing.
    None,
}

/// `--booted`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BootedOption {
    /// No slot is running.
    None,
    /// This one is.
    Slot(SlotId),
}

fn booted(text: &str) -> Result<BootedOption, String> {
    if text == "none" { Ok(BootedOption::None) } else { slot(text).map(BootedOption::Slot) }
}
