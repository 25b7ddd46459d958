//! The profile of this board, as constants: two slots of one partition each.

use libupdate::gpt::{Guid, TriesLeft};
use libupdate::slot::{Duty, PartitionSpec};
use libupdate::{SlotId, guid};

/// The string that a bundle must name.
pub const COMPATIBLE: &str = "mps2-an386";
/// The disk image, in the folder of the emulator.
pub const DISK: &core::ffi::CStr = c"disk.img";
/// The bundle to install.
pub const BUNDLE: &core::ffi::CStr = c"bundle";
/// The public key, SubjectPublicKeyInfo in DER. A device would have it in flash.
pub const TRUST: &core::ffi::CStr = c"trust.der";

/// "Linux filesystem data".
const LINUX_DATA: Guid = guid!("0fc63daf-8483-4772-8e79-3d69d8477de4");

/// The partitions.
pub const PARTITIONS: [PartitionSpec<'static>; 2] = [root(SlotId::A, "root-a"), root(SlotId::B, "root-b")];

const fn root(slot: SlotId, label: &'static str) -> PartitionSpec<'static> {
    PartitionSpec { slot, role: "root", label, type_guid: LINUX_DATA, duty: Duty::Control }
}

/// Tries of a new slot, and unconfirmed boots of a good one before all of it is checked.
pub const TRIES: TriesLeft = match TriesLeft::new(3) {
    Some(tries) => tries,
    None => TriesLeft::MAX,
};
