//! `pack`: hotfixes that are merged over `/usr` and `/opt` of the system that runs, without a reboot.
//!
//! ```text
//!  bundle ─► signatures ─► board, major version ─► parts stored, every block checked and read back ─► looked through ─► set.json, one rename
//!                                                                                                                         │
//!  boot ─► each pack verified again ─► those that fit the booted version ────────────────────────────────────────────────┤
//!                                                                                                                         ▼
//!            loop device, dm-verity from the signed root hash, mounted ─► one overlay over /usr, one over /opt  (or systemd-sysext)
//! ```
//!
//! 1. The base is never written: what is live is mounts, and a reboot gives the image back.
//! 2. What a pack is, its signed head says, each time anew. `set.json` says only which heads count.
//! 3. The set of packs changes by one rename. A cut leaves the old one or the new one; what belongs to neither, the next act removes.
//! 4. After a fallback packs are off until a person turns them on.
//! 5. Nothing out of a pack runs here: units are reloaded and restarted by the system's own programs.

use libupdate::bundle::pack;
use libupdate::inspect::Inspection;
use libupdate_linux::Mode;

use crate::cli::pack::Pack;
use crate::exit::{Exit, Failure};
use crate::open_device::OpenDevice;
use crate::session::{Session, Setup};

mod boot;
mod change;
mod check;
mod extension_release;
mod guard;
mod install;
mod known;
mod live;
mod parts;
mod plan;
mod shown;
mod steps;
mod store;
mod walk;

pub use shown::Packs;

/// Runs one of its verbs.
pub fn run(session: &Session, verb: Pack) -> Result<(), Failure> {
    match verb {
        Pack::Install(args) => install::run(session, &args),
        Pack::Check(args) => check::run(session, &args),
        Pack::List => shown::run(session),
        Pack::Remove(args) => change::remove(session, &args.name),
        Pack::Purge => change::purge(session),
        Pack::Enable => change::enable(session),
        Pack::Boot => boot::run(session),
        Pack::Shutdown => boot::end(session),
    }
}

/// The system that packs are for.
pub struct System {
    setup: Setup,
    /// Version of the slot that runs.
    version: String,
    /// Its major version.
    major: Option<u32>,
    /// The last fallback, as long as its slot remembers it.
    fallback: Option<String>,
}

impl System {
    /// The one that runs.
    fn of(session: &Session) -> Result<Self, Failure> {
        let setup = session.setup()?;
        let mut opened = OpenDevice::open(session, &setup, Mode::ReadOnly)?.for_an_act();
        if opened.is_file() {
            let next = "run it on the device, in the system that runs there";
            return Err(Failure::new(Exit::Usage, "", "no system runs from a disk image file", next));
        }
        let inspection = opened.inspect(session)?;
        let version = version(&inspection).ok_or_else(|| {
            let why = "no slot of this disk runs, so it is not known which version a pack would have to fit";
            Failure::new(Exit::Refused, "", why, "run it in the system that a pack is for")
        })?;
        let fallback = super::status::last_fallback(&mut opened, &inspection);
        Ok(Self { setup, major: pack::major(&version), version, fallback })
    }
}

/// Version of the slot that runs.
fn version(inspection: &Inspection<'_>) -> Option<String> {
    let slot = inspection.facts.slot(inspection.facts.booted?).ok()?;
    slot.installed.as_ref().map(|installed| installed.version.to_string())
}
