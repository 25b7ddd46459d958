//! The writes that docs/POWER.md lists are those that the acts make.

use std::path::Path;

use tests::acts::Updater;
use tests::board::{Board, slot_id};
use tests::log_story::tell;
use tests::models::{PLAIN, SMALL};
use tests::scenario::Stage;
use tests::sim_disk::SimDisk;
use tests::tree;

/// Every act of one board, once: its name, and its writes.
fn written(board: &Board) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for scenario in Stage::new(board).scenarios() {
        let mut disk = SimDisk::new(scenario.start.clone());
        let done = Updater::new(board, scenario.booted.map(slot_id)).perform(&mut disk, scenario.act);
        assert!(done.is_ok(), "{}: {done:?}", scenario.name);
        let line = format!("{:28}{}", scenario.name, tell(board, scenario.start.blocks(), disk.log()));
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

#[test]
fn power_md_lists_the_writes_of_every_act() {
    let text = tree::text(Path::new("docs/POWER.md"));
    for model in [PLAIN, SMALL[1]] {
        let lines = written(&Board::new(model)).join("\n");
        assert!(text.contains(&lines), "docs/POWER.md lacks this block, of board {}:\n{lines}", model.name);
    }
}
