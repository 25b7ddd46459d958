//! Overlays in a boot.
//!
//! ```text
//!  fell back since a person looked, or boots of late were left unconfirmed ─► all off, until `overlay enable`
//!  a trial ─► none of them, in this boot
//!  else ─► another version? what was changed of the old one is dropped, what was added stays ─► laid; one that cannot be is left out, and told
//! ```

use std::path::Path;

use super::store::{self, Overlay, Overlays};
use crate::cli::overlay::{Keep, Scope};
use crate::exit::Failure;
use crate::session::Session;
use crate::verb::live::boots::Boots;
use crate::verb::live::layer;
use crate::verb::live::{self, Broken, Live, System};

const WHAT: &str = "overlays are not laid over this boot";

/// Whether any is kept.
pub fn any() -> Result<bool, Failure> {
    Ok(!Overlays::read()?.kept().is_empty())
}

/// Lays what this boot may have.
pub fn run(session: &Session, system: &System, boots: &Boots) -> Result<(), Failure> {
    let all = Overlays::read()?;
    let on = all.kept().iter().any(|overlay| overlay.enabled);
    if !on {
        return Ok(());
    }
    if let Some(why) = boots.reason_to_be_off(system, all.settled()) {
        session.output.warn(&format!("{WHAT}, and are off until `overlay enable`: {why}"));
        return all.all_off(&why).write(&all);
    }
    if boots.this.kind == "trial" {
        session.output.note(&format!("{WHAT}: it is a trial of a new version"));
        return Ok(());
    }
    let (mut now, mut left_out) = (all.clone(), Vec::new());
    for overlay in all.kept() {
        match of_this_version(session, system, overlay) {
            Ok(overlay) => now = now.with(overlay)?,
            Err(why) => left_out.push(Broken { name: overlay.name.clone(), why }),
        }
    }
    // Before anybody writes to one: what is changed from now on is changed of this version.
    now.write(&all)?;
    lay(system, &now, &mut left_out);
    for Broken { name, why } in &left_out {
        session.output.warn(&format!("the overlay {name} is not laid: {why}"));
    }
    let noted = Live { left_out, ..Live::read() }.write();
    noted.map_err(|error| store::failed(Path::new(live::STATE), &error))
}

/// One after the other: one that cannot be laid keeps no other one away.
fn lay(system: &System, all: &Overlays, left_out: &mut Vec<Broken>) {
    let mut overlays = Vec::new();
    for overlay in all.all() {
        let is_out = left_out.iter().any(|out| out.name == overlay.name);
        if is_out || !overlay.enabled || overlay.keep == Keep::None || overlay.scope == Scope::User {
            continue;
        }
        let with = [&overlays[..], &[overlay.live()]].concat();
        let laid = usable(overlay).and_then(|()| {
            let live = Live { overlays: with.clone(), ..Live::read() };
            live::lay(system, live).map_err(|trouble| trouble.why)
        });
        match laid {
            Ok(()) => overlays = with,
            Err(why) => left_out.push(Broken { name: overlay.name.clone(), why }),
        }
    }
}

/// One that is for one version, on the one that runs.
///
/// # Durability
/// What is dropped is dropped before the set says so: a cut in between has the next boot begin again.
fn of_this_version(session: &Session, system: &System, overlay: &Overlay) -> Result<Overlay, String> {
    if overlay.keep != Keep::Version || overlay.root_hash.as_ref() == Some(&system.root_hash) {
        return Ok(overlay.clone());
    }
    let dropped = layer::rebase(&overlay.upper(), &overlay.scope.place().base()).map_err(|error| error.to_string())?;
    if !dropped.is_empty() {
        let (name, count) = (&overlay.name, dropped.len());
        session.output.note(&format!("the overlay {name} changed {count} files of another version, and does no more"));
    }
    Ok(Overlay { root_hash: Some(system.root_hash.clone()), ..overlay.clone() })
}

/// Whether what it holds is there, and can be read.
fn usable(overlay: &Overlay) -> Result<(), String> {
    overlay.make().map_err(|failure| failure.why)?;
    layer::entries(&overlay.upper(), &overlay.scope.place().base()).map_err(|error| error.to_string())?;
    Ok(())
}
