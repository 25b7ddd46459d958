//! Boots that nobody confirms end without packs and overlays.
//!
//! ```text
//!  fell back since a person looked                    off, until a person turns them on
//!  suspect boot, last resort                          off
//!  the last counted boot of a good slot               off: the next one would be checked in full, as if the image were at fault
//!  a boot whose tries nobody counts (guard = 0, a     counted in /var/lib/updater/boots; after two without `mark-good`, off
//!  boot loader that chooses by itself)
//! ```

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

use libupdate::units::limits::STATE_BYTES;
use libupdate_linux::file;

use super::System;
use super::system::ThisBoot;
use crate::exit::{self, Exit, Failure};

const FOLDER: &str = "/var/lib/updater";
const FILE: &str = "/var/lib/updater/boots";
/// Boots in a row that nobody has confirmed and nobody counts: the next one is without.
const UNCONFIRMED: u32 = 2;

/// This boot, and those before it that nobody counts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Boots {
    pub this: ThisBoot,
    /// Since the last one that was confirmed.
    pub unconfirmed: u32,
}

impl Boots {
    /// As they are known now.
    pub fn read() -> Self {
        let text = file::read_state(Path::new(FILE), STATE_BYTES).unwrap_or_default();
        Self { this: ThisBoot::read(), unconfirmed: text.trim().parse().unwrap_or(0) }
    }

    /// Counts this one, if nobody else does.
    ///
    /// # Durability
    /// It is on the medium when it returns: what is laid after it has been counted.
    pub fn count(&self) -> Result<(), Failure> {
        if self.this.is_counted() {
            return Ok(());
        }
        let text = self.unconfirmed.saturating_add(1).to_string();
        let written = file::write_state(Path::new(FILE), text.as_bytes());
        written.and_then(|()| flush()).map_err(|error| failed(&error))
    }

    /// Why what is kept must be off from now on; `settled` is the fallback that a person knows of. Pure.
    pub fn reason_to_be_off(&self, system: &System, settled: Option<&String>) -> Option<String> {
        let guard = system.setup.profile.guard.tries().get();
        let fallback = system.fallback.as_ref().filter(|fallback| settled != Some(*fallback));
        fallback.map(|fallback| format!("the device fell back: {fallback}")).or_else(|| self.unconfirmed(guard))
    }

    fn unconfirmed(&self, guard: u8) -> Option<String> {
        match self.this.kind.as_str() {
            "suspect" | "last-resort" => Some("the last boots were not confirmed".to_owned()),
            "counted" if self.this.tries_left == Some(0) && guard > 1 => {
                Some("the last boots were not confirmed".to_owned())
            }
            // Nobody would fall back from a good slot that is not counted.
            _ if !self.this.is_counted() && self.unconfirmed >= UNCONFIRMED => {
                Some(format!("the last {UNCONFIRMED} boots with them were not confirmed by `mark-good`"))
            }
            _ => None,
        }
    }
}

/// Begins to count anew.
///
/// # Durability
/// It is on the medium when it returns: no boot that was confirmed counts as one that was not.
pub fn forget() -> Result<(), Failure> {
    let forgotten = match fs::remove_file(FILE) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| flush()),
    };
    forgotten.map_err(|error| failed(&error))
}

fn flush() -> io::Result<()> {
    File::open(FOLDER)?.sync_all()
}

fn failed(error: &io::Error) -> Failure {
    let (code, next) =
        exit::no_room(error).unwrap_or((Exit::Io, "see the kernel log (dmesg), then run the same command again"));
    Failure::new(code, "", format!("{FILE} cannot be changed: {error}"), next)
}

#[cfg(test)]
mod tests {
    use super::super::system::fixture::system;
    use super::*;

    fn boots(kind: &str, tries_left: u8, unconfirmed: u32) -> Boots {
        Boots { this: ThisBoot { kind: kind.to_owned(), tries_left: Some(tries_left) }, unconfirmed }
    }

    #[test]
    fn a_fallback_turns_all_off_once() {
        let reason = |settled: Option<&str>, fallback| {
            boots("counted", 2, 0).reason_to_be_off(&system(fallback), settled.map(str::to_owned).as_ref())
        };
        assert_eq!(reason(None, None), None);
        assert!(reason(None, Some("b, 2.0")).unwrap().contains("b, 2.0"));
        assert_eq!(reason(Some("b, 2.0"), Some("b, 2.0")), None);
        assert!(reason(Some("b, 2.0"), Some("b, 3.0")).is_some());
    }

    #[test]
    fn boots_that_nobody_confirms_end_without() {
        let off = |kind, left, guard| boots(kind, left, 0).unconfirmed(guard).is_some();
        assert!(!off("counted", 1, 3) && off("counted", 0, 3));
        // A guard of one knows no boot in between.
        assert!(!off("counted", 0, 1) && !off("good", 0, 0) && !off("trial", 0, 3));
        assert!(off("suspect", 0, 3) && off("last-resort", 3, 3));
    }

    #[test]
    fn boots_that_nobody_counts_are_counted_here() {
        let off = |kind, unconfirmed| boots(kind, 3, unconfirmed).unconfirmed(3).is_some();
        for kind in ["good", "named", ""] {
            assert!(!off(kind, 0) && !off(kind, 1) && off(kind, 2) && off(kind, 9), "{kind}");
        }
        assert!(!off("counted", 9) && !off("trial", 9));
    }
}
