//! Calls that have no safe form in a library: the ioctls of device-mapper, of loop devices, of partition tables, of eMMC and of the Raspberry Pi's firmware, and
//! a process's own mounts. All `unsafe` of this crate is here, and in `hasher/sha_ni.rs`.
#![expect(unsafe_code, reason = "each block says why it holds")]

use std::fs::File;

use rustix::io::Errno;
#[cfg(feature = "live")]
use rustix::ioctl::{Ioctl, IoctlOutput};
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

/// Gives this thread, and what it executes, mounts of its own.
///
/// # Errors
/// What the kernel says.
#[cfg(feature = "live")]
pub fn own_mounts() -> Result<(), Errno> {
    // SAFETY: descriptors and memory stay shared as they are: CLONE_NEWNS changes only how this thread looks paths up.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }
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

/// `struct loop_info64` of linux/loop.h.
#[cfg(feature = "live")]
#[repr(C)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config`.
#[cfg(feature = "live")]
#[repr(C)]
struct LoopConfig {
    file: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// `LO_FLAGS_READ_ONLY` and `LO_FLAGS_AUTOCLEAR`.
#[cfg(feature = "live")]
const LOOP_FLAGS: u32 = 1 | 4;
#[cfg(feature = "live")]
const LOOP_CONFIGURE: Opcode = opcode::none(b'L', 0x0a);
#[cfg(feature = "live")]
const LOOP_FREE: Opcode = opcode::none(b'L', 0x82);

/// A call without an argument whose answer is a number.
#[cfg(feature = "live")]
struct FreeLoop;

// SAFETY: LOOP_CTL_GET_FREE of linux/loop.h takes no argument, and gives a number that is not negative, or an error.
#[cfg(feature = "live")]
unsafe impl Ioctl for FreeLoop {
    type Output = u32;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        LOOP_FREE
    }

    fn as_ptr(&mut self) -> *mut rustix::ffi::c_void {
        core::ptr::null_mut()
    }

    unsafe fn output_from_ptr(out: IoctlOutput, _: *mut rustix::ffi::c_void) -> Result<u32, Errno> {
        u32::try_from(out).map_err(|_| Errno::INVAL)
    }
}

/// The number of a loop device that nobody uses; it is made if there is none.
///
/// # Errors
/// What the kernel says.
#[cfg(feature = "live")]
pub fn free_loop(control: &File) -> Result<u32, Errno> {
    // SAFETY: see `FreeLoop`.
    unsafe { ioctl(control, FreeLoop) }
}

/// Puts a file behind a loop device that nobody uses, read-only, with blocks of `block_size`; the device is free again with its last user.
///
/// # Errors
/// What the kernel says: `EBUSY` if somebody else was quicker. Linux 5.8 or later has the call.
#[cfg(feature = "live")]
pub fn configure_loop(device: &File, file: &File, block_size: u32) -> Result<(), Errno> {
    use std::os::fd::AsRawFd as _;
    let info = LoopInfo {
        device: 0,
        inode: 0,
        rdevice: 0,
        offset: 0,
        limit: 0,
        number: 0,
        encrypt_type: 0,
        encrypt_key_size: 0,
        flags: LOOP_FLAGS,
        name: [0; 64],
        crypt_name: [0; 64],
        encrypt_key: [0; 32],
        init: [0; 2],
    };
    let file = u32::try_from(file.as_raw_fd()).map_err(|_| Errno::BADF)?;
    let config = LoopConfig { file, block_size, info, reserved: [0; 8] };
    // SAFETY: LOOP_CONFIGURE of linux/loop.h takes a pointer to a `loop_config`, whose fields in C's layout these are, and only reads it.
    unsafe { ioctl(device, Setter::<LOOP_CONFIGURE, _>::new(config)) }
}

#[cfg(feature = "live")]
const _: () = assert!(size_of::<LoopInfo>() == 232 && size_of::<LoopConfig>() == 304, "the sizes of linux/loop.h");
