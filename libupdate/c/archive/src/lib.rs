//! libupdate-c as a static library. `libupdate.h` says what it exports.
#![no_std]

mod panic;

pub use libupdate_c::ffi;
