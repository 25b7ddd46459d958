//! What a profile says about the boot. The hook acts on it; the tool needs to know who spends tries and who marks good.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use crate::device_mapper::OnCorruption;

/// The `[boot]` table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Boot {
    /// Who spends a try.
    pub spends_try: Spender,
    /// Role of the partition that becomes the root file system.
    pub root: String,
    /// How the slot's system starts.
    pub hand_over: Start,
    /// What dm-verity does with a block that is damaged later.
    pub on_corruption: OnCorruption,
    /// What happens where nothing is bootable.
    pub on_exhausted: Exhausted,
    /// Time from a panic to the reboot.
    pub panic: Duration,
    /// Who marks a booted slot good.
    pub mark_good: Marker,
    /// Label of the partition that becomes `/var`.
    pub var: Option<String>,
    /// Whether the root file system looks writable.
    pub overlay: Overlay,
    /// The watchdog to arm.
    pub watchdog: Option<Watchdog>,
    /// How long the hook waits for the disk to appear.
    pub disk_wait: Duration,
    /// How much the hook says.
    pub voice: Voice,
}

/// Who spends a try before a slot boots: exactly one of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spender {
    /// The initramfs hook.
    #[default]
    Hook,
    /// A boot loader that links the core.
    BootLoader,
}

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

/// How the slot's system starts, with what that needs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Start {
    /// On the running kernel.
    SwitchRoot,
    /// With the slot's own kernel.
    Kexec(SlotKernel),
}

/// Where a slot has its own kernel: a UKI is the whole payload, else these are paths inside a file system.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SlotKernel {
    /// Role of the payload that holds it; the root file system does where there is none.
    pub payload: Option<String>,
    /// The kernel. `None`: the payload is a UKI.
    pub kernel: Option<PathBuf>,
    /// Its initramfs.
    pub initrd: Option<PathBuf>,
    /// The file with its command line; the running kernel's serves where there is none.
    pub command_line: Option<PathBuf>,
}

/// Whether the root file system looks writable.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Overlay {
    /// It does not.
    #[default]
    None,
    /// What is written to it goes to memory, and is gone after the boot.
    InMemory,
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

/// What happens where nothing is bootable, with what that needs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Exhausted {
    /// Checks all of each slot and boots the first that holds.
    LastResort,
    /// Boots the recovery partition.
    Recovery {
        /// Its label.
        label: String,
    },
    /// Starts over.
    Reboot,
}

/// Who marks a booted slot good.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Marker {
    /// `updater-cli mark-good`, once the system is up and healthy.
    #[default]
    System,
    /// The hook, at hand-over: no trial.
    Hook,
}

/// How much the hook says on the console.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Voice {
    /// The slot it boots, and what is out of order.
    #[default]
    Normal,
    /// How long each phase took, too.
    Verbose,
}

/// A watchdog.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Watchdog {
    /// Its node.
    pub device: PathBuf,
    /// How long it waits to be fed.
    pub timeout: Duration,
}
