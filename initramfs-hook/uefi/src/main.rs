//! The boot of a PC with UEFI, in an application that is written to the EFI system partition once: it chooses the slot, spends its try,
//! reads the slot's unified kernel image into memory, checks it there, and starts it. `docs/BOOT.md` has what it does and how it is put there.
//!
//! ```text
//!  main ─ course           the boot from its configuration to the slot's kernel
//!   ├ find, disk, memory   which disk it is, and its blocks
//!   ├ starter, told        how a slot starts, and how its kernel learns which one it is
//!   ├ say, phases, watchdog
//!   └ firmware             the calls without a safe form: all `unsafe` of this crate
//! ```
#![no_std]
#![no_main]

extern crate alloc;

mod course;
mod disk;
mod find;
mod firmware;
mod memory;
mod phases;
mod say;
mod starter;
mod told;
mod watchdog;

use uefi::Status;

/// The configuration, which stays in the image.
type Config<'c> = libupdate::hook_config::HookConfig<'c, &'c str, &'c str>;

#[uefi::entry]
fn main() -> Status {
    course::run()
}
