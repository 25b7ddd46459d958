//! `updater-dbus`: other programs update the device over D-Bus. It holds no logic of slots: each call becomes one run of `updater-cli`,
//! and its JSON document becomes the reply.
//!
//! ```text
//!  client ──D-Bus──► rauc, updater     two interfaces: RAUC's, and one of this project
//!                        │
//!                     rights           may this caller do it? root may; others if polkit says so
//!                        │
//!                     options, slots   pure: words of D-Bus to words of the program, and back
//!                        │
//!                     desk             one installation at a time; what it is at; when the last call was
//!                        │
//!                     program ──fork──► updater-cli --json --progress json VERB     document, fault: what it answers
//! ```
//!
//! The service may end at any time: the state of the device is on its disk, and an installation that was cut goes on when it is
//! asked for again.

mod command_line;
mod desk;
mod document;
mod fault;
mod options;
mod program;
mod rauc;
mod rights;
mod service;
mod slots;
mod updater;

use std::process::ExitCode;

use clap::Parser as _;

use command_line::CommandLine;

fn main() -> ExitCode {
    match service::run(CommandLine::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: the service cannot go on: {error}");
            eprintln!("next: is the system's bus running, and may this user own the names? See docs/DBUS.md");
            ExitCode::FAILURE
        }
    }
}
