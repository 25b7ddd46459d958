//! Where C's pointers become references: the only unsafe code of the crate.
//!
//! The header states the contract: a pointer that is not null points to what its type says, valid for the call and used by nobody else
//! meanwhile. Everything else is checked: null, sizes of structs, counts, memory that is too small, text without an end.
#![expect(unsafe_code, reason = "an interface of C is made of pointers")]

pub(crate) mod calls;
pub mod exports;
#[cfg(feature = "full")]
pub mod exports_full;
pub(crate) mod given;
