//! Stage 1 of a boot: chooses the slot, spends its try, checks it, maps it with dm-verity, and hands over. What does not hold
//! falls back. `docs/BOOT.md` has the states as a picture.
//!
//! ```text
//!  main ─ called        how it was started: as /init, or as a step of another initramfs
//!   └ course            the boot from its first mount to its hand-over or its reboot
//!      ├ told, command_line, report                               pure: what is asked, in which words
//!      ├ machine, boot_disk, starter, nodes, slot_kernel    the disk, and how a slot starts
//!      ├ writable, var, trash, copy, recovery                what is mounted beside or instead of a slot
//!      ├ early, modules, watchdog, hand_over                 what a first process does for its machine
//!      ├ say                                                 what is said, and never waited for
//!      └ kernel                                              the calls without a safe form: all `unsafe` of this crate
//! ```

// A message that cannot be written panics there.
#![deny(clippy::print_stderr)]

mod boot_disk;
mod called;
mod command_line;
mod copy;
mod course;
mod early;
mod hand_over;
mod kernel;
mod machine;
mod modules;
mod nodes;
mod phases;
mod recovery;
mod report;
mod say;
mod slot_kernel;
mod starter;
mod told;
mod trash;
mod var;
mod watchdog;
mod writable;

use std::process::ExitCode;

use crate::called::Called;
use crate::say::say;

/// A command line that cannot be understood.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    // Its own name.
    arguments.next();
    match Called::of(std::process::id(), arguments.collect()) {
        Some(called) => course::run(&called),
        None => {
            say!("usage: initramfs-hook --root DIR   (or as the first process of an initramfs)");
            ExitCode::from(USAGE)
        }
    }
}
