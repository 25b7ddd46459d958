//! The system that runs, as far as what is laid over it is concerned.

use libupdate::bundle::pack;
use libupdate::inspect::Inspection;
use libupdate::policy::Installed;
use libupdate_linux::Mode;
use libupdate_linux::booted::Told;

use crate::exit::{Exit, Failure};
use crate::open_device::OpenDevice;
use crate::session::{Session, Setup};
use crate::verb::status;

/// The system.
pub struct System {
    pub setup: Setup,
    /// Version of the slot that runs.
    pub version: String,
    /// Its major version.
    pub major: Option<u32>,
    /// Root hash of its first image.
    pub root_hash: String,
    /// The last fallback, as long as its slot remembers it.
    pub fallback: Option<String>,
}

/// How this boot came about, as the hook says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ThisBoot {
    /// `trial`, `good`, `counted`, `suspect`, `last-resort`, or nothing.
    pub kind: String,
    pub tries_left: Option<u8>,
}

impl System {
    /// The one that runs.
    pub fn of(session: &Session) -> Result<Self, Failure> {
        let setup = session.setup()?;
        let mut opened = OpenDevice::open(session, &setup, Mode::ReadOnly)?.for_an_act();
        if opened.is_file() {
            let next = "run it on the device, in the system that runs there";
            return Err(Failure::new(Exit::Usage, "", "no system runs from a disk image file", next));
        }
        let inspection = opened.inspect(session)?;
        let (version, root_hash) =
            runs(&inspection).map(|slot| (slot.version.to_string(), slot.root_hash.to_string())).ok_or_else(|| {
                let why = "no slot of this disk runs, so it is not known which version there is";
                Failure::new(Exit::Refused, "", why, "run it in the system that it is for")
            })?;
        let fallback = status::last_fallback(&mut opened, &inspection);
        Ok(Self { setup, major: pack::major(&version), version, root_hash, fallback })
    }
}

/// What the slot that runs holds.
fn runs<'i>(inspection: &'i Inspection<'_>) -> Option<&'i Installed> {
    inspection.facts.slot(inspection.facts.booted?).ok()?.installed.as_ref()
}

impl ThisBoot {
    /// What the hook has left.
    pub fn read() -> Self {
        let report = Told::read().report.and_then(Result::ok);
        let kind = report.as_ref().and_then(|report| report.kind.clone()).unwrap_or_default();
        Self { kind, tries_left: report.and_then(|report| report.tries_left) }
    }

    /// Whether the slot's tries are spent in such a boot.
    pub fn is_counted(&self) -> bool {
        matches!(self.kind.as_str(), "counted" | "trial")
    }
}

#[cfg(test)]
pub mod fixture {
    use super::*;

    /// A system of version 2.0 that last fell back so.
    pub fn system(fallback: Option<&str>) -> System {
        let profile = libupdate_linux::profile::Profile::load(Some("qemu-x86_64")).unwrap();
        let profile = Box::leak(Box::new(profile));
        let key = libupdate::bundle::writer::LocalKey::from_scalar(&[7; 32]).unwrap();
        let key = *libupdate::bundle::writer::Signer::public_key(&key);
        let anchors = libupdate::bundle::Anchors::new(&[key], std::num::NonZeroUsize::MIN).unwrap();
        let setup = Setup { profile, specs: &[], anchors: Box::leak(Box::new(anchors)) };
        let fallback = fallback.map(str::to_owned);
        System { setup, version: "2.0".to_owned(), major: Some(2), root_hash: "0".repeat(64), fallback }
    }
}
