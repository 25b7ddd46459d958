//! The slots as the core sees them. What a slot holds is looked at again only when its sectors are others: signatures take time.

use libupdate::gpt::{SlotBits, Successful};
use libupdate::policy::SlotFacts;
use libupdate::slot::{SlotState, Standing, TrailerSeen};
use tests::medium::Zone;

use super::RELEASES;
use crate::acts::model::{Seen, Slot};
use crate::bundles::Bundle;
use crate::machine::Machine;

/// What the sectors of each slot were when they were looked at, and what they held.
#[derive(Default)]
pub(super) struct Sight {
    sectors: [u128; 3],
    seen: Vec<Seen>,
}

impl Sight {
    /// The slots, now.
    pub(super) fn slots(&mut self, machine: &mut Machine) -> Vec<Slot> {
        let sectors = identities(machine);
        if self.seen.is_empty() || self.sectors != sectors {
            let facts = machine.inspect().expect("there is a table").facts;
            *self = Self { sectors, seen: facts.slots.iter().map(seen).collect() };
        }
        let bits = machine.bits().expect("there is a table");
        bits.into_iter()
            .zip(&self.seen)
            .enumerate()
            .map(|(number, (bits, seen))| slot(machine, number, bits, *seen))
            .collect()
    }
}

fn slot(machine: &mut Machine, number: usize, bits: SlotBits, seen: Seen) -> Slot {
    let mut slot = Slot {
        priority: bits.priority.get(),
        tries: bits.tries_left.get(),
        successful: bits.successful == Successful::Yes,
        seen,
        asks: None,
        damaged: false,
    };
    if let Seen::Valid(release) = seen {
        let digest = RELEASES[release][machine.shape.roles - 1].digest;
        slot.asks = Some(machine.asks(number, digest).expect("there is a table"));
        slot.damaged = !holds(machine, number, release);
    }
    slot
}

/// What each slot's sectors hold, as a number.
pub(super) fn identities(machine: &Machine) -> [u128; 3] {
    let identity = machine.disk.content().identity();
    [0, 1, 2].map(|slot| identity.zone(Zone::of_slot(slot)))
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
