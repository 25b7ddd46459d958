//! `live boot` and `live shutdown`: what updater-live.service does, early in each boot and late in each shutdown.
//!
//! ```text
//!  boot      is anything stored? ─► the boot is counted, if nobody else does ─► packs ─► overlays
//!  shutdown  nothing is laid any more: /var can be unmounted
//! ```

use std::time::Duration;

use super::live::boots::Boots;
use super::live::{self, Live, System};
use super::{overlay, pack};
use crate::exit::{Exit, Failure};
use crate::session::Session;

/// How long another act may be at work.
const PATIENCE: Duration = Duration::from_secs(30);

/// Lays what this boot may have. What fails of packs keeps no overlay away.
pub fn boot(session: &Session) -> Result<(), Failure> {
    // What cannot be read is told below.
    if !pack::boot::any().unwrap_or(true) && !overlay::boot::any().unwrap_or(true) {
        return Ok(());
    }
    let system = System::of(session).map_err(|failure| failure.doing("nothing is laid over this boot"))?;
    let _lock = live::lock_within(PATIENCE)?;
    let boots = Boots::read();
    boots.count()?;
    let packs = pack::boot::run(session, &system, &boots);
    let overlays = overlay::boot::run(session, &system, &boots);
    if let (Err(_), Err(failure)) = (&packs, &overlays) {
        session.output.warn(&format!("{}: {}", failure.what, failure.why));
    }
    packs.and(overlays)
}

/// Takes away what is laid: as long as it is, it keeps `/var` from being unmounted. What is stored stays as it is.
pub fn shutdown(session: &Session) -> Result<(), Failure> {
    let live = Live::read();
    if live.parts.is_empty() && live.overlays.is_empty() && live.applied.is_none() {
        return Ok(());
    }
    let what = "packs and overlays stay until the power goes";
    let system = System::of(session).map_err(|failure| failure.doing(what))?;
    let _lock = live::lock_within(PATIENCE)?;
    let none = Live { parts: Vec::new(), overlays: Vec::new(), applied: None, ..live };
    let taken = live::lay(&system, none).map_err(|trouble| {
        let next = "nothing has to be done: the next boot replays the journal of /var";
        Failure::new(Exit::Io, what, trouble.why, next)
    });
    pack::boot::unmount_all();
    taken
}
