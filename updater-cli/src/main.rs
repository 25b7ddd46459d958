//! A/B image updates on a device and in the workshop.

// A message that cannot be written panics there.
#![deny(clippy::print_stderr)]

use std::process::ExitCode;

fn main() -> ExitCode {
    updater_cli::program::run()
}
