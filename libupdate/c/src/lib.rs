//! libupdate for C. `include/libupdate.h` is the documentation; here is what is behind it.
//!
//! ```text
//!  libupdate.h ─► ffi      pointers of C to references, each checked: the only unsafe code
//!                  │
//!                  ├─► chooser   choose, spend, mark: no keys, 4 KiB of memory
//!                  └─► full      install, boot, status, marks with notes: keys, about 60 KiB of memory
//!                        │
//!                  abi   the structs, and the numbers of errors
//! ```
//! No allocation, no globals. Every function takes a disk of callbacks, a board and memory of the caller's, and calls one act of
//! [`libupdate::device`]: no order of acts is written here.
#![no_std]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test that panics fails")
)]

#[cfg(test)]
extern crate std;

pub mod abi;
mod chooser;
mod disk;
pub mod ffi;
#[cfg(feature = "full")]
mod full;
mod status;
