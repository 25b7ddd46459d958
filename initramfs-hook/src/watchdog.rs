//! The watchdog: armed before the hand-over, so that a system that hangs is reset; fed while a slot is read in full.

use std::fs::File;
use std::io::Write;

use libupdate::install::progress::{Flow, Observer, Progress};
use libupdate_linux::profile::boot;

use crate::kernel;
use crate::say::say;

/// An armed watchdog, or none. It stays armed when this is dropped: closing without the magic letter does not stop it.
#[derive(Debug)]
pub struct Watchdog(Option<File>);

impl Watchdog {
    /// Arms what the profile names. A watchdog that cannot be armed is told and does not keep the device from booting.
    pub fn arm(wanted: Option<&boot::Watchdog>) -> Self {
        let Some(wanted) = wanted else { return Self(None) };
        let node = wanted.device.display();
        let file = match File::options().write(true).open(&wanted.device) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {
                say!("the watchdog {node} is open in another program, which is to feed it");
                return Self(None);
            }
            Err(error) => {
                say!("the watchdog {node} cannot be armed: {error}");
                return Self(None);
            }
        };
        let seconds = i32::try_from(wanted.timeout.as_secs()).unwrap_or(i32::MAX);
        if let Err(error) = kernel::watchdog_timeout(&file, seconds) {
            say!("the watchdog {node} keeps its own time: {error}");
        }
        let mut armed = Self(Some(file));
        armed.feed();
        armed
    }

    /// Says that all is well.
    pub fn feed(&mut self) {
        if let Some(file) = &mut self.0
            && let Err(error) = file.write_all(b"\0")
        {
            say!("the watchdog cannot be fed: {error}");
            self.0 = None;
        }
    }
}

impl Observer for Watchdog {
    fn progress(&mut self, _: Progress) -> Flow {
        self.feed();
        Flow::Continue
    }
}
