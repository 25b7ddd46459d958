//! The slots as the core sees them.

use libupdate::gpt::Successful;
use libupdate::inspect::Inspection;
use libupdate::policy::SlotFacts;
use libupdate::slot::{SlotState, Standing, TrailerSeen};

use super::RELEASES;
use crate::acts::model::{Seen, Slot};
use crate::bundles::Bundle;
use crate::machine::Machine;

/// The slots as the core sees them.
pub(super) fn observed(machine: &mut Machine) -> Vec<Slot> {
    let Inspection { facts, .. } = machine.inspect().expect("there is a table");
    let slot = |(number, facts): (usize, &SlotFacts)| {
        let manifest = facts.installed.as_ref().map(|installed| installed.digest);
        let seen = seen(facts);
        Slot {
            priority: facts.bits.priority.get(),
            tries: facts.bits.tries_left.get(),
            successful: facts.bits.successful == Successful::Yes,
            seen,
            asks: manifest.map(|manifest| machine.asks(number, manifest).expect("there is a table")),
            damaged: matches!(seen, Seen::Valid(release) if !holds(machine, number, release)),
        }
    };
    facts.slots.iter().enumerate().map(slot).collect()
}

/// Whether every image of the release is in the slot.
fn holds(machine: &Machine, slot: usize, release: usize) -> bool {
    let images = &RELEASES[release][machine.shape.roles - 1].images;
    images.iter().enumerate().all(|(role, image)| machine.holds(slot, role, image))
}

fn seen(facts: &SlotFacts) -> Seen {
    let Some(installed) = &facts.installed else { return without_trailer(facts) };
    let known = |release: &[Bundle; 2]| release.iter().any(|bundle| bundle.digest == installed.digest);
    Seen::Valid(RELEASES.iter().position(known).expect("a release"))
}

/// A slot without an authentic trailer: what its state says of it.
fn without_trailer(facts: &SlotFacts) -> Seen {
    let state = |seen| SlotState::of(facts.bits, seen, Standing::NotBooted);
    if [TrailerSeen::None, TrailerSeen::Mark].map(state).contains(&facts.state) { Seen::Nothing } else { Seen::Torn }
}
