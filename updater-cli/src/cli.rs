//! The command line: one verb for each act.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use libupdate::SlotId;

use crate::export::Export;

#[cfg(feature = "create")]
pub mod create;
#[cfg(feature = "demo")]
pub mod demo;
#[cfg_attr(not(feature = "http"), path = "cli/no_fetch.rs")]
mod fetch;
#[cfg(feature = "man")]
pub mod man;
#[cfg(feature = "provision")]
pub mod provision;
#[cfg(feature = "reset")]
pub mod reset;

pub use fetch::Fetch;

/// A/B image updates that never brick.
///
/// Streams a signed, dm-verity-protected image into the slot that is not booted, reads it back, and only then lets it boot, on
/// trial. Nothing here changes what the booted slot holds.
#[derive(Parser, Debug)]
#[command(name = "updater-cli", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What every verb knows.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 2 usage, 3 refused by policy, 4 bundle not authentic or corrupt, 5 no space, 6 busy, 7 nothing to do,
8 I/O error, 9 interrupted (run it again: an installation resumes), 10 network, 11 disk or GPT not usable,
12 `doctor` found an error.";

/// Options of every verb.
#[derive(Args, Debug)]
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
    /// One JSON document on stdout
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

fn slot(text: &str) -> Result<SlotId, String> {
    SlotId::from_name(text).ok_or_else(|| "a slot is one letter from a on".to_owned())
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Keys and bundles.
    #[cfg(feature = "create")]
    #[command(flatten)]
    Create(create::Create),
    /// Show a bundle's manifest and who signed it
    Info(Info),
    /// Check a bundle, or every block of a slot
    Verify(Verify),
    /// Make the partition table of a new disk and install the first image
    #[cfg(feature = "provision")]
    Provision(provision::Provision),
    /// Install a bundle into the slot that is not booted; run again, it resumes
    Install(Install),
    /// Arm a slot that was installed with --no-activate, after reading all of it again
    Activate(SlotOption),
    /// Boot the other good slot next
    Rollback(SlotOption),
    /// Take back an installation that has not booted yet: its slot is disarmed, without a verdict on what it holds
    Cancel(SlotOption),
    /// Say that the booted slot works
    MarkGood(MarkGood),
    /// Say that a slot must not boot again
    MarkBad(MarkBad),
    /// Say why the booted slot, which is on trial, is not marked good; its bits stay
    Note(Note),
    /// Make both copies of the partition table valid and equal, the backup at the disk's end
    Repair,
    /// Have the next boot remove everything in /var, and put the image's own files there
    #[cfg(feature = "reset")]
    Reset(reset::Reset),
    /// Show the slot that boots next and its partitions, as a boot script needs them
    Choose(Choose),
    /// Show slots, their state and versions, what boots next, and whether somebody feeds the watchdog; bring the store of a boot loader
    /// that chooses by itself up to date
    Status,
    /// Check what this device needs to update and to fall back, row by row; reads only
    #[cfg(feature = "doctor")]
    Doctor,
    /// Write what the boot hook reads in its initramfs: this profile, and the keys it trusts
    HookConfig(HookConfig),
    /// Play the whole life of a device on a disk file, without root
    #[cfg(feature = "demo")]
    Demo(demo::Demo),
    /// Write the manual pages, one a verb, into a folder
    #[cfg(feature = "man")]
    Man(man::Man),
}

impl Verb {
    /// Whether the verb works on a disk that may hold a booted slot, which it does not change.
    pub const fn works_on_slots(&self) -> bool {
        match self {
            Self::Verify(args) => args.slot.is_some(),
            // It may end with the booted slot taken out of the boot order.
            Self::MarkGood(args) => !args.unattended,
            Self::Install(_) | Self::Activate(_) | Self::Rollback(_) | Self::Cancel(_) | Self::MarkBad(_) => true,
            Self::Note(_) | Self::Repair | Self::Choose(_) | Self::Status => true,
            #[cfg(feature = "reset")]
            Self::Reset(_) => true,
            _ => false,
        }
    }
}

/// `info`.
#[derive(Args, Debug)]
pub struct Info {
    /// Bundle or detached head, a file or an http(s) URL
    pub file: PathBuf,
    /// What else is done with it.
    #[command(flatten)]
    pub export: Export,
    /// If it is a URL.
    #[command(flatten)]
    pub fetch: Fetch,
}

/// `verify`.
#[derive(Args, Debug)]
pub struct Verify {
    /// Bundle, or raw image with a detached head beside it: a file or an http(s) URL
    #[arg(required_unless_present = "slot", conflicts_with = "slot")]
    pub file: Option<PathBuf>,
    /// Slot to read and check, every block of it
    #[arg(long, value_name = "a|b", value_parser = slot)]
    pub slot: Option<SlotId>,
    /// If it is a URL.
    #[command(flatten)]
    pub fetch: Fetch,
}

/// `install`.
#[derive(Args, Debug)]
pub struct Install {
    /// Bundle, or raw image with a detached head beside it: a file or an http(s) URL; - for a bundle on stdin
    #[arg(value_name = "FILE|-|URL")]
    pub source: PathBuf,
    /// Leave the slot complete but not armed
    #[arg(long)]
    pub no_activate: bool,
    /// Reboot when it is done
    #[arg(long, conflicts_with_all = ["no_activate", "dry_run"])]
    pub reboot: bool,
    /// Slot to write
    #[arg(long, value_name = "a|b", value_parser = slot)]
    pub slot: Option<SlotId>,
    /// Judge the bundle and say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Who confirms the trial: the system, or a person with `mark-good`; without an answer in time the old slot boots again
    #[arg(long, value_enum, default_value_t = TrialOption::Auto)]
    pub trial: TrialOption,
    /// Seconds that the person has, once the system is up and healthy
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=604_800))]
    pub within: u32,
    /// Install a version lower than the booted one
    #[arg(long)]
    pub allow_downgrade: bool,
    /// Install a version that failed here before
    #[arg(long)]
    pub retry_failed: bool,
    /// If it is a URL.
    #[command(flatten)]
    pub fetch: Fetch,
}

/// `--trial`.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum TrialOption {
    /// The system, once it is up and its health checks are good.
    Auto,
    /// A person.
    Manual,
}

/// An act on one slot.
#[derive(Args, Debug)]
pub struct SlotOption {
    /// The slot, if it is not clear which one is meant
    #[arg(long, value_name = "a|b", value_parser = slot)]
    pub slot: Option<SlotId>,
}

/// `mark-good`.
#[derive(Args, Debug)]
pub struct MarkGood {
    /// The slot, if it is not clear which one is meant
    #[arg(long, value_name = "a|b", value_parser = slot)]
    pub slot: Option<SlotId>,
    /// As a boot service: if a person is to confirm the trial, wait for that person as long as `install --within` said; and
    /// for whoever else works on the disk, up to ten minutes
    #[arg(long, conflicts_with = "slot")]
    pub unattended: bool,
    /// Also a slot that does not run and has never completed a boot: if it does not work, nothing is left to fall back to
    #[arg(long)]
    pub danger_untried: bool,
}

/// `mark-bad`.
#[derive(Args, Debug)]
pub struct MarkBad {
    /// The slot, if nothing is booted
    #[arg(long, value_name = "a|b", value_parser = slot)]
    pub slot: Option<SlotId>,
    /// Why, for `status` on the slot that takes over
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `note`.
#[derive(Args, Debug)]
pub struct Note {
    /// What happened
    #[arg(value_enum)]
    pub what: NoteOption,
    /// More about it, one line of 128 bytes at most
    pub detail: Option<String>,
}

/// What ended a boot on trial.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoteOption {
    /// A health check failed.
    HealthCheck,
    /// The system is being restarted.
    Restarted,
}

/// `choose`.
#[derive(Args, Debug)]
pub struct Choose {
    /// Spend the try, as the boot loader does
    #[arg(long)]
    pub spend: bool,
}

/// `hook-config`.
#[derive(Args, Debug)]
pub struct HookConfig {
    /// File to write: /etc/updater/hook.config of the initramfs; - for stdout
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,

    /// Write it as a header for firmware in C instead: updater-board.h, for libupdate.h
    #[arg(long)]
    pub c_header: bool,
}
