//! A/B image updates on a device and in the workshop.

use std::process::ExitCode;

fn main() -> ExitCode {
    updater_cli::program::run()
}
