//! What boots next: the slots of the boot order, judged as the boot hook judges them, by rules that stand in the core.

use libupdate::SlotId;
use libupdate::boot::{self, Boot, Guard, Unfit, unfit};
use libupdate::inspect::{self, Inspection};
use libupdate::region::trailer::TRAILER_BYTES;
use serde::Serialize;

use crate::bench::Bench;

/// What boots next, and what would if its trailer were in order.
pub struct Next {
    /// The first slot that may boot.
    pub boot: Option<Boot>,
    /// Those before it, and why they do not boot.
    pub passed_over: Vec<(SlotId, Unfit)>,
}

/// A slot that does not boot, in documents.
#[derive(Serialize)]
pub struct PassedOver {
    slot: String,
    reason: &'static str,
    detail: String,
}

impl Next {
    /// Reads the trailers of the slots in the boot order, until one may boot.
    pub fn of(bench: &mut Bench, survey: &Inspection<'_>, guard: Guard) -> Self {
        let mut passed_over = Vec::new();
        for boot in boot::order(&boot::candidates(&survey.slots), guard) {
            match judge(bench, survey, &boot) {
                Ok(()) => return Self { boot: Some(boot), passed_over },
                Err(unfit) => passed_over.push((boot.candidate.slot, unfit)),
            }
        }
        Self { boot: None, passed_over }
    }

    /// One line for each slot that is passed over.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.passed_over.iter().map(|(slot, unfit)| format!("slot {slot} is passed over: {} ({unfit})", unfit.reason()))
    }

    /// The same for programs.
    pub fn rows(&self) -> Vec<PassedOver> {
        let row = |(slot, unfit): &(SlotId, Unfit)| PassedOver {
            slot: slot.to_string(),
            reason: unfit.reason().word(),
            detail: unfit.to_string(),
        };
        self.passed_over.iter().map(row).collect()
    }
}

fn judge(bench: &mut Bench, survey: &Inspection<'_>, boot: &Boot) -> Result<(), Unfit> {
    let id = boot.candidate.slot;
    let slot = survey.slots.get(id).map_err(|_| Unfit::Unreadable)?;
    let mut trailer = Box::new([0; TRAILER_BYTES]);
    let view = bench.view;
    let (disk, memory) = bench.disk_and_memory();
    let found = inspect::trailer(disk, slot, &view, &mut trailer, [memory.block, memory.other]);
    let (verified, _) = found.map_err(|_| Unfit::Unreadable)?.fit()?;
    if !boot.kind.is_trial() {
        return Ok(());
    }
    unfit::above(verified.manifest().rollback_index(), survey.facts.lowest_index_beside(id))
}
