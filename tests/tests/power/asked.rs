//! Whether a slot may start is asked before its try is spent, and nothing of a slot that may not is written.

use tests::acts::{Ending, Updater};
use tests::board::{Board, slot_id};
use tests::medium::{Medium, Zone};
use tests::models::PLAIN;
use tests::scenario::Stage;
use tests::sim_disk::{Event, SimDisk};

#[test]
fn a_slot_that_cannot_start_keeps_its_try_and_the_next_one_boots() {
    let board = Board::new(PLAIN);
    let mut all = Stage::new(&board).scenarios().into_iter();
    let start = all.find(|scenario| scenario.name == "spend, on trial").expect("there is such a scenario").start;
    let [a, b] = [0, 1].map(slot_id);
    let mut updater = Updater::new(&board, None);
    let states =
        |start: &Medium| Updater::new(&board, None).states(&mut SimDisk::new(start.clone())).expect("it works");
    let before = states(&start);
    let mut disk = SimDisk::new(start);
    assert_eq!(updater.boot_beside(&mut disk, b).expect("the disk works"), Ending::Boots(Some(a)));
    assert_eq!(states(&disk.content())[1], before[1]);
    let content = disk.content();
    let of_b = |event: &&Event| matches!(event, Event::Write(at, _) if content.zone_of(*at) == Zone::of_slot(1));
    assert_eq!(disk.log().iter().filter(of_b).count(), 0, "a slot that cannot start is written");
    // Its try is there for whoever can start it.
    assert_eq!(updater.boot_beside(&mut disk, a).expect("the disk works"), Ending::Boots(Some(b)));
}
