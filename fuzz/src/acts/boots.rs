//! What a boot that nothing disturbed says of itself.

use libupdate::boot::{Kind, Reason};
use libupdate::device::Booted;

use super::RELEASES;
use super::life::Life;
use super::model::{Model, Seen};
use crate::machine::{Boot, Start};

impl Life {
    /// The slots that were tried are those that the rules try, and each start had its try spent and durable.
    pub(super) fn check_boot(&mut self, boot: &Boot, end: &Model, told: &str) {
        let Boot { booted, starts } = boot;
        assert_eq!(booted.as_ref().map(|booted| booted.step.slot().index()), end.booted, "{told}: the slot");
        if let Some(booted) = booted {
            self.check_booted(booted, told);
        }
        for start in starts {
            let before = self.model.slots[start.slot];
            let counted = !before.successful || self.model.guard > 0 && before.tries > 0;
            let tries = before.tries - u8::from(counted);
            let asks = !before.successful && before.asks == Some(true);
            let durable = start.durable || counted;
            assert_eq!(*start, Start { tries, asks, durable, ..*start }, "{told}: {before:?}");
            if let Some(reason) = start.refused {
                self.check_note(start.slot, reason, told);
            }
        }
        let started = starts.iter().filter(|start| start.refused.is_none()).map(|start| start.slot);
        assert!(started.eq(end.booted), "{told}: others started");
    }

    fn check_booted(&self, booted: &Booted<()>, told: &str) {
        let slot = booted.step.slot().index();
        let suspect = matches!(booted.step, libupdate::boot::Step::Chosen(boot) if boot.kind == Kind::Suspect);
        assert_eq!(suspect, self.model.is_suspect(slot), "{told}");
        let Seen::Valid(release) = self.model.slots[slot].seen else { panic!("{told}: it holds nothing") };
        assert_eq!(booted.manifest, RELEASES[release][self.machine.shape.roles - 1].digest, "{told}");
    }

    /// A slot that is passed over, or marked bad, says why.
    pub(super) fn check_note(&mut self, slot: usize, reason: Reason, told: &str) {
        let note = self.machine.note(slot).expect("there is a table");
        let note = note.unwrap_or_else(|| panic!("{told}: there is no note on slot {slot}"));
        assert_eq!(note.reason, reason, "{told}: the note is {note:?}");
    }
}
