//! A bundle or an act that policy refuses although nothing is damaged.

use core::fmt;

use crate::units::slot_id::SlotId;

/// A bundle made for a newer updater. Judged before anything else of it, so that "too old" is never told as "corrupt".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Incompatible {
    /// A format version this updater does not read.
    FormatVersion {
        /// The bundle's.
        found: u16,
    },
    /// Feature bits that must be understood and are not.
    RequiredFeatures {
        /// The unknown ones.
        unknown: u64,
    },
    /// The bundle asks for a newer updater.
    UpdaterTooOld {
        /// Major, minor and patch number it asks for.
        needed: [u16; 3],
    },
}

/// The rule of policy that was broken, with its operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Rejected {
    /// The bundle is for a newer updater.
    Incompatible(Incompatible),
    /// None of the manifest's compatibles equals the profile's.
    Compatible,
    /// The bundle is a pack, and no release.
    #[cfg(any(test, feature = "packs"))]
    Pack,
    /// The bundle is a release, and no pack.
    #[cfg(any(test, feature = "packs"))]
    NoPack,
    /// The version is lower than the booted one's.
    Downgrade,
    /// The rollback index is below the floor.
    RollbackIndex {
        /// The bundle's.
        found: u64,
        /// The highest of a good slot.
        floor: u64,
    },
    /// This root hash was installed, tried and failed.
    FailedBefore {
        /// The slot that remembers it.
        slot: SlotId,
    },
    /// The slot is the booted one.
    BootedSlot {
        /// The slot.
        slot: SlotId,
    },
    /// The booted slot is still on trial: the only good slot would be overwritten.
    TrialRunning {
        /// The booted slot.
        slot: SlotId,
    },
    /// No other slot is good: the act would leave nothing to fall back to.
    LastGoodSlot {
        /// The slot that the act would take out.
        slot: SlotId,
    },
    /// The slot's bits do not allow the act.
    SlotState {
        /// The slot.
        slot: SlotId,
        /// What it would have to be.
        needed: Needed,
    },
    /// The slot does not run, and never completed a boot: nobody knows whether it works.
    NeverBooted {
        /// The slot.
        slot: SlotId,
    },
    /// No slot is staged, and none is armed.
    NothingStaged,
    /// No other slot can be written or raised.
    NoTarget,
    /// No slot beside the target holds the image that the delta bundle is made from.
    NoOldImage {
        /// The first bytes of that image's root hash.
        root: [u8; 8],
    },
    /// The slot is not in the profile.
    NoSuchSlot {
        /// The slot.
        slot: SlotId,
    },
}

/// What a slot would have to be for an act.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Needed {
    /// Complete, in the boot order, with tries left, and not yet good.
    OnTrial,
    /// Complete and out of the boot order.
    Staged,
    /// On its way to a trial, or ready to be armed.
    ArmedOrStaged,
    /// Marked good.
    Good,
    /// Of a priority above 0.
    InBootOrder,
    /// Without bits, as in a new table.
    Empty,
}

impl fmt::Display for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnTrial => "on trial",
            Self::Staged => "staged",
            Self::ArmedOrStaged => "armed or staged",
            Self::Good => "good",
            Self::InBootOrder => "in the boot order (its priority is 0)",
            Self::Empty => "empty, as on a disk that is being provisioned",
        })
    }
}

impl fmt::Display for Incompatible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FormatVersion { found } => write!(f, "bundle format {found} is newer than this updater reads"),
            Self::RequiredFeatures { unknown } => {
                write!(f, "the bundle requires features {unknown:#x} that this updater does not have")
            }
            Self::UpdaterTooOld { needed: [major, minor, patch] } => {
                write!(f, "the bundle needs updater {major}.{minor}.{patch} or newer")
            }
        }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incompatible(kind) => kind.fmt(f),
            Self::Compatible => f.write_str("the bundle is for another compatible than this device's"),
            #[cfg(any(test, feature = "packs"))]
            Self::Pack => f.write_str("the bundle is a pack, which is merged over a running system, and no release"),
            #[cfg(any(test, feature = "packs"))]
            Self::NoPack => f.write_str("the bundle is a release, which goes into a slot, and no pack"),
            Self::Downgrade => f.write_str("the bundle's version is lower than the booted one"),
            Self::RollbackIndex { found, floor } => write!(f, "rollback index {found} is below the floor {floor}"),
            Self::FailedBefore { slot } => write!(f, "this image was tried before in slot {slot} and failed"),
            Self::BootedSlot { slot } => write!(f, "slot {slot} is the booted one"),
            Self::TrialRunning { slot } => write!(f, "slot {slot} is booted on trial and not yet marked good"),
            Self::LastGoodSlot { slot } => {
                write!(f, "no slot beside {slot} is good, so nothing would be left to fall back to")
            }
            Self::SlotState { slot, needed } => write!(f, "slot {slot} is not {needed}"),
            Self::NeverBooted { slot } => {
                write!(f, "slot {slot} does not run and has never completed a boot, so nobody knows whether it works")
            }
            Self::NothingStaged => f.write_str("no slot is staged"),
            Self::NoTarget => f.write_str("no other slot is fit for it"),
            Self::NoOldImage { root } => {
                let root = u64::from_be_bytes(*root);
                write!(f, "no other slot holds the old image {root:016x}.. that this delta bundle is made from")
            }
            Self::NoSuchSlot { slot } => write!(f, "the profile has no slot {slot}"),
        }
    }
}

impl core::error::Error for Incompatible {}
impl core::error::Error for Rejected {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Incompatible(kind) => Some(kind),
            _ => None,
        }
    }
}
