//! What C gave, as references and values that were checked.

use core::ffi::{CStr, c_char, c_void};
use core::mem::size_of;
#[cfg(feature = "full")]
use core::mem::{MaybeUninit, align_of};

use crate::abi;
use crate::status::Wrong;

/// Bytes of a text, at most: the longest name of a partition has 36 characters, and a compatible 64 bytes.
const TEXT_BYTES: usize = 256;

/// A struct that begins with a `u32`, its size.
pub(crate) trait Struct {}

macro_rules! structs {
    ($($name:ty),+ $(,)?) => { $(impl Struct for $name {})+ };
}
#[cfg(feature = "full")]
structs!(abi::Source, abi::Request, abi::Listener, abi::Installed, abi::SlotStatus, abi::Rules, abi::Starter);
structs!(abi::Disk, abi::Partition, abi::Board, abi::Boot, abi::Place, abi::Failure);

/// Whether the caller's compiler gave the struct the size that it has here.
///
/// # Safety
/// `pointer` is aligned for T and points to a struct that begins with its size.
unsafe fn fits<T: Struct>(pointer: *const T) -> Result<(), Wrong> {
    // SAFETY: the first field is a `u32`, and there whatever the size of the struct is.
    let size = unsafe { pointer.cast::<u32>().read() };
    if usize::try_from(size) == Ok(size_of::<T>()) { Ok(()) } else { Err(Wrong::Argument) }
}

fn placed<T>(pointer: *const T) -> Result<(), Wrong> {
    if !pointer.is_null() && pointer.is_aligned() { Ok(()) } else { Err(Wrong::Argument) }
}

/// A struct to read.
///
/// # Safety
/// The header's contract.
pub(crate) unsafe fn read<'c, T: Struct>(pointer: *const T) -> Result<&'c T, Wrong> {
    placed(pointer)?;
    // SAFETY: not null and aligned, and by the contract a struct.
    unsafe { fits(pointer) }?;
    // SAFETY: as above, and it is as large as T.
    Ok(unsafe { &*pointer })
}

/// A struct to fill.
///
/// # Safety
/// The header's contract.
pub(crate) unsafe fn write<'c, T: Struct>(pointer: *mut T) -> Result<&'c mut T, Wrong> {
    placed(pointer)?;
    // SAFETY: as in `read`.
    unsafe { fits(pointer) }?;
    // SAFETY: as in `read`; nobody else uses it during the call.
    Ok(unsafe { &mut *pointer })
}

/// `count` values, at most `most`. None of them with a null pointer is an empty array.
///
/// # Safety
/// The header's contract: `pointer` has `count` values.
pub(crate) unsafe fn array<'c, T>(pointer: *const T, count: usize, most: usize) -> Result<&'c [T], Wrong> {
    if count == 0 {
        return Ok(&[]);
    }
    placed(pointer)?;
    if count > most {
        return Err(Wrong::Argument);
    }
    // SAFETY: not null, aligned, and by the contract as long as `count` says, which is small.
    Ok(unsafe { core::slice::from_raw_parts(pointer, count) })
}

/// `count` structs to fill, at most `most`.
///
/// # Safety
/// The header's contract: `pointer` has `count` structs, each with its size in it.
#[cfg(feature = "full")]
pub(crate) unsafe fn structs<'c, T: Struct>(pointer: *mut T, count: usize, most: usize) -> Result<&'c mut [T], Wrong> {
    if count == 0 {
        return Ok(&mut []);
    }
    placed(pointer)?;
    if count > most {
        return Err(Wrong::Argument);
    }
    for at in 0..count {
        // SAFETY: the structs before this one have the size of T, so that this one begins here.
        unsafe { fits(pointer.wrapping_add(at)) }?;
    }
    // SAFETY: not null, aligned, `count` structs of T's size, and nobody else uses them during the call.
    Ok(unsafe { core::slice::from_raw_parts_mut(pointer, count) })
}

/// Text that ends with a zero within 256 bytes, UTF-8.
///
/// # Safety
/// The header's contract: `pointer` is text that ends with a zero.
pub(crate) unsafe fn text<'c>(pointer: *const c_char) -> Result<&'c str, Wrong> {
    placed(pointer)?;
    for len in 0..TEXT_BYTES {
        // SAFETY: no byte before this one was the zero, so that this one is part of the text.
        if unsafe { *pointer.wrapping_add(len) } == 0 {
            // SAFETY: `len` bytes and the zero were just read.
            let bytes = unsafe { core::slice::from_raw_parts(pointer.cast::<u8>(), len.saturating_add(1)) };
            return CStr::from_bytes_with_nul(bytes).ok().and_then(|text| text.to_str().ok()).ok_or(Wrong::Argument);
        }
    }
    Err(Wrong::Argument)
}

/// A number to fill.
///
/// # Safety
/// The header's contract.
#[cfg(feature = "full")]
pub(crate) unsafe fn number<'c>(pointer: *mut usize) -> Result<&'c mut usize, Wrong> {
    placed(pointer)?;
    // SAFETY: not null and aligned, and by the contract a number that is the call's alone.
    Ok(unsafe { &mut *pointer })
}

/// The caller's memory as it is, which an image is read into. It must have nothing in common with `other`, another piece of memory that
/// the call was given.
///
/// # Safety
/// The header's contract: `len` bytes from `pointer` on are the call's alone.
#[cfg(feature = "full")]
pub(crate) unsafe fn bytes<'c>(pointer: *mut c_void, len: usize, other: (usize, usize)) -> Result<&'c mut [u8], Wrong> {
    let (at, (start, length)) = (pointer.addr(), other);
    if pointer.is_null() || isize::try_from(len).is_err() {
        return Err(Wrong::Memory);
    }
    if at < start.saturating_add(length) && start < at.saturating_add(len) {
        return Err(Wrong::Argument);
    }
    // SAFETY: not longer than an object may be, and by the contract the call's alone. The bytes come from outside of Rust, which has no notion
    // of bytes there without a value; each is written before it is read.
    Ok(unsafe { core::slice::from_raw_parts_mut(pointer.cast(), len) })
}

/// Words of a person: null is none, and what is longer than 256 bytes or no UTF-8 is cut there.
///
/// # Safety
/// The header's contract: `pointer` is null, or text that ends with a zero.
#[cfg(feature = "full")]
pub(crate) unsafe fn words<'c>(pointer: *const c_char) -> &'c str {
    let mut len = 0;
    // SAFETY: no byte before this one was the zero, so that this one is part of the text.
    while !pointer.is_null() && len < TEXT_BYTES && unsafe { *pointer.wrapping_add(len) } != 0 {
        len = len.saturating_add(1);
    }
    if len == 0 {
        return "";
    }
    // SAFETY: `len` bytes were just read.
    let bytes = unsafe { core::slice::from_raw_parts(pointer.cast::<u8>(), len) };
    bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

/// The caller's memory: aligned to 64 bytes, as devices like it.
///
/// # Safety
/// The header's contract: `len` bytes from `pointer` on are the call's alone.
pub(crate) unsafe fn memory<'c>(pointer: *mut c_void, len: usize) -> Result<&'c mut [u8], Wrong> {
    const ALIGNMENT: usize = 64;
    if pointer.is_null() || isize::try_from(len).is_err() {
        return Err(Wrong::Memory);
    }
    let start = pointer.cast::<u8>();
    let lost = start.align_offset(ALIGNMENT);
    let left = len.checked_sub(lost).ok_or(Wrong::Memory)?;
    let start = start.wrapping_add(lost);
    // SAFETY: within the caller's memory. It may not be initialised: bytes are written before anything reads them.
    unsafe { start.write_bytes(0, left) };
    // SAFETY: initialised a line above, the call's alone, and not longer than an object may be.
    Ok(unsafe { core::slice::from_raw_parts_mut(start, left) })
}

/// Room for a value at the front of memory, and the memory after it.
#[cfg(feature = "full")]
pub(crate) fn room<T>(memory: &mut [u8]) -> Result<(&mut MaybeUninit<T>, &mut [u8]), Wrong> {
    let lost = memory.as_ptr().align_offset(align_of::<T>());
    let memory = memory.get_mut(lost..).ok_or(Wrong::Memory)?;
    let (front, rest) = memory.split_at_mut_checked(size_of::<T>().next_multiple_of(64)).ok_or(Wrong::Memory)?;
    // SAFETY: `front` is aligned for T, has its size, is borrowed for as long as the result, and a MaybeUninit needs no value.
    Ok((unsafe { &mut *front.as_mut_ptr().cast::<MaybeUninit<T>>() }, rest))
}
