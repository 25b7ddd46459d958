//! What is known of the act of this run, while it runs.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use libupdate::SlotId;
use libupdate::policy::SlotFacts;

/// Gathers what an entry says. To be taken once.
#[derive(Default)]
pub struct Record(Mutex<State>);

#[derive(Default)]
struct State {
    known: Known,
    taken: bool,
}

/// What is known of an act.
#[derive(Default, Debug)]
pub struct Known {
    /// The disk, as it was named or found.
    pub disk: Option<PathBuf>,
    /// The slot that it changes, or would have changed.
    pub slot: Option<SlotId>,
    /// The version in that slot, or on its way into it.
    pub version: Option<String>,
    /// Bytes of the images, and those of them that were there already.
    pub bytes: Option<(u64, u64)>,
}

impl Record {
    /// The disk that the act works on.
    pub fn on(&self, disk: &Path) {
        self.note(|known| known.disk = Some(disk.to_owned()));
    }

    /// The slot that it changes.
    pub fn changes(&self, facts: &SlotFacts) {
        self.note(|known| {
            known.slot = Some(facts.slot);
            known.version = facts.installed.as_ref().map(|installed| installed.version.to_string());
        });
    }

    /// What it puts into a slot.
    pub fn puts(&self, slot: SlotId, version: &str) {
        self.note(|known| (known.slot, known.version) = (Some(slot), Some(version.to_owned())));
    }

    /// Bytes of the images, and those of them that were there already.
    pub fn moved(&self, total: u64, kept: u64) {
        self.note(|known| known.bytes = Some((total, kept)));
    }

    /// What is known; `None` where it was taken before.
    pub fn take(&self) -> Option<Known> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = !std::mem::replace(&mut state.taken, true);
        first.then(|| std::mem::take(&mut state.known))
    }

    fn note(&self, note: impl FnOnce(&mut Known)) {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_taken_once() {
        let record = Record::default();
        record.on(Path::new("/dev/x"));
        record.puts(SlotId::B, "1.2");
        let known = record.take().unwrap();
        assert_eq!((known.slot, known.version.as_deref(), known.bytes), (Some(SlotId::B), Some("1.2"), None));
        assert!(record.take().is_none());
    }
}
