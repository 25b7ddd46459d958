//! What the part with keys has besides.

use core::ffi::{c_char, c_void};
use core::mem::{offset_of, size_of};

/// Reads up to `len` bytes of the bundle; `*got` is 0 at its end.
pub type ReadBytes = unsafe extern "C" fn(context: *mut c_void, to: *mut c_void, len: usize, got: *mut usize) -> i32;
/// Leaves out bytes of the bundle.
pub type Skip = unsafe extern "C" fn(context: *mut c_void, bytes: u64) -> i32;
/// Hears of progress; what is not 0 stops the act.
pub type Progress = unsafe extern "C" fn(context: *mut c_void, phase: u32, done: u64, total: u64) -> i32;
/// Hears one thing.
pub type Say = unsafe extern "C" fn(context: *mut c_void, news: u32, slot: u8, text: *const c_char);
/// Starts a slot, or makes ready all that can fail in it.
pub type Start = unsafe extern "C" fn(context: *mut c_void, sound: *mut c_void, boot: *const super::Boot) -> i32;

/// Bytes of a version, with its end.
pub const VERSION_BYTES: usize = 72;

/// `struct lu_source`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Bytes of this struct.
    pub size: u32,
    /// 0.
    pub reserved: u32,
    /// The caller's.
    pub context: *mut c_void,
    /// Reads.
    pub read: Option<ReadBytes>,
    /// Seeks forward, if it can.
    pub skip: Option<Skip>,
}

/// `struct lu_listener`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    /// Bytes of this struct.
    pub size: u32,
    /// 0.
    pub reserved: u32,
    /// The caller's.
    pub context: *mut c_void,
    /// Progress.
    pub progress: Option<Progress>,
    /// News.
    pub say: Option<Say>,
}

/// `struct lu_request`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Bytes of this struct.
    pub size: u32,
    /// The slot to write, or `NO_SLOT`.
    pub slot: u8,
    /// `enum lu_flag`.
    pub flags: u8,
    /// 0.
    pub reserved: [u8; 2],
    /// Seconds in which a person confirms the trial; 0 asks nobody.
    pub confirm_within: u32,
}

/// `struct lu_installed`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Installed {
    /// Bytes of this struct.
    pub size: u32,
    /// The slot.
    pub slot: u8,
    /// `enum lu_ending`.
    pub ending: u8,
    /// 0.
    pub reserved: [u8; 2],
    /// Bytes that were in the slot already.
    pub kept: u64,
    /// Bytes of all images.
    pub total: u64,
    /// The version, ended by a zero.
    pub version: [u8; VERSION_BYTES],
}

/// `struct lu_slot_status`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SlotStatus {
    /// Bytes of this struct.
    pub size: u32,
    /// The slot, or `NO_SLOT` where the board has no more.
    pub slot: u8,
    /// `enum lu_state`.
    pub state: u8,
    /// Its priority.
    pub priority: u8,
    /// Its tries.
    pub tries_left: u8,
    /// Its rollback index.
    pub rollback_index: u64,
    /// Its version, ended by a zero.
    pub version: [u8; VERSION_BYTES],
}

/// `struct lu_rules`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Bytes of this struct.
    pub size: u32,
    /// The slot that who started this has chosen, and spent a try of; or `NO_SLOT`.
    pub named: u8,
    /// 1: a trial is good as soon as it starts.
    pub mark_good: u8,
    /// 1: if no slot boots, every block of each is read, and the first that is right starts.
    pub last_resort: u8,
    /// 0.
    pub reserved: u8,
}

/// `struct lu_starter`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Starter {
    /// Bytes of this struct.
    pub size: u32,
    /// 0.
    pub reserved: u32,
    /// The caller's.
    pub context: *mut c_void,
    /// Starts.
    pub start: Option<Start>,
}

const P: usize = size_of::<*const u8>();
const _: () = {
    assert!(
        offset_of!(Source, context) == 8 && offset_of!(Source, skip) == 8 + 2 * P && size_of::<Source>() == 8 + 3 * P
    );
    assert!(offset_of!(Listener, say) == 8 + 2 * P && size_of::<Listener>() == 8 + 3 * P);
    assert!(offset_of!(Request, confirm_within) == 8 && size_of::<Request>() == 12);
    assert!(offset_of!(Installed, kept) == 8 && offset_of!(Installed, version) == 24 && size_of::<Installed>() == 96);
    assert!(offset_of!(SlotStatus, rollback_index) == 8 && offset_of!(SlotStatus, version) == 16);
    assert!(size_of::<SlotStatus>() == 88 && size_of::<Rules>() == 8 && offset_of!(Rules, last_resort) == 6);
    assert!(offset_of!(Starter, start) == 8 + P && size_of::<Starter>() == 8 + 2 * P);
};
