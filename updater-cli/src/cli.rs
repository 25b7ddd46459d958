//! The command line: one verb for each act.

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use libupdate::SlotId;

use crate::exit::words;
use crate::export::Export;

#[cfg(feature = "live")]
pub mod apply_live;
#[cfg(feature = "completions")]
pub mod completions;
#[cfg(feature = "create")]
pub mod create;
#[cfg(feature = "demo")]
pub mod demo;
mod every_verb;
pub mod examples;
#[cfg_attr(not(feature = "http"), path = "cli/no_fetch.rs")]
mod fetch;
#[cfg(feature = "live")]
pub mod live;
#[cfg(feature = "history")]
pub mod log;
#[cfg(feature = "man")]
pub mod man;
#[cfg(feature = "live")]
pub mod offline;
pub mod other_tools;
#[cfg(feature = "live")]
pub mod overlay;
#[cfg(feature = "live")]
pub mod pack;
#[cfg(feature = "import")]
pub mod profile;
#[cfg(feature = "provision")]
pub mod provision;
#[cfg(feature = "reset")]
pub mod reset;
#[cfg(feature = "update")]
pub mod update;

pub use every_verb::{BootedOption, Common, ProgressOption};
pub use fetch::Fetch;
#[cfg(feature = "http")]
pub use fetch::Server;

/// A/B image updates that never brick.
///
/// Streams a signed, dm-verity-protected image into the slot that is not booted, reads it back, and only then lets it boot, on
/// trial. Nothing here changes what the booted slot holds.
#[derive(Parser, Debug)]
#[command(name = "updater-cli", version)]
pub struct Cli {
    /// What every verb knows.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

fn slot(text: &str) -> Result<SlotId, String> {
    SlotId::from_name(text).ok_or_else(|| "a slot is one letter from a on".to_owned())
}

/// The command line with its examples.
#[must_use]
pub fn command() -> clap::Command {
    fn with_examples(command: clap::Command, verb: &str) -> clap::Command {
        let below: Vec<String> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
        let named = |name: &str| if verb.is_empty() { name.to_owned() } else { format!("{verb} {name}") };
        let command = below
            .iter()
            .fold(command, |command, name| command.mut_subcommand(name, |below| with_examples(below, &named(name))));
        match (examples::shown(verb), verb) {
            (Some(shown), "") => command.after_help(format!("{shown}\n\n{}", words::all_in_short())),
            (Some(shown), _) => command.after_help(shown),
            (None, _) => command,
        }
    }
    with_examples(Cli::command(), "")
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
    /// Say whether a release is news for this device, from its head alone: exit code 0 if it is, 7 if not
    #[cfg(feature = "update")]
    Check(update::Check),
    /// Install a release if it is news for this device: exit code 7 if it is not
    #[cfg(feature = "update")]
    #[command(visible_alias = "upgrade")]
    Update(update::Update),
    /// Arm a slot that was installed with --no-activate, after reading all of it again
    Activate(SlotOption),
    /// Boot the other good slot next
    Rollback(SlotOption),
    /// Take back an installation that has not booted yet: its slot is disarmed, without a verdict on what it holds
    Cancel(SlotOption),
    /// Say that the booted slot works
    #[command(visible_aliases = ["confirm", "commit"])]
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
    #[command(visible_alias = "list")]
    Status,
    /// Check what this device needs to update and to fall back, row by row; reads only
    #[cfg(feature = "doctor")]
    Doctor,
    /// Show the acts on the disk that are recorded on this machine, the newest last
    ///
    /// They are in /var/lib/updater/history.jsonl, at most 64 KiB: the oldest go first. It is a cache: what it lacks was perhaps done all
    /// the same. Each line has the hash of the line before it, which --verify checks. Who can write the file can write all of it anew: the
    /// system's log has each line's hash, too (journalctl -t updater-cli, field UPDATER_HASH).
    #[cfg(feature = "history")]
    Log(log::Log),
    /// Updates while nothing else runs: prepared now, installed by the next boot before services start (systemd.offline-updates)
    #[cfg(feature = "live")]
    #[command(subcommand)]
    Offline(offline::Offline),
    /// Hotfixes that are merged over /usr and /opt of the system that runs, without a reboot
    #[cfg(feature = "live")]
    #[command(subcommand)]
    Pack(pack::Pack),
    /// Folders that can be written, laid over /usr, /etc or /opt of the system that runs: for this boot, or kept
    #[cfg(feature = "live")]
    #[command(subcommand)]
    Overlay(overlay::Overlay),
    /// Lay the version in the other slot over /usr of the system that runs, until the next boot
    #[cfg(feature = "live")]
    ApplyLive(apply_live::ApplyLive),
    /// What updater-live.service does
    #[cfg(feature = "live")]
    #[command(subcommand, hide = true)]
    Live(live::Live),
    /// Write what the boot hook reads in its initramfs: this profile, and the keys it trusts
    HookConfig(HookConfig),
    /// Make profiles
    #[cfg(feature = "import")]
    #[command(subcommand)]
    Profile(profile::Profile),
    /// Play the whole life of a device on a disk file, without root
    #[cfg(feature = "demo")]
    Demo(demo::Demo),
    /// Write the manual pages, one a verb, into a folder
    #[cfg(feature = "man")]
    Man(man::Man),
    /// Print what a shell needs to complete this program's command lines
    #[cfg(feature = "completions")]
    Completions(completions::Completions),
    /// Show the program's version
    Version,
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
            #[cfg(feature = "update")]
            Self::Check(_) | Self::Update(_) => true,
            #[cfg(feature = "live")]
            Self::Offline(_) | Self::Pack(_) | Self::Overlay(_) | Self::Live(_) | Self::ApplyLive(_) => true,
            _ => false,
        }
    }

    /// The verb's name in the history, for what changes a device, or tries to.
    pub const fn recorded(&self) -> Option<&'static str> {
        match self {
            Self::Install(args) if !args.dry_run => Some("install"),
            #[cfg(feature = "update")]
            Self::Update(args) if !args.install.dry_run => Some("install"),
            Self::Activate(_) => Some("activate"),
            Self::Rollback(_) => Some("rollback"),
            Self::Cancel(_) => Some("cancel"),
            Self::MarkGood(_) => Some("mark-good"),
            Self::MarkBad(_) => Some("mark-bad"),
            Self::Repair => Some("repair"),
            #[cfg(feature = "reset")]
            Self::Reset(_) => Some("reset"),
            #[cfg(feature = "live")]
            Self::Offline(offline::Offline::Run) => Some("offline-install"),
            #[cfg(feature = "live")]
            Self::Pack(pack::Pack::Install(_)) => Some("pack-install"),
            #[cfg(feature = "live")]
            Self::Pack(pack::Pack::Remove(_)) => Some("pack-remove"),
            #[cfg(feature = "live")]
            Self::Pack(pack::Pack::Purge) => Some("pack-purge"),
            #[cfg(feature = "live")]
            Self::Pack(pack::Pack::Enable) => Some("pack-enable"),
            #[cfg(feature = "live")]
            Self::Overlay(verb) => verb.recorded(),
            #[cfg(feature = "live")]
            Self::ApplyLive(args) if !args.dry_run => Some(if args.reset { "apply-live-reset" } else { "apply-live" }),
            #[cfg(feature = "provision")]
            Self::Provision(_) => Some("provision"),
            _ => None,
        }
    }
}

/// `info`.
#[derive(Args, Debug)]
pub struct Info {
    /// Bundle or detached head, a file, an http(s) URL, or oci://HOST/REPOSITORY:TAG
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
    /// Bundle, or raw image with a detached head beside it: a file, an http(s) URL, or oci://HOST/REPOSITORY:TAG
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
    /// Bundle, or raw image with a detached head beside it: a file, an http(s) URL, or oci://HOST/REPOSITORY:TAG; - for a bundle on stdin
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
