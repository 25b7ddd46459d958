//! A reboot in order, by the init system.

use std::process::Command;

use crate::exit::{Exit, Failure};

/// Asks the init system to reboot.
pub fn now() -> Result<(), Failure> {
    let asked = Command::new("reboot").status();
    let why = match asked {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => format!("`reboot` ended with {status}"),
        Err(error) => format!("`reboot` could not be run: {error}"),
    };
    Err(Failure::new(Exit::Io, "the slot is armed, but the system does not reboot", why, "reboot by hand"))
}
