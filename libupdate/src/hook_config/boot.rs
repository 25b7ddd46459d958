//! What a profile says about the boot. `T` is a text and `P` a path: borrowed from the file, or the caller's own.

use core::time::Duration;

use serde::{Deserialize, Serialize};

/// The `[boot]` table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Boot<T, P> {
    /// Who spends a try.
    pub spends_try: Spender,
    /// What a boot loader that names the slot does if that one does not start.
    pub naming: Naming,
    /// Role of the partition that becomes the root file system.
    pub root: T,
    /// How the slot's system starts.
    pub hand_over: Start<T, P>,
    /// What dm-verity does with a block that is damaged later.
    pub on_corruption: OnCorruption,
    /// What happens where nothing is bootable.
    pub on_exhausted: Exhausted<T>,
    /// Time from a panic to the reboot.
    pub panic: Duration,
    /// Who marks a booted slot good.
    pub mark_good: Marker,
    /// Label of the partition that becomes `/var`.
    pub var: Option<T>,
    /// Whether the root file system looks writable.
    pub overlay: Overlay,
    /// The watchdog to arm.
    pub watchdog: Option<Watchdog<P>>,
    /// How long the hook waits for the disk to appear.
    pub disk_wait: Duration,
    /// How much the hook says.
    pub voice: Voice,
}

/// What dm-verity does with a damaged block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnCorruption {
    /// Restarts the machine: the chooser sees one boot that was not confirmed.
    #[default]
    Restart,
    /// Panics.
    Panic,
    /// Fails the read.
    IoError,
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

/// What a boot loader that names the slot does in the next boot, if a good slot did not start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Naming {
    /// It passes it over: it has the core's order of boots.
    #[default]
    PassesOver,
    /// It names it again: it knows nothing but its store.
    Insists,
}

/// How the slot's system starts, with what that needs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Start<T, P> {
    /// On the running kernel.
    SwitchRoot,
    /// With the slot's own kernel.
    Kexec(SlotKernel<T, P>),
}

/// Where a slot has its own kernel: a UKI is the whole payload, else these are paths inside a file system.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SlotKernel<T, P> {
    /// Role of the payload that holds it; the root file system does where there is none.
    pub payload: Option<T>,
    /// The kernel. `None`: the payload is a UKI.
    pub kernel: Option<P>,
    /// Its initramfs.
    pub initrd: Option<P>,
    /// The file with its command line; the running kernel's serves where there is none.
    pub command_line: Option<P>,
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

/// What happens where nothing is bootable, with what that needs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Exhausted<T> {
    /// Checks all of each slot and boots the first that holds.
    LastResort,
    /// Boots the recovery partition.
    Recovery {
        /// Its label.
        label: T,
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
pub struct Watchdog<P> {
    /// Its node.
    pub device: P,
    /// How long it waits to be fed.
    pub timeout: Duration,
}
