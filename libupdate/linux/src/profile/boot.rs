//! What a profile says about the boot. The hook acts on it; the tool needs to know who spends tries and who marks good.

use std::path::PathBuf;

use libupdate::hook_config;
use serde::Deserialize;

pub use libupdate::hook_config::{Marker, Naming, OnCorruption, Overlay, Spender, Voice};

/// The `[boot]` table.
pub type Boot = hook_config::Boot<String, PathBuf>;
/// How the slot's system starts, with what that needs.
pub type Start = hook_config::Start<String, PathBuf>;
/// Where a slot has its own kernel: a UKI is the whole payload, else these are paths inside a file system.
pub type SlotKernel = hook_config::SlotKernel<String, PathBuf>;
/// What happens where nothing is bootable, with what that needs.
pub type Exhausted = hook_config::Exhausted<String>;
/// A watchdog.
pub type Watchdog = hook_config::Watchdog<PathBuf>;

/// The word for how the slot's system starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HandOver {
    /// On the running kernel.
    #[default]
    SwitchRoot,
    /// With the slot's own kernel.
    Kexec,
}

/// The word for what happens where nothing is bootable.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnExhausted {
    /// Checks all of each slot and boots the first that holds.
    #[default]
    LastResort,
    /// Boots the recovery partition.
    Recovery,
    /// Starts over.
    Reboot,
}
