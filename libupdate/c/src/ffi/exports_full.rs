//! The functions of `libupdate.h` for firmware that has keys.
//!
//! # Safety
//! Of all of them: the header's contract, see [`crate::ffi`].
#![expect(clippy::missing_safety_doc, reason = "the header has one contract for all of them, which the module repeats")]

use core::ffi::{c_char, c_void};

use heapless::Vec;
use libupdate::units::limits::ANCHORS;

use super::exports::{answered, specs};
use super::{calls, given};
use crate::abi;
use crate::chooser::{self, Board};
use crate::disk::Disk;
use crate::full::{self, Hearer, Loader, Open, Source};
use crate::status::{Answer, Wrong};

/// Bytes of one key's DER form, at most.
const KEY_BYTES: usize = 256;

/// Where the disk, the board and the memory of a call are.
struct Given {
    disk: *const abi::Disk,
    board: *const abi::Board,
    memory: *mut c_void,
    len: usize,
}

/// What every function begins with.
unsafe fn with(given: &Given, act: impl FnOnce(&mut Open<'_, '_>) -> Answer) -> Answer {
    // SAFETY: the contract.
    let (disk, raw) = unsafe { (given::read(given.disk)?, given::read::<abi::Board>(given.board)?) };
    let mut disk = Disk::of(disk).ok_or(Wrong::Argument)?;
    // SAFETY: the contract.
    let board = Board::of(raw, unsafe { specs(raw) }?)?;
    // SAFETY: the contract.
    let (compatible, keys) = unsafe { (given::text(raw.compatible)?, given::array(raw.keys, raw.key_count, ANCHORS)?) };
    let mut trusted = Vec::<&[u8], ANCHORS>::new();
    for key in keys {
        // SAFETY: the contract.
        trusted.push(unsafe { given::array(key.der, key.len, KEY_BYTES) }?).map_err(|_| Wrong::Argument)?;
    }
    // SAFETY: the contract.
    let memory = unsafe { given::memory(given.memory, given.len) }?;
    let mut open = Open::new(&mut disk, &board, (raw, compatible, &trusted), memory)?;
    act(&mut open)
}

/// Whoever hears of an act; null is nobody.
unsafe fn hearer<'c>(listener: *const abi::Listener) -> Result<Hearer<'c>, Wrong> {
    // SAFETY: the contract.
    let raw = if listener.is_null() { None } else { Some(unsafe { given::read(listener) }?) };
    Ok(Hearer(calls::Listener(raw)))
}

/// Bytes of memory that the functions of the part with keys take.
#[unsafe(no_mangle)]
pub extern "C" fn lu_full_memory() -> usize {
    full::MEMORY
}

/// The whole installation of a bundle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lu_install(
    disk: *const abi::Disk,
    board: *const abi::Board,
    source: *const abi::Source,
    request: *const abi::Request,
    listener: *const abi::Listener,
    memory: *mut c_void,
    len: usize,
    out: *mut abi::Installed,
    error: *mut abi::Failure,
) -> i32 {
    // SAFETY: the contract.
    unsafe {
        answered(error, &mut || {
            let (out, request, hearer) = (given::write(out)?, given::read(request)?, hearer(listener)?);
            let mut source = Source(calls::Source::of(given::read(source)?).ok_or(Wrong::Argument)?);
            with(&Given { disk, board, memory, len }, |open| full::install(open, &mut source, request, hearer, out))
        })
    }
}

/// A payload of a slot in memory, authentic and checked.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lu_verify(
    disk: *const abi::Disk,
    board: *const abi::Board,
    slot: u8,
    role: *const c_char,
    memory: *mut c_void,
    len: usize,
    to: *mut c_void,
    to_len: usize,
    image_len: *mut usize,
    error: *mut abi::Failure,
) -> i32 {
    // SAFETY: the contract.
    unsafe {
        answered(error, &mut || {
            let to = given::bytes(to, to_len, (memory.addr(), len))?;
            let asked = (chooser::slot(slot)?, given::text(role)?);
            let image_len = given::number(image_len)?;
            with(&Given { disk, board, memory, len }, |open| full::verify(open, asked, to, image_len))
        })
    }
}

/// The whole boot.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lu_boot(
    disk: *const abi::Disk,
    board: *const abi::Board,
    rules: *const abi::Rules,
    starter: *const abi::Starter,
    listener: *const abi::Listener,
    memory: *mut c_void,
    len: usize,
    out: *mut abi::Boot,
    error: *mut abi::Failure,
) -> i32 {
    // SAFETY: the contract.
    unsafe {
        answered(error, &mut || {
            let (out, rules, hearer) = (given::write(out)?, given::read(rules)?, hearer(listener)?);
            *out = abi::Boot::NONE;
            let starter = calls::Starter::of(given::read(starter)?).ok_or(Wrong::Argument)?;
            let lent = (memory.addr(), len);
            with(&Given { disk, board, memory, len }, |open| full::boot(open, rules, (starter, lent), hearer, out))
        })
    }
}

/// Bytes of memory that `lu_load` takes for a payload; 0 if the slot has none of this role.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lu_load_memory(sound: *const c_void, role: *const c_char) -> usize {
    if sound.is_null() {
        return 0;
    }
    // SAFETY: the contract: `sound` is what the start callback was called with, which has not returned.
    let loader = unsafe { &*sound.cast::<Loader<'_>>() };
    // SAFETY: the contract.
    let role = unsafe { given::text(role) };
    role.ok().and_then(|role| loader.bytes(role)).unwrap_or(0)
}

/// Reads a payload of the slot that starts into memory, and checks it there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lu_load(
    sound: *mut c_void,
    role: *const c_char,
    to: *mut c_void,
    len: usize,
    image_len: *mut usize,
    error: *mut abi::Failure,
) -> i32 {
    // SAFETY: the contract.
    unsafe {
        answered(error, &mut || {
            if sound.is_null() {
                return Err(Wrong::Argument.into());
            }
            // `sound` is what the start callback was called with, which has not returned.
            let loader = &mut *sound.cast::<Loader<'_>>();
            loader.begin();
            let to = given::bytes(to, len, loader.memory())?;
            loader.load(given::text(role)?, to, given::number(image_len)?)
        })
    }
}

/// What every slot is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lu_status(
    disk: *const abi::Disk,
    board: *const abi::Board,
    memory: *mut c_void,
    len: usize,
    slots: *mut abi::SlotStatus,
    count: usize,
    error: *mut abi::Failure,
) -> i32 {
    // SAFETY: the contract.
    unsafe {
        answered(error, &mut || {
            let slots = given::structs(slots, count, libupdate::units::limits::SLOTS)?;
            with(&Given { disk, board, memory, len }, |open| full::status(open, slots))
        })
    }
}

/// The booted slot works.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lu_confirm(
    disk: *const abi::Disk,
    board: *const abi::Board,
    slot: u8,
    listener: *const abi::Listener,
    memory: *mut c_void,
    len: usize,
    error: *mut abi::Failure,
) -> i32 {
    // SAFETY: the contract.
    unsafe {
        answered(error, &mut || {
            let (slot, hearer) = (chooser::slot(slot)?, hearer(listener)?);
            with(&Given { disk, board, memory, len }, |open| full::confirm(open, slot, hearer))
        })
    }
}

/// The slot must not boot again, and says why.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lu_reject(
    disk: *const abi::Disk,
    board: *const abi::Board,
    slot: u8,
    why: *const c_char,
    listener: *const abi::Listener,
    memory: *mut c_void,
    len: usize,
    error: *mut abi::Failure,
) -> i32 {
    // SAFETY: the contract.
    unsafe {
        answered(error, &mut || {
            let (slot, why, hearer) = (chooser::slot(slot)?, given::words(why), hearer(listener)?);
            with(&Given { disk, board, memory, len }, |open| full::fail(open, slot, why, hearer))
        })
    }
}
