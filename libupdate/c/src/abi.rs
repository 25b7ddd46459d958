//! The structs of `libupdate.h`, field by field, and the proof that both sides lay them out alike: the header asserts the same sizes
//! and places. `P` is the size of a pointer.
//!
//! Each struct begins with its size in bytes, as the caller's compiler knows it. A size that is not this one is refused.

use core::ffi::{c_char, c_void};
use core::mem::{offset_of, size_of};

#[cfg(feature = "full")]
mod full;

#[cfg(feature = "full")]
pub use full::*;

/// What `lu_abi` gives.
pub const ABI: u32 = 1;
/// No slot: what a struct of zeros says.
pub const NO_SLOT: u8 = 0;
/// Bytes of the text of an error, with its end.
pub const TEXT_BYTES: usize = 160;
/// Partitions of one board.
pub const PARTITIONS: usize = 32;

/// Reads blocks.
pub type ReadBlocks = unsafe extern "C" fn(context: *mut c_void, lba: u64, blocks: u32, to: *mut c_void) -> i32;
/// Writes blocks.
pub type WriteBlocks = unsafe extern "C" fn(context: *mut c_void, lba: u64, blocks: u32, from: *const c_void) -> i32;
/// Makes every earlier write durable.
pub type Flush = unsafe extern "C" fn(context: *mut c_void) -> i32;

/// `struct lu_disk`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Disk {
    /// Bytes of this struct.
    pub size: u32,
    /// Bytes of a logical block: 512 or 4096.
    pub block_size: u32,
    /// Logical blocks.
    pub block_count: u64,
    /// Bytes that the disk writes at once; 0 for those of a logical block.
    pub physical_block_size: u32,
    /// 0.
    pub reserved: u32,
    /// The caller's.
    pub context: *mut c_void,
    /// Reads.
    pub read: Option<ReadBlocks>,
    /// Writes.
    pub write: Option<WriteBlocks>,
    /// Flushes. A disk without one is refused.
    pub flush: Option<Flush>,
}

/// `struct lu_partition`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Partition {
    /// Bytes of this struct.
    pub size: u32,
    /// The slot's number, 1 for `a`.
    pub slot: u8,
    /// Not 0: the entry carries the slot's bits.
    pub control: u8,
    /// 0.
    pub reserved: [u8; 2],
    /// Its type, as it is on the disk.
    pub type_guid: [u8; 16],
    /// What it holds.
    pub role: *const c_char,
    /// Its name in the table.
    pub label: *const c_char,
}

/// `struct lu_key`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// `SubjectPublicKeyInfo`, DER.
    pub der: *const u8,
    /// Its bytes.
    pub len: usize,
}

/// `struct lu_board`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Board {
    /// Bytes of this struct.
    pub size: u32,
    /// Tries of a slot that is armed, 1 to 15.
    pub tries: u8,
    /// Unconfirmed boots of a good slot, 0 to 15; 0 counts none.
    pub guard: u8,
    /// The slot that runs, or `NO_SLOT`.
    pub booted: u8,
    /// 0.
    pub reserved: u8,
    /// The partitions of its slots.
    pub partitions: *const Partition,
    /// Their number.
    pub partition_count: usize,
    /// The board's name, which a bundle must have.
    pub compatible: *const c_char,
    /// Keys that it trusts.
    pub keys: *const Key,
    /// Their number.
    pub key_count: usize,
    /// How many of them have to sign; 0 is 1.
    pub threshold: usize,
}

/// `struct lu_boot`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Boot {
    /// Bytes of this struct.
    pub size: u32,
    /// The slot.
    pub slot: u8,
    /// How it boots: the numbers of `enum lu_kind`.
    pub kind: u8,
    /// Tries left once this boot's is spent.
    pub tries_left: u8,
    /// Not 0: a copy of the table is damaged.
    pub needs_repair: u8,
}

impl Boot {
    /// No slot boots.
    pub const NONE: Self = Self { size: BOOT_SIZE, slot: NO_SLOT, kind: 0, tries_left: 0, needs_repair: 0 };
}

/// `struct lu_place`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Bytes of this struct.
    pub size: u32,
    /// Its number in the table, from 1.
    pub entry: u32,
    /// Its first logical block.
    pub first_lba: u64,
    /// Logical blocks.
    pub blocks: u64,
}

/// `struct lu_error`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// Bytes of this struct.
    pub size: u32,
    /// The number that the function gave.
    pub status: i32,
    /// What the callback gave, if one failed.
    pub cause: i32,
    /// 0.
    pub reserved: u32,
    /// One sentence, ended by a zero.
    pub text: [u8; TEXT_BYTES],
}

/// Bytes of `struct lu_boot`.
pub const BOOT_SIZE: u32 = 8;

const P: usize = size_of::<*const u8>();
const _: () = {
    assert!(offset_of!(Disk, block_count) == 8 && offset_of!(Disk, physical_block_size) == 16);
    assert!(
        offset_of!(Disk, context) == 24 && offset_of!(Disk, read) == 24 + P && offset_of!(Disk, flush) == 24 + 3 * P
    );
    assert!(size_of::<Disk>() == 24 + 4 * P);
    assert!(offset_of!(Partition, type_guid) == 8 && offset_of!(Partition, role) == 24);
    assert!(offset_of!(Partition, label) == 24 + P && size_of::<Partition>() == 24 + 2 * P);
    assert!(size_of::<Key>() == 2 * P && offset_of!(Key, len) == P);
    assert!(offset_of!(Board, booted) == 6 && offset_of!(Board, partitions) == 8);
    assert!(offset_of!(Board, compatible) == 8 + 2 * P && offset_of!(Board, keys) == 8 + 3 * P);
    assert!(offset_of!(Board, threshold) == 8 + 5 * P && size_of::<Board>() == 8 + 6 * P);
    assert!(BOOT_SIZE == 8 && size_of::<Boot>() == 8 && offset_of!(Boot, needs_repair) == 7);
    assert!(size_of::<Place>() == 24 && offset_of!(Place, first_lba) == 8);
    assert!(size_of::<Failure>() == 16 + TEXT_BYTES && offset_of!(Failure, text) == 16);
};
