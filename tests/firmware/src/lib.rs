//! A bare Cortex-M4 around the core: no allocator, no operating system, buffers of 4 KiB.
//!
//! - [`startup`]: from reset to `main`, and what happens on a fault or a panic.
//! - [`host`]: the debugger's files (semihosting) in the place of a disk and of a download.
//! - [`board`]: the profile of this board, as constants.
//! - [`memory`]: buffers that exist once.
#![no_std]

pub mod board;
pub mod host;
pub mod memory;
pub mod startup;
