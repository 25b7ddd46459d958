//! Overlays in a boot.
//!
//! ```text
//!  fell back since a person looked, or boots of late were left unconfirmed ─► all off, until `overlay enable`
//!  a trial ─► none of them, in this boot
//!  else ─► another version? what was changed of the old one is dropped, what was added stays ─► laid; one that cannot be is left out, and told
//! ```

use super::change;
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
    let now = rebased(session, system, &all)?;
    let mut left: Vec<String> = Vec::new();
    let wanted = |left: &[String]| {
        let fits =
            |overlay: &&&Overlay| overlay.enabled && overlay.scope != Scope::User && !left.contains(&overlay.name);
        now.all()
            .iter()
            .filter(fits)
            .filter(|overlay| overlay.keep != Keep::None)
            .map(|overlay| overlay.live())
            .collect::<Vec<_>>()
    };
    // One after the other: what cannot be laid keeps no other one away.
    let mut broken = Vec::new();
    for overlay in now.all().into_iter().filter(|overlay| overlay.keep != Keep::None) {
        if let Err(why) = usable(overlay) {
            left.push(overlay.name.clone());
            broken.push(Broken { name: overlay.name.clone(), why });
        }
    }
    while let Err(trouble) = live::lay(system, laid(wanted(&left), &broken)) {
        let Some(last) = wanted(&left).last().map(|overlay| overlay.name.clone()) else {
            return Err(change::not_laid(&trouble, "").doing(WHAT));
        };
        broken.push(Broken { name: last.clone(), why: trouble.why });
        left.push(last);
    }
    for Broken { name, why } in &broken {
        session.output.warn(&format!("the overlay {name} is not laid: {why}"));
    }
    Ok(())
}

fn laid(overlays: Vec<live::LiveOverlay>, broken: &[Broken]) -> Live {
    let before = Live::read();
    let others = before.broken.iter().filter(|other| !broken.iter().any(|own| own.name == other.name)).cloned();
    let broken = others.chain(broken.iter().cloned()).collect();
    Live { overlays, broken, ..before }
}

/// Those that are for one version, on the one that runs.
///
/// # Durability
/// What is dropped is dropped before the set says so: a cut in between has the next boot begin again.
fn rebased(session: &Session, system: &System, all: &Overlays) -> Result<Overlays, Failure> {
    let mut now = all.clone();
    let stale =
        |overlay: &&Overlay| overlay.keep == Keep::Version && overlay.root_hash.as_ref() != Some(&system.root_hash);
    for overlay in all.kept().iter().filter(stale) {
        let dropped = layer::rebase(&overlay.upper(), &overlay.scope.place().base());
        let dropped = dropped.map_err(|error| store::failed(&overlay.upper(), &error).doing(WHAT))?;
        if !dropped.is_empty() {
            let (name, count) = (&overlay.name, dropped.len());
            session
                .output
                .note(&format!("the overlay {name} changed {count} files of another version, and does no more"));
        }
        now = now.with(Overlay { root_hash: Some(system.root_hash.clone()), ..overlay.clone() })?;
    }
    now.write(all)?;
    Ok(now)
}

/// Whether what it holds is there, and can be read.
fn usable(overlay: &Overlay) -> Result<(), String> {
    overlay.make().map_err(|failure| failure.why)?;
    layer::entries(&overlay.upper(), &overlay.scope.place().base()).map_err(|error| error.to_string())?;
    Ok(())
}
