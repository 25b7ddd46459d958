//! The ioctls of device-mapper, of partition tables, of eMMC and of the Raspberry Pi's firmware, which have no safe form in a library. All
//! `unsafe` of this crate is here, and in `hasher/sha_ni.rs`.
#![expect(unsafe_code, reason = "each block says why it holds")]

use std::fs::File;

use rustix::io::Errno;
use rustix::ioctl::{NoArg, Opcode, Setter, Updater, ioctl, opcode};

#[cfg(feature = "boot-loaders")]
pub mod boot_loader;

/// Bytes of a device-mapper message: its head, a table line, or a status.
pub const DM_BYTES: usize = 4096;
/// Bytes of the head, `struct dm_ioctl` of linux/dm-ioctl.h, which is what the ioctl's number holds.
pub const DM_HEAD: usize = 312;

/// An act of device-mapper.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DmAct {
    /// Makes a device without a table.
    Create,
    /// Takes it away.
    Remove,
    /// Makes the loaded table live.
    Resume,
    /// Loads a table.
    Load,
    /// Asks how the table fares.
    Status,
}

const fn dm(number: u8) -> Opcode {
    opcode::read_write::<[u8; DM_HEAD]>(0xfd, number)
}

const DM_CREATE: Opcode = dm(3);
const DM_REMOVE: Opcode = dm(4);
const DM_SUSPEND: Opcode = dm(6);
const DM_LOAD: Opcode = dm(9);
const DM_STATUS: Opcode = dm(12);
const REREAD: Opcode = opcode::none(0x12, 95);
const PARTITION: Opcode = opcode::none(0x12, 105);

/// Sends a message to `/dev/mapper/control`; the answer replaces it.
///
/// # Errors
/// What the kernel says.
pub fn device_mapper(control: &File, act: DmAct, message: &mut [u8; DM_BYTES]) -> Result<(), Errno> {
    match act {
        DmAct::Create => dm_call::<DM_CREATE>(control, message),
        DmAct::Remove => dm_call::<DM_REMOVE>(control, message),
        DmAct::Resume => dm_call::<DM_SUSPEND>(control, message),
        DmAct::Load => dm_call::<DM_LOAD>(control, message),
        DmAct::Status => dm_call::<DM_STATUS>(control, message),
    }
}

fn dm_call<const ACT: Opcode>(control: &File, message: &mut [u8; DM_BYTES]) -> Result<(), Errno> {
    // The kernel reads and writes as many bytes as the head's second field says, at most.
    message[12..16].copy_from_slice(&4096_u32.to_ne_bytes());
    // SAFETY: the five numbers are those of linux/dm-ioctl.h, each of which takes a pointer to a buffer that begins with a
    // `dm_ioctl`; its `data_size`, set right above, is the length of the array, which the exclusive reference keeps valid.
    unsafe { ioctl(control, Updater::<ACT, _>::new(message)) }
}

/// Has the kernel read the partition table of a disk anew.
///
/// # Errors
/// What the kernel says, as where a partition is in use.
pub fn reread_table(disk: &File) -> Result<(), Errno> {
    // SAFETY: BLKRRPART of linux/fs.h takes no argument.
    unsafe { ioctl(disk, NoArg::<REREAD>::new()) }
}

/// `struct blkpg_partition` of linux/blkpg.h.
#[repr(C)]
struct BlkpgPartition {
    start: i64,
    length: i64,
    number: i32,
    names: [u8; 128],
}

/// `struct blkpg_ioctl_arg`.
#[repr(C)]
struct BlkpgArgument {
    act: i32,
    flags: i32,
    length: i32,
    data: *mut BlkpgPartition,
}

/// What is done to the kernel's idea of a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PartitionAct {
    /// It is made.
    Add,
    /// It is taken away.
    Delete,
}

/// A place on the disk in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// First byte.
    pub start: i64,
    /// Bytes.
    pub length: i64,
}

/// Makes a partition known to the kernel, or forgotten.
///
/// # Errors
/// What the kernel says, as where the number is taken, or the partition in use.
pub fn partition(disk: &File, act: PartitionAct, number: i32, place: Place) -> Result<(), Errno> {
    let Place { start, length } = place;
    let mut data = BlkpgPartition { start, length, number, names: [0; 128] };
    let act = match act {
        PartitionAct::Add => 1,
        PartitionAct::Delete => 2,
    };
    let length = i32::try_from(size_of::<BlkpgPartition>()).map_err(|_| Errno::INVAL)?;
    let argument = BlkpgArgument { act, flags: 0, length, data: &raw mut data };
    // SAFETY: BLKPG of linux/blkpg.h takes a pointer to a `blkpg_ioctl_arg`; the two structs have its fields in C's layout, `data`
    // lives until the call returns, and the kernel only reads both.
    unsafe { ioctl(disk, Setter::<PARTITION, _>::new(argument)) }
}
