//! A/B image updates on a device and in the workshop: the core of `libupdate`, Linux below it (`libupdate-linux`), and people and
//! scripts above. The crate is the program `updater-cli`: its words, verbs, exit codes and progress.

// A message that cannot be written panics there.
#![deny(clippy::print_stderr)]

mod cli;
#[cfg_attr(not(feature = "parallel"), path = "one_core.rs")]
mod cores;
#[cfg(feature = "create")]
mod delta;
mod exit;
#[cfg_attr(not(feature = "create"), path = "no_export.rs")]
mod export;
#[cfg_attr(not(feature = "history"), path = "no_history.rs")]
mod history;
#[cfg_attr(not(feature = "boot-loaders"), path = "no_loader_store.rs")]
mod loader_store;
mod new_file;
mod open_device;
mod output;
pub mod program;
mod scratch_disk;
mod session;
mod source;
mod states;
mod time;
mod unusable;
#[cfg(any(feature = "doctor", feature = "live", feature = "reset"))]
mod var;
mod verb;
mod zstd;
