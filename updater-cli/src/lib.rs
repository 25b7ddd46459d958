//! A/B image updates on a device and in the workshop: the core of `libupdate`, an operating system below it, and people and
//! scripts above.
//!
//! The crate is the program `updater-cli`. What the boot hook needs of it as well, to read the same profile and to reach the same
//! disk, is there without the feature `program`: [`hook_config`], [`profile`], [`os`], and the words of their failures, [`exit`].

// A message that cannot be written panics there.
#![deny(clippy::print_stderr)]

#[cfg(feature = "program")]
mod backup;
#[cfg(feature = "program")]
mod bench;
#[cfg(feature = "program")]
mod cli;
#[cfg(feature = "program")]
mod cores;
pub mod exit;
#[cfg(feature = "program")]
mod hasher;
pub mod hook_config;
pub mod keys;
#[cfg(feature = "program")]
mod last_result;
#[cfg(feature = "program")]
mod new_file;
#[cfg(feature = "program")]
mod new_table;
#[cfg(feature = "program")]
mod next;
pub mod os;
#[cfg(feature = "program")]
mod output;
pub mod printable;
pub mod profile;
#[cfg(feature = "program")]
pub mod program;
#[cfg(feature = "program")]
mod running;
#[cfg(feature = "program")]
mod scratch_disk;
#[cfg(feature = "program")]
mod session;
#[cfg(feature = "program")]
mod source;
pub mod time;
#[cfg(feature = "program")]
mod unusable;
#[cfg(feature = "program")]
mod used_disk;
#[cfg(feature = "program")]
mod verb;
#[cfg(feature = "program")]
mod zstd;
