//! What is known of the act of this run, while it runs.
//!
//! ```text
//!  of(verb) ─► on(disk) ─► changes / puts / begins ─► start line ─► .. the first write ..  ─► take ─► end line
//! ```
//!
//! An act that was refused before it began leaves both lines at its end.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use libupdate::SlotId;
use libupdate::policy::{Facts, SlotFacts};
use libupdate::slot::SlotState;

/// Gathers what an entry says. To be taken once.
#[derive(Default)]
pub struct Record(Mutex<State>);

#[derive(Default)]
struct State {
    verb: Option<&'static str>,
    known: Known,
    begun: Begun,
    taken: bool,
}

/// Whether the start is in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Begun {
    /// Not yet, or it could not be written.
    #[default]
    Not,
    /// It is.
    Written,
}

/// What is known of an act.
#[derive(Clone, Default, Debug)]
pub struct Known {
    /// The disk, as it was named or found.
    pub disk: Option<PathBuf>,
    /// The slot that ran.
    pub booted: Option<SlotId>,
    /// The slot that it changes, or would have changed.
    pub slot: Option<SlotId>,
    /// The version that was in that slot, and its state.
    pub from: Option<(Option<String>, SlotState)>,
    /// The version in that slot, or on its way into it.
    pub version: Option<String>,
    /// Its state after the act.
    pub to: Option<SlotState>,
    /// Bytes of the images, and those of them that were there already.
    pub bytes: Option<(u64, u64)>,
}

impl Record {
    /// The verb, if its acts are recorded.
    pub fn of(&self, verb: &'static str) {
        self.with(|state| state.verb = Some(verb));
    }

    /// The disk that the act works on.
    pub fn on(&self, disk: &Path) {
        self.with(|state| state.known.disk = Some(disk.to_owned()));
    }

    /// The act begins: nothing was written yet.
    pub fn begins(&self) {
        self.with(|state| {
            if let (Some(verb), Begun::Not, false) = (state.verb, state.begun, state.taken) {
                state.begun = super::begin(verb, &state.known);
            }
        });
    }

    /// It begins to change this slot.
    pub fn changes(&self, facts: &Facts<'_>, slot: SlotId) {
        self.with(|state| {
            state.known.is_of(facts, slot);
            state.known.version = state.known.from.as_ref().and_then(|(version, _)| version.clone());
        });
        self.begins();
    }

    /// It is to put this version into a slot of a disk that has none yet.
    pub fn means(&self, slot: SlotId, version: &str) {
        self.with(|state| (state.known.slot, state.known.version) = (Some(slot), Some(version.to_owned())));
    }

    /// It is about the pack of this name.
    #[cfg(feature = "live")]
    pub fn names(&self, pack: &str) {
        self.with(|state| state.known.version = Some(pack.to_owned()));
    }

    /// It begins to put this version into a slot.
    pub fn puts(&self, facts: &Facts<'_>, slot: SlotId, version: &str) {
        self.with(|state| {
            state.known.is_of(facts, slot);
            state.known.version = Some(version.to_owned());
        });
        self.begins();
    }

    /// What the slot is after the act.
    pub fn leaves(&self, facts: &Facts<'_>) {
        self.with(|state| {
            let slot = state.known.slot.and_then(|slot| facts.slot(slot).ok());
            state.known.to = slot.map(|slot| slot.state);
        });
    }

    /// How an installation ended: the slot, its version and state, bytes of the images and those of them that were there already.
    pub fn installed(&self, slot: SlotId, version: &str, state: SlotState, bytes: (u64, u64)) {
        self.with(|now| {
            now.known.slot = Some(slot);
            (now.known.version, now.known.to) = (Some(version.to_owned()), Some(state));
            now.known.bytes = Some(bytes);
        });
    }

    /// What is known, and whether the start is written; `None` where it was taken before.
    pub fn take(&self) -> Option<(Known, Begun)> {
        self.with(|state| {
            let first = !std::mem::replace(&mut state.taken, true);
            first.then(|| (std::mem::take(&mut state.known), state.begun))
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Known {
    fn is_of(&mut self, facts: &Facts<'_>, slot: SlotId) {
        let version = |facts: &SlotFacts| facts.installed.as_ref().map(|installed| installed.version.to_string());
        self.booted = facts.booted;
        self.slot = Some(slot);
        self.from = facts.slot(slot).ok().map(|facts| (version(facts), facts.state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_taken_once() {
        let record = Record::default();
        record.on(Path::new("/dev/x"));
        record.installed(SlotId::B, "1.2", SlotState::Trial, (7, 0));
        let (known, begun) = record.take().unwrap();
        assert_eq!((known.slot, known.version.as_deref(), known.bytes), (Some(SlotId::B), Some("1.2"), Some((7, 0))));
        assert_eq!((known.to, begun), (Some(SlotState::Trial), Begun::Not));
        assert!(record.take().is_none());
    }

    /// Neither a verb that changes nothing nor a disk image file begins anything.
    #[test]
    fn a_start_is_for_acts_on_devices() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let record = Record::default();
        record.on(file.path());
        record.begins();
        record.of("install");
        record.begins();
        assert_eq!(record.take().unwrap().1, Begun::Not);
    }
}
