//! A log as a whole: commit after commit by the rules, and nothing written that is none of the act's business.

use super::Lab;
use crate::acts::Act;
use crate::crash::windows;
use crate::medium::{Medium, Zone};
use crate::rules::{Bits, Step, explain};
use crate::sim_disk::Event;
use crate::tally::Tally;
use crate::verdict::Sight;

impl Lab<'_> {
    /// Holds every commit of a log against the rules, and its writes against the places that are the act's. Returns the steps.
    pub(super) fn chain(&mut self, start: &Medium, log: &[Event], act: Act, tally: &mut Tally) -> Vec<Step> {
        let windows = windows(start, log);
        if windows.last().is_some_and(|window| window.sectors() > 0) {
            tally.mixed(format!("{act:?} says that it is done, and something is not flushed"));
        }
        let mut steps = Vec::new();
        for window in &windows {
            let (before, after) = (self.look(window.durable()), self.look(&window.end()));
            match self.step(&before, &after, act) {
                Ok(step) => steps.extend(step),
                Err(why) => tally.mixed(format!("{act:?}: {why}")),
            }
        }
        if let Some(lba) = self.trespass(log) {
            tally.mixed(format!("{act:?} writes to sector {lba}, which is none of its business"));
        }
        steps
    }

    /// The step from one durable state to the next, `None` where the table means the same.
    fn step(&self, before: &Sight, after: &Sight, act: Act) -> Result<Option<Step>, String> {
        if before.table == after.table {
            return Ok(None);
        }
        let Some(new) = &after.table else {
            let provision = matches!(act, Act::Provision(_));
            return if provision { Ok(None) } else { Err("the table is gone".to_owned()) };
        };
        let clean = new.bits.iter().all(|bits| *bits == Bits(0, 0, 0));
        let old = match &before.table {
            _ if matches!(act, Act::Provision(_)) && clean => return Ok(None),
            None => return Err("there was no table".to_owned()),
            Some(old) => old,
        };
        if old.foreign != new.foreign {
            return Err("foreign bits, other entries or the header changed".to_owned());
        }
        if old.last_usable != new.last_usable {
            let moved = !act.is_boot() && old.bits == new.bits;
            return if moved { Ok(None) } else { Err("the usable range changed".to_owned()) };
        }
        let steps = explain(&old.bits, &new.bits, self.board.tries);
        let chosen = before.boots.map(|(slot, _)| slot);
        // A boot that goes on to the next slot spends that one's try, too.
        let passes_over = matches!(act, Act::BootWithout(_));
        let allowed = |step: &&Step| passes_over || !matches!(step, Step::Spend(slot) if Some(*slot) != chosen);
        let step = steps.iter().find(allowed).copied();
        step.map(Some).ok_or_else(|| format!("no rule leads from {:?} to {:?}", old.bits, new.bits))
    }

    /// A sector outside slots and table that was written: foreign partitions, gaps.
    fn trespass(&self, log: &[Event]) -> Option<u64> {
        let table = &self.board.table;
        let last = table.partitions.last().map_or(0, |data| data.last);
        let start = table.partitions.first().map_or(0, |esp| esp.first);
        let strange = |lba: &u64| (start..=last).contains(lba) && self.board.zone_of(*lba) == Zone::TABLE;
        let written = log.iter().filter_map(|event| match event {
            Event::Write(first, sectors) => Some((*first..).take(sectors.len())),
            _ => None,
        });
        written.flatten().find(strange)
    }
}
