//! The functions of `libupdate.h`, which says what each of them does.
//!
//! # Safety
//! Of all of them: the header's contract, see [`crate::ffi`].
#![expect(clippy::missing_safety_doc, reason = "the header has one contract for all of them, which the module repeats")]

use core::ffi::{c_char, c_void};

use libupdate::gpt::Guid;
use libupdate::slot::{Duty, PartitionSpec};

use super::given;
use crate::abi;
use crate::chooser::{self, Board, Specs, Want};
use crate::disk::Disk;
use crate::status::{self, Answer, Fault, Wrong};

/// The number of this interface.
#[unsafe(no_mangle)]
pub extern "C" fn lu_abi() -> u32 {
    abi::ABI
}

/// What a number says.
#[unsafe(no_mangle)]
pub extern "C" fn lu_text(status: i32) -> *const c_char {
    status::text(status).as_ptr()
}

/// Bytes of memory that the functions of a boot loader's part take.
#[unsafe(no_mangle)]
pub extern "C" fn lu_chooser_memory() -> usize {
    chooser::MEMORY
}

/// Runs an act, and tells why it failed where the caller has room for that.
pub(super) unsafe fn answered(error: *mut abi::Failure, act: &mut dyn FnMut() -> Answer) -> i32 {
    let failure = if error.is_null() {
        None
    } else {
        // SAFETY: the contract.
        match unsafe { given::write(error) } {
            Ok(failure) => Some(failure),
            Err(_) => return Fault::Caller(Wrong::Argument).status(),
        }
    };
    match (act(), failure) {
        (Ok(status), _) => status,
        (Err(fault), None) => fault.status(),
        (Err(fault), Some(failure)) => {
            fault.tell(failure);
            fault.status()
        }
    }
}

/// The partitions of a board.
pub(super) unsafe fn specs<'c>(board: &abi::Board) -> Result<Specs<'c>, Wrong> {
    // SAFETY: the contract.
    let partitions = unsafe { given::array(board.partitions, board.partition_count, abi::PARTITIONS) }?;
    let mut specs = Specs::new();
    for partition in partitions {
        // SAFETY: the contract.
        let partition = unsafe { given::read::<abi::Partition>(partition) }?;
        if partition.reserved != [0; 2] || partition.control > 1 {
            return Err(Wrong::Argument);
        }
        let spec = PartitionSpec {
            slot: chooser::slot(partition.slot)?,
            // SAFETY: the contract.
            role: unsafe { given::text(partition.role) }?,
            // SAFETY: the contract.
            label: unsafe { given::text(partition.label) }?,
            type_guid: Guid::new(partition.type_guid),
            duty: if partition.control == 0 { Duty::Member } else { Duty::Control },
        };
        specs.push(spec).map_err(|_| Wrong::Argument)?;
    }
    if specs.is_empty() { Err(Wrong::Argument) } else { Ok(specs) }
}

/// What every function begins with.
unsafe fn with<'c>(
    (disk, board): (*const abi::Disk, *const abi::Board),
    (memory, len): (*mut c_void, usize),
    act: impl FnOnce(&mut Disk<'c>, &Board<'c>, &mut [u8]) -> Answer,
) -> Answer {
    // SAFETY: the contract.
    let (disk, board) = unsafe { (given::read(disk)?, given::read(board)?) };
    let mut disk = Disk::of(disk).ok_or(Wrong::Argument)?;
    // SAFETY: the contract.
    let board = Board::of(board, unsafe { specs(board) }?)?;
    // SAFETY: the contract.
    let memory = unsafe { given::memory(memory, len) }?;
    let scratch = chooser::scratch(&disk, memory)?;
    act(&mut disk, &board, scratch)
}

/// The slot that boots next. Writes nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lu_choose(
    disk: *const abi::Disk,
    board: *const abi::Board,
    memory: *mut c_void,
    len: usize,
    out: *mut abi::Boot,
    error: *mut abi::Failure,
) -> i32 {
    // SAFETY: the contract.
    unsafe {
        answered(error, &mut || {
            let out = given::write(out)?;
            *out = abi::Boot::NONE;
            with((disk, board), (memory, len), |disk, board, memory| {
                chooser::choose(disk, board, Want::Look, memory, out)
            })
        })
    }
}

/// The slot to boot now, with its try spent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lu_choose_and_spend(
    disk: *const abi::Disk,
    board: *const abi::Board,
    memory: *mut c_void,
    len: usize,
    out: *mut abi::Boot,
    error: *mut abi::Failure,
) -> i32 {
    // SAFETY: the contract.
    unsafe {
        answered(error, &mut || {
            let out = given::write(out)?;
            *out = abi::Boot::NONE;
            with((disk, board), (memory, len), |disk, board, memory| {
                chooser::choose(disk, board, Want::Boot, memory, out)
            })
        })
    }
}

/// Where a partition of a slot is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lu_place(
    disk: *const abi::Disk,
    board: *const abi::Board,
    slot: u8,
    role: *const c_char,
    memory: *mut c_void,
    len: usize,
    out: *mut abi::Place,
    error: *mut abi::Failure,
) -> i32 {
    // SAFETY: the contract.
    unsafe {
        answered(error, &mut || {
            let (out, asked) = (given::write(out)?, (chooser::slot(slot)?, given::text(role)?));
            with((disk, board), (memory, len), |disk, board, memory| chooser::place(disk, board, asked, memory, out))
        })
    }
}

/// The slot has completed a boot.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lu_mark_good(
    disk: *const abi::Disk,
    board: *const abi::Board,
    slot: u8,
    memory: *mut c_void,
    len: usize,
    error: *mut abi::Failure,
) -> i32 {
    // SAFETY: the contract.
    unsafe {
        answered(error, &mut || {
            let slot = chooser::slot(slot)?;
            with((disk, board), (memory, len), |disk, board, memory| chooser::mark_good(disk, board, slot, memory))
        })
    }
}

/// The slot, which is on trial, must not boot again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lu_mark_bad(
    disk: *const abi::Disk,
    board: *const abi::Board,
    slot: u8,
    memory: *mut c_void,
    len: usize,
    error: *mut abi::Failure,
) -> i32 {
    // SAFETY: the contract.
    unsafe {
        answered(error, &mut || {
            let slot = chooser::slot(slot)?;
            with((disk, board), (memory, len), |disk, board, memory| chooser::mark_bad(disk, board, slot, memory))
        })
    }
}

/// Both copies of the table valid and equal.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lu_repair(
    disk: *const abi::Disk,
    memory: *mut c_void,
    len: usize,
    error: *mut abi::Failure,
) -> i32 {
    // SAFETY: the contract.
    unsafe {
        answered(error, &mut || {
            let mut disk = Disk::of(given::read(disk)?).ok_or(Wrong::Argument)?;
            let memory = given::memory(memory, len)?;
            let scratch = chooser::scratch(&disk, memory)?;
            chooser::repair(&mut disk, scratch)
        })
    }
}
