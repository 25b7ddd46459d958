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

use crate::cli::pack::Pack;
use crate::exit::Failure;
use crate::session::Session;

pub mod boot;
mod change;
mod check;
mod extension_release;
mod install;
mod known;
mod mounted;
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
    }
}
