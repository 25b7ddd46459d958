//! `apply-live` up to the mount, which a kernel with device-mapper does: `tests/tests/boot/apply_live.rs`. What it refuses changes nothing.

use libupdate::BlockSize;
use tests::answer::{Answer, Exit};
use tests::loop_board::Board;

fn apply(board: &Board, words: &[&str]) -> Answer {
    board.run(&[&["--booted", "a", "apply-live"], words].concat())
}

#[test]
fn without_another_version_there_is_nothing_to_apply() {
    let board = Board::new(BlockSize::B512);
    apply(&board, &[]).exits(Exit::Refused).says("no other slot holds a version that could be applied");
    apply(&board, &["--reset"]).exits(Exit::Nothing).says("nothing is applied");
    board.run(&["--booted", "a", "install", &board.device.workshop.bundle_text(2)]).exits(Exit::Done);
    board.run(&["--booted", "b", "mark-bad", "--reason", "camera"]).exits(Exit::Done);
    apply(&board, &["--dry-run"]).exits(Exit::Refused).says("no other slot holds a version that could be applied");
    apply(&board, &["--reset", "--force"]).exits(Exit::Usage);
    apply(&board, &["--restart-services=never"]).exits(Exit::Usage);
    apply(&board, &["--health-timeout", "0"]).exits(Exit::Usage);
    let file = board.device.disk().display().to_string();
    board
        .run_on(&["--disk", &file], "true", &["apply-live"])
        .exits(Exit::Usage)
        .says("no system runs from a disk image file");
}

/// Whatever is in the slot is judged by its signatures before it is mounted.
#[test]
fn a_slot_that_is_not_authentic_is_not_mounted() {
    let board = Board::new(BlockSize::B512);
    board.run(&["--booted", "a", "install", "--no-activate", &board.device.workshop.bundle_text(2)]).exits(Exit::Done);
    let status = board.run(&["--booted", "a", "status", "--json"]).exits(Exit::Done).json();
    let partition = &status["slots"][1]["partitions"][0];
    let number = |name: &str| partition[name].as_u64().expect("it is a number");
    let end = (number("start_bytes") + number("size_bytes")) / 4096 * 4096;
    board.device.flip(end - (64 << 10) + 100);
    for words in [&["--dry-run"][..], &[], &["--force"]] {
        apply(&board, words).exits(Exit::Refused).says("no other slot holds a version that could be applied");
    }
}
