//! One set of packs instead of another: on the medium, and over the system that runs.
//!
//! ```text
//!  new set.json, one rename ─► merged ─► what belongs to no pack is removed ─► steps
//!                                └── not possible: the old set.json, and the old packs merged again
//! ```

use super::known::Known;
use super::mounted::{self, Trouble};
use super::shown::Packs;
use super::steps::{self, Step};
use super::store::{Set, Store, Stored};
use crate::exit::{Exit, Failure};
use crate::session::Session;
use crate::verb::live::{self, Broken, Live, System, boots};

/// What a change did besides.
#[derive(Default)]
pub struct Done {
    /// Whether it is live now.
    pub merged: bool,
    pub steps: Vec<Step>,
}

/// Removes a pack.
pub fn remove(session: &Session, name: &str) -> Result<(), Failure> {
    let why = format!("no pack {name} is stored");
    let leaves = |set: &Set| match set.packs.iter().filter(|pack| pack.name != name).cloned().collect::<Vec<_>>() {
        none if none.is_empty() => Set::default(),
        packs => Set { packs, ..set.clone() },
    };
    session.record.names(name);
    without(session, &format!("cannot remove the pack {name}"), why, leaves)
}

/// Removes all packs.
pub fn purge(session: &Session) -> Result<(), Failure> {
    without(session, "cannot remove the packs", "no pack is stored".to_owned(), |_| Set::default())
}

fn without(session: &Session, what: &str, none: String, leaves: impl Fn(&Set) -> Set) -> Result<(), Failure> {
    let store = Store::usual();
    let system = System::of(session).map_err(|failure| failure.doing(what))?;
    let _lock = live::lock()?;
    let set = store.set()?;
    let new = leaves(&set);
    if new.packs.len() == set.packs.len() {
        return Err(Failure::new(Exit::Nothing, "nothing to remove", none, "`pack list` shows what is stored"));
    }
    session.record.begins();
    // What waits for the next boot goes on waiting.
    let live = !Live::read().parts.is_empty();
    let done = apply((&store, &system), (&set, &new), None, live).map_err(|failure| failure.doing(what))?;
    tell(session, &done.steps);
    session.output.done(&Packs::of(&store, &system)?);
    Ok(())
}

/// Turns packs on again.
pub fn enable(session: &Session) -> Result<(), Failure> {
    let what = "cannot turn packs on";
    let store = Store::usual();
    let system = System::of(session).map_err(|failure| failure.doing(what))?;
    let _lock = live::lock()?;
    let set = store.set()?;
    if set.off.is_none() {
        return Err(Failure::new(
            Exit::Nothing,
            "nothing to do",
            "packs are on",
            "`pack list` says what becomes of each",
        ));
    }
    session.record.begins();
    // That fallback is known now, and turns nothing off again.
    let new = Set { off: None, settled: system.fallback.clone(), ..set.clone() };
    boots::forget()?;
    let done = apply((&store, &system), (&set, &new), None, true).map_err(|failure| failure.doing(what))?;
    tell(session, &done.steps);
    session.output.done(&Packs::of(&store, &system)?);
    Ok(())
}

/// Puts `new` in the place of `old`, and merges it if that is wanted now. Where what `came` cannot be merged, `old` counts again.
pub fn apply(
    (store, system): (&Store, &System),
    (old, new): (&Set, &Set),
    came: Option<&Known>,
    merge_now: bool,
) -> Result<Done, Failure> {
    let before = store.stored(old, system);
    if old.packs.is_empty() || new.packs.is_empty() {
        // What was counted was counted of others.
        boots::forget()?;
    }
    store.switch(new)?;
    let after = store.stored(new, system);
    let mut done = Done::default();
    if merge_now && new.off.is_none() {
        if let Err(trouble) = merge(store, system, &after, came) {
            store.switch(old)?;
            let again = merge(store, system, &before, None);
            store.sweep(&before)?;
            return Err(not_merged(&trouble, again.err()));
        }
        done.merged = true;
        let (came, went) = (difference(&after, &before, system), difference(&before, &after, system));
        done.steps = steps::run(&came, &went);
    }
    store.sweep(&after)?;
    Ok(done)
}

/// Packs that fit and are in the one set and not in the other.
fn difference<'s>(one: &'s [Stored], other: &[Stored], system: &System) -> Vec<&'s Known> {
    let there = |pack: &&Known| !other.iter().any(|stored| stored.listed.digest == pack.digest);
    fitting(one, system).into_iter().filter(there).collect()
}

/// Those that count, and are for the version that runs.
pub fn fitting<'s>(stored: &'s [Stored], system: &System) -> Vec<&'s Known> {
    let known = stored.iter().filter_map(|pack| pack.known.as_ref().ok());
    known.filter(|pack| Some(pack.fits) == system.major).collect()
}

/// Merges those of the set that fit. What this boot has left out stays out, unless it `came` anew. What does not count is remembered.
fn merge(store: &Store, system: &System, stored: &[Stored], came: Option<&Known>) -> Result<(), Trouble> {
    let new = |pack: &Known| came.is_some_and(|came| came.digest == pack.digest);
    let (mut packs, mut broken, left_out) = (fitting(stored, system), unfit(stored), Live::read().broken);
    packs.retain(|pack| {
        let out = left_out.iter().find(|broken| broken.name == pack.name).filter(|_| !new(pack));
        broken.extend(out.cloned());
        out.is_none()
    });
    leaving_out((store, system), packs, broken, new).map(|_| ())
}

/// Merges these packs. One that cannot be merged is left out and the others are merged, unless it is one that `must` be. Gives those that are left out.
pub fn leaving_out(
    (store, system): (&Store, &System),
    mut packs: Vec<&Known>,
    mut broken: Vec<Broken>,
    must: impl Fn(&Known) -> bool,
) -> Result<Vec<Broken>, Trouble> {
    while let Err(trouble) = mounted::merge(store, system, &packs, broken.clone()) {
        let at_fault = |pack: &&Known| trouble.pack.as_ref() == Some(&pack.name) && !must(pack);
        let Some(place) = packs.iter().position(at_fault) else { return Err(trouble) };
        let name = packs.remove(place).name.clone();
        broken.push(Broken { name, why: trouble.why });
    }
    Ok(broken)
}

/// Those whose heads do not count.
pub fn unfit(stored: &[Stored]) -> Vec<Broken> {
    let broken = |pack: &Stored| {
        let why = pack.known.as_ref().err()?.clone();
        Some(Broken { name: pack.listed.name.clone(), why })
    };
    stored.iter().filter_map(broken).collect()
}

fn not_merged(trouble: &Trouble, again: Option<Trouble>) -> Failure {
    let pack = trouble.pack.as_ref().map(|name| format!("the pack {name} cannot be merged: ")).unwrap_or_default();
    let why = format!("{pack}{}", trouble.why);
    let next = match again {
        None => "the packs are as they were; see the kernel log (dmesg)".to_owned(),
        Some(other) => format!("the set of packs is as it was, and not all of it is merged ({}): reboot", other.why),
    };
    Failure::new(Exit::Io, "", why, next)
}

/// Says which steps did not succeed: what was merged is merged.
pub fn tell(session: &Session, steps: &[Step]) {
    for step in steps {
        if let Some(why) = &step.failed {
            session.output.warn(&format!("`{}` was not done: {why}", step.command));
        }
    }
}

/// Packs of a set that count.
pub fn known(stored: &[Stored]) -> Vec<Known> {
    stored.iter().filter_map(|pack| pack.known.as_ref().ok()).cloned().collect()
}
