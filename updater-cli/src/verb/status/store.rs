//! What `status` says of a boot loader that chooses by itself, and what it does about a store that fell behind.

use libupdate::loader::Put;
use libupdate_linux::Mode;
use libupdate_linux::profile::Profile;
use serde::Serialize;

use crate::exit::Failure;
use crate::open_device::OpenDevice;
use crate::output::Printable;
use crate::session::Session;

/// `boot_loader` of the document.
#[derive(Serialize)]
pub struct StoreRow {
    kind: &'static str,
    store: String,
    state: &'static str,
}

/// Makes the slot bits and the store of the boot loader say the same: the power may have gone between the two.
pub fn reconcile(session: &Session) -> Result<Option<Put>, Failure> {
    let (_, mut opened, _) = OpenDevice::begin(session, Mode::ReadWrite)?;
    opened.reconcile(session)
}

impl StoreRow {
    /// What a reconciliation found.
    pub fn of(session: &Session, profile: &Profile, store: Result<Option<Put>, Failure>) -> Option<Self> {
        let loader = profile.loader.as_ref()?;
        let state = match store {
            Ok(Some(Put::Unchanged)) => "agrees",
            Ok(Some(Put::Written)) => "was-behind",
            Ok(None) => return None,
            Err(failure) => {
                let Failure { why, next, .. } = failure;
                session.output.warn(&format!("the boot loader's store could not be brought up to date: {why}; {next}"));
                "unknown"
            }
        };
        let store = session.loader_store().unwrap_or(&loader.store).display().to_string();
        Some(Self { kind: loader.kind.word(), store, state })
    }

    /// The same for people.
    pub fn in_words(&self) -> String {
        let state = match self.state {
            "agrees" => "says the same as the slot bits",
            "was-behind" => "was behind the slot bits, and says the same now",
            _ => "is not known to say the same as the slot bits",
        };
        format!("{}: {} {state}", self.kind, Printable(&self.store))
    }
}
