//! What failed is not forgotten by a cut: while an installation takes over a slot whose tries ran out, or that failed, the old release
//! is never found complete and untried, which `activate` would arm.

use libupdate::slot::SlotState;
use tests::acts::Updater;
use tests::board::{Board, slot_id};
use tests::chance::Chance;
use tests::crash::{Effort, Grain, Tears, windows};
use tests::models::{PLAIN, SMALL};
use tests::scenario::Stage;
use tests::sim_disk::SimDisk;

/// The slot that is written, and the release that failed in it.
const TARGET: usize = 1;
const FAILED: Option<usize> = Some(0);

#[test]
fn no_cut_makes_a_failed_release_look_untried() {
    let effort = Effort { samples: 50, tears: Tears::Lost, grain: Grain::Coarse };
    for model in [PLAIN, SMALL[1]] {
        let board = Board::new(model);
        let names = ["install over exhausted", "install over failed"];
        let all = Stage::new(&board).scenarios();
        let taken: Vec<_> = all.iter().filter(|scenario| names.contains(&scenario.name)).collect();
        assert_eq!(taken.len(), names.len());
        for scenario in taken {
            let mut disk = SimDisk::new(scenario.start.clone());
            let mut updater = Updater::new(&board, scenario.booted.map(slot_id));
            updater.perform(&mut disk, scenario.act).expect("the disk works");
            let mut seen = Vec::new();
            for window in &mut windows(&scenario.start, disk.log()) {
                window.cuts(effort, &mut Chance::new(1), &mut |cut| {
                    let states = updater.states(&mut SimDisk::new(cut.medium())).expect("the table can be read");
                    let found = states[TARGET];
                    assert!(found != (SlotState::Staged, FAILED), "{}: {}: {}", model.name, scenario.name, cut.story());
                    if !seen.contains(&found.0) {
                        seen.push(found.0);
                    }
                });
            }
            assert!(seen.contains(&SlotState::Failed) && seen.contains(&SlotState::Trial), "{seen:?}");
        }
    }
}
