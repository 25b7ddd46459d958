//! The store of a boot loader that follows the disk's acts.

use std::path::Path;

use libupdate::loader::{Loader, Put};
use libupdate_linux::running::Running;
use libupdate_linux::{GuardedDisk, Mode};

use super::{OpenDevice, Purpose};
use crate::exit::{Exit, Failure};
use crate::loader_store::{self, Runs, Store};
use crate::session::Session;

impl OpenDevice {
    /// Opens the store of the boot loader: of this machine, or the one that the command line names. Another disk, and a disk image file,
    /// is made for a machine whose store is not here.
    pub fn open_store(&mut self, session: &Session) -> Result<(), Failure> {
        let profile = self.setup.profile;
        let store = self.named_store(session)?;
        self.loader = match self.disk.mode() {
            Mode::ReadOnly => store,
            Mode::ReadWrite => loader_store::with_emmc(profile, &self.disk, store)?,
        };
        if self.disk.mode() == Mode::ReadWrite && profile.emmc_boot.is_some() && self.is_file() {
            session.warn_once("its eMMC is not here: the boot loader stays in its slot".to_owned());
        }
        Ok(())
    }

    fn named_store(&self, session: &Session) -> Result<Option<Store>, Failure> {
        let profile = self.setup.profile;
        let Some(loader) = &profile.loader else { return Ok(None) };
        let here = !self.is_file() && matches!(self.running, Running::Slot(_));
        let runs = if here { Runs::Here } else { Runs::Elsewhere };
        let named = session.loader_store();
        if named == Some(Path::new("none")) || runs == Runs::Elsewhere && named.is_none() {
            if named.is_none() && !self.is_file() && self.running == Running::Elsewhere && self.purpose == Purpose::Act
            {
                return Err(loader_elsewhere(loader.kind.word()));
            }
            if self.disk.mode() == Mode::ReadWrite {
                session.warn_of_store_elsewhere(loader.kind.word());
            }
            return Ok(None);
        }
        match loader_store::open(profile, named, runs) {
            Err(Failure { why, next, .. }) if self.purpose == Purpose::Look => {
                session.warn_once(format!("{why}; {next}"));
                Ok(None)
            }
            opened => opened,
        }
    }

    /// Whether a store follows this disk's acts.
    pub const fn has_store(&self) -> bool {
        self.loader.is_some()
    }

    /// Makes the slot bits and the boot loader's store say the same. `None`: no store follows this disk.
    pub fn reconcile(&mut self, session: &Session) -> Result<Option<Put>, Failure> {
        if self.loader.is_none() {
            return Ok(None);
        }
        self.act(session, |device, _, watch| device.reconcile(watch)).map(Some)
    }
}

/// The store, for one act.
pub(super) fn lent<'l>(loader: &'l mut Option<Store>) -> Option<&'l mut (dyn Loader<GuardedDisk> + 'l)> {
    match loader {
        Some(loader) => Some(&mut **loader),
        None => None,
    }
}

/// A failure of an act that the boot loader would not hear of: it would go on starting a slot that is being written.
fn loader_elsewhere(kind: &str) -> Failure {
    let why = format!("the system does not run from this disk, so the store of its boot loader ({kind}) is not here");
    Failure::new(
        Exit::Usage,
        "",
        why,
        "name the store with --loader-store, or leave it as it is with --loader-store none",
    )
}
