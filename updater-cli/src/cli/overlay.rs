//! The command line of `overlay`.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

/// `overlay`.
#[derive(Subcommand, Debug)]
pub enum Overlay {
    /// Lay a folder that can be written over /usr, /opt or /etc
    Create(Create),
    /// Copy a file into an overlay, or have it bring the file of the image itself, to be edited
    Add(Add),
    /// Show overlays; of one, what it adds, changes and removes
    List(List),
    /// Lay an overlay that is off
    Enable(Name),
    /// Take an overlay away, and keep what it holds
    Disable(Name),
    /// Say which overlay is on top: the highest one, and of equal ones the first name
    Priority(Priority),
    /// Remove an overlay and what it holds; exit code 6 while processes use files of it
    Remove(Remove),
    /// Write what an overlay holds into an archive (tar, zstd), the same for the same content
    Backup(Backup),
    /// Make an overlay of such an archive
    Restore(Restore),
    /// Look through overlays for what would not work, or would not be safe
    Check(Check),
    /// Drop from an overlay what equals the image
    Optimize(Name),
    /// Run a command that sees an overlay of the scope `user`, which nothing else sees
    Enter(Enter),
}

impl Overlay {
    /// Its name in the history, if it changes something.
    pub const fn recorded(&self) -> Option<&'static str> {
        match self {
            Self::Create(_) => Some("overlay-create"),
            Self::Add(_) => Some("overlay-add"),
            Self::Enable(_) => Some("overlay-enable"),
            Self::Disable(_) => Some("overlay-disable"),
            Self::Priority(_) => Some("overlay-priority"),
            Self::Remove(_) => Some("overlay-remove"),
            Self::Restore(_) => Some("overlay-restore"),
            Self::Optimize(_) => Some("overlay-optimize"),
            Self::List(_) | Self::Backup(_) | Self::Check(_) | Self::Enter(_) => None,
        }
    }
}

/// Where an overlay is laid.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Over /usr.
    Usr,
    /// Over /etc.
    Etc,
    /// Over /opt.
    Opt,
    /// Over /usr, for `overlay enter` alone.
    User,
}

/// How long an overlay lasts.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// It is memory, and gone with this boot.
    None,
    /// Boots lay it again, over every version.
    Boot,
    /// Boots lay it again; a new version drops what it changed of the old one.
    Version,
}

/// An overlay.
#[derive(Args, Debug)]
pub struct Name {
    /// The overlay
    pub name: String,
}

/// `overlay create`.
#[derive(Args, Debug)]
pub struct Create {
    /// Its name: 1 to 32 of a-z, 0-9 and -; else the scope's
    #[arg(long)]
    pub name: Option<String>,
    /// Where it is laid
    #[arg(long, value_enum, default_value_t = Scope::Usr)]
    pub scope: Scope,
    /// How long it lasts
    #[arg(long, value_enum, default_value_t = Keep::None)]
    pub keep: Keep,
    /// How much it may hold, if it is memory: bytes, 64K, 100M, 1G, or a part of the memory that is free now [default: 50%]
    #[arg(long)]
    pub size: Option<String>,
    /// Nothing in the folder can be written but by `overlay add`
    #[arg(long)]
    pub read_only: bool,
}

/// `overlay add`.
#[derive(Args, Debug)]
pub struct Add {
    /// File in the folder that the overlay is laid over, and the file to be copied there
    #[arg(value_name = "PATH[=SOURCE]")]
    pub file: OsString,
    /// The overlay, if there are several
    #[arg(long)]
    pub name: Option<String>,
    /// Take a file that is setuid or setgid, too
    #[arg(long)]
    pub force: bool,
}

/// `overlay list`.
#[derive(Args, Debug)]
pub struct List {
    /// The overlay
    pub name: Option<String>,
}

/// What a priority may be.
pub const PRIORITIES: RangeInclusive<i32> = -100..=100;

fn priority(text: &str) -> Result<i32, String> {
    let number = text.parse().ok().filter(|number| PRIORITIES.contains(number));
    number.ok_or_else(|| format!("a priority is from {} to {}", PRIORITIES.start(), PRIORITIES.end()))
}

/// `overlay priority`.
#[derive(Args, Debug)]
pub struct Priority {
    /// The overlay
    pub name: String,
    /// From -100 to 100; a new overlay has 0
    #[arg(allow_negative_numbers = true, value_parser = priority)]
    pub priority: i32,
}

/// `overlay remove`.
#[derive(Args, Debug)]
pub struct Remove {
    /// The overlay
    pub name: String,
    /// Keep what it holds, aside: the place is printed
    #[arg(long)]
    pub keep_data: bool,
}

/// `overlay backup`.
#[derive(Args, Debug)]
pub struct Backup {
    /// The overlay
    pub name: String,
    /// Archive to write
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    /// Write over an archive that is there
    #[arg(long)]
    pub force: bool,
}

/// `overlay restore`.
#[derive(Args, Debug)]
pub struct Restore {
    /// Archive of `overlay backup`
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Its name, if not the one that it had
    #[arg(long)]
    pub name: Option<String>,
    /// Take setuid and setgid files, too
    #[arg(long)]
    pub force: bool,
}

/// `overlay check`.
#[derive(Args, Debug)]
pub struct Check {
    /// The overlay; all without a name
    pub name: Option<String>,
    /// Drop what does nothing, and make what is missing
    #[arg(long)]
    pub repair: bool,
}

/// `overlay enter`.
#[derive(Args, Debug)]
pub struct Enter {
    /// The overlay
    pub name: String,
    /// The command, after --
    #[arg(required = true, last = true)]
    pub command: Vec<OsString>,
}
