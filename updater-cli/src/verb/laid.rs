//! What `status` shows of packs and overlays, and what `mark-good` tells them.

use serde::Serialize;

use super::live::{Applied, Live, boots};
use super::overlay;
use super::pack::Packs;
use crate::output::Printable;
use crate::session::Session;

/// Packs and overlays of the system that runs.
#[derive(Serialize, Default)]
pub struct Laid {
    /// `None` where no pack is stored.
    packs: Option<Packs>,
    overlays: Vec<overlay::Row>,
    /// `None`: only what the slot holds runs.
    applied: Option<Applied>,
}

impl Laid {
    /// Those that there are.
    pub fn of(session: &Session) -> Self {
        Self { packs: Packs::in_status(session), overlays: overlay::rows(session), applied: Live::read().applied }
    }

    /// What runs has completed its boot, with what is laid over it.
    pub fn boot_is_good(session: &Session) {
        if let Err(failure) = boots::forget() {
            session.output.warn(&format!("packs and overlays will be turned off: {}", failure.why));
        }
    }

    /// For people; nothing where there is nothing.
    pub fn in_words(&self) -> String {
        let mut text = self.packs.as_ref().map_or_else(String::new, Packs::in_words);
        text.extend(self.overlays.iter().map(overlay::Row::in_words));
        if let Some(Applied { slot, version, .. }) = &self.applied {
            text += &format!(
                "version {} of slot {} is applied over /usr, until the next boot\n",
                Printable(version),
                Printable(slot)
            );
        }
        if text.is_empty() { text } else { text + "\n" }
    }
}
