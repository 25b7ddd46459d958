//! `overlay`: folders that can be written, laid over `/usr`, `/etc` or `/opt` of a system that is verified and read-only.
//!
//! ```text
//!  create ─► a layer: memory, or a folder of /var ─► the set of overlays, one rename ─► laid (`live`)
//!
//!  keep = none       /run/updater/overlays        gone with this boot
//!  keep = boot       /var/lib/updater/overlays    laid again by each boot that may have it
//!  keep = version    the same; where another version runs, what it changed of the old one is dropped, what it added stays
//! ```
//!
//! 1. The base is never written, and a boot without overlays is the image's own.
//! 2. A trial, a suspect boot and the last resort are without those that are kept. After a fallback they are off until a person turns them on.
//! 3. Of several over one folder the top one alone is written; all are layers of one overlay.
//! 4. Which overlays there are changes by one rename. What an overlay holds is its owner's: what was not flushed before a cut may be lost.

use crate::cli::overlay::Overlay as Verb;
use crate::exit::Failure;
use crate::session::Session;

mod add;
mod archive;
pub mod boot;
mod change;
mod check;
mod enter;
mod shown;
mod store;

pub use shown::{Row, rows};

/// Runs one of its verbs.
pub fn run(session: &Session, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Create(args) => change::create(session, &args),
        Verb::Add(args) => add::run(session, &args),
        Verb::List(args) => shown::run(session, &args),
        Verb::Enable(args) => change::enable(session, &args.name),
        Verb::Disable(args) => change::disable(session, &args.name),
        Verb::Priority(args) => change::prioritize(session, &args),
        Verb::Remove(args) => change::remove(session, &args),
        Verb::Backup(args) => archive::backup(session, &args),
        Verb::Restore(args) => archive::restore(session, &args),
        Verb::Check(args) => check::run(session, &args),
        Verb::Optimize(args) => check::optimize(session, &args.name),
        Verb::Enter(args) => enter::run(&args),
    }
}
