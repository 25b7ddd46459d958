//! A board, as values that are judged.

use libupdate::SlotId;
use libupdate::boot::Guard;
use libupdate::gpt::{Attributes, Guid, TriesLeft};
use libupdate::slot::{Duty, PartitionSpec};

use crate::find::Selection;

use super::boot::Boot;
use super::loader::BootLoader;
use super::size::Size;
use super::trust::Trust;

/// Who merges packs over a running system.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "profile", derive(serde::Deserialize))]
#[cfg_attr(feature = "profile", serde(rename_all = "kebab-case"))]
pub enum Merge {
    /// systemd-sysext where systemd runs and has it, else the updater.
    #[default]
    Auto,
    /// The updater.
    Own,
}

/// A board.
///
/// # Invariants
/// At least two slots; each has the same roles, one of them the control partition; labels are distinct.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// What a bundle must be made for.
    pub compatible: String,
    /// Which disk it is.
    pub disk: Selection,
    /// The slots, in order.
    pub slots: Vec<SlotId>,
    /// Boots that a new slot gets.
    pub tries: TriesLeft,
    /// Whether boots of a good slot are counted.
    pub guard: Guard,
    /// The slots' partitions.
    pub partitions: Vec<SlotPartition>,
    /// Every partition of the disk, in table order.
    pub layout: Vec<Planned>,
    /// The trust anchors.
    pub trust: Trust,
    /// Who merges packs.
    pub merge: Merge,
    /// What happens at boot.
    pub boot: Boot,
    /// The boot loader, if it chooses the slot by itself.
    pub loader: Option<BootLoader>,
    /// Role of the payload that goes to the boot partitions of the eMMC, too.
    pub emmc_boot: Option<String>,
}

/// A partition of a slot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlotPartition {
    /// The slot.
    pub slot: SlotId,
    /// What it holds.
    pub role: String,
    /// Its name in the table.
    pub label: String,
    /// Its type.
    pub type_guid: Guid,
    /// Whether its entry carries the slot's bits.
    pub duty: Duty,
}

/// A partition that `provision` makes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Planned {
    /// Its name in the table.
    pub label: String,
    /// Its type.
    pub type_guid: Guid,
    /// How large it is made.
    pub size: Size,
    /// Its attribute bits, slot bits not among them.
    pub attributes: Attributes,
    /// Slot and role, where it belongs to a slot.
    pub slot: Option<(SlotId, String)>,
}

impl Profile {
    /// The slots' partitions, as the core looks for them.
    pub fn specs(&self) -> Vec<PartitionSpec<'_>> {
        self.partitions.iter().map(SlotPartition::spec).collect()
    }

    /// The roles of a slot, in table order.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.partitions.iter().filter(|one| one.slot == SlotId::A).map(|one| one.role.as_str())
    }
}

impl SlotPartition {
    /// The partition, as the core looks for it.
    #[must_use]
    pub fn spec(&self) -> PartitionSpec<'_> {
        let Self { slot, role, label, type_guid, duty } = self;
        PartitionSpec { slot: *slot, role, label, type_guid: *type_guid, duty: *duty }
    }
}
