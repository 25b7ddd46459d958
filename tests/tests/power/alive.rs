//! The laboratory is alive: writers in the wrong order, and drives that lie, are caught. And what is not a cut: accesses that fail, a
//! backup that cannot be written.

use tests::acts::Updater;
use tests::board::{Board, slot_id};
use tests::chance::Chance;
use tests::crash::{Effort, Grain, Tears};
use tests::lab::{Lab, Scale};
use tests::medium::Medium;
use tests::models::{LARGE, PLAIN, SMALL};
use tests::scenario::{Scenario, Stage};
use tests::seen::Seen;
use tests::sim_disk::{Event, Faults, SimDisk};
use tests::tally::Tally;
use tests::wrong_writer::{Installation, table_in_order};

/// Sectors are atomic: what fails here fails on the best of drives.
const ATOMIC: Scale = scale(Tears::Never);

const fn scale(tears: Tears) -> Scale {
    Scale { effort: Effort { samples: 100, tears, grain: Grain::Coarse }, recoveries: [0; 3], next_install: 20 }
}

fn scenario(board: &Board, name: &str) -> Scenario {
    let mut all = Stage::new(board).scenarios().into_iter();
    all.find(|scenario| scenario.name == name).expect("there is such a scenario")
}

/// What the act of a scenario does on a disk that works, and the disk afterwards.
fn recorded(board: &Board, scenario: &Scenario) -> (Vec<Event>, Medium) {
    let mut disk = SimDisk::new(scenario.start.clone());
    let done = Updater::new(board, scenario.booted.map(slot_id)).perform(&mut disk, scenario.act);
    assert!(done.is_ok(), "{done:?}");
    let end = disk.content();
    (disk.into_log(), end)
}

/// Crash images of the table change of `name`, written in this order.
fn cut_in_order(name: &str, order: &str) -> Tally {
    let board = Board::new(PLAIN);
    let scenario = scenario(&board, name);
    let (_, end) = recorded(&board, &scenario);
    let log = table_in_order(&board, &scenario.start, &end, order);
    Lab::new(&board, &Seen::default(), ATOMIC, &Chance::new(1)).only_cut(&scenario.start, &log)
}

const CHANGES: [&str; 4] = ["activate", "spend, on trial", "mark-bad", "rollback"];

#[test]
fn flatcars_cgpt_is_caught() {
    for name in CHANGES {
        // Both headers first: after them neither copy's entries are what its header says.
        assert!(cut_in_order(name, "H1 H2 E1 E2 |").unbootable > 0, "{name}");
    }
}

#[test]
fn the_gpt_crate_is_caught() {
    for name in CHANGES {
        assert!(cut_in_order(name, "E1 E2 H2 H1 |").unbootable > 0, "{name}");
    }
}

#[test]
fn writers_without_a_barrier_between_the_copies_are_caught() {
    for order in ["H1 E1 H2 E2 |", "H2 E2 H1 E1 |", "E2 H2 H1E1 |"] {
        assert!(cut_in_order("activate", order).unbootable > 0, "{order}");
    }
}

#[test]
fn orders_with_a_barrier_are_not_caught() {
    for name in CHANGES {
        for order in ["E2 H2 | H1E1 |", "E2 H2 | H1 | E1 |", "H1 E1 | H2 E2 |", "E1 | H1 | E2 | H2 |"] {
            let tally = cut_in_order(name, order);
            assert!(tally.is_sound(), "{name}, {order}: {:?}", tally.told);
        }
    }
}

#[test]
fn an_installer_in_the_wrong_order_is_caught() {
    for model in SMALL {
        let board = Board::new(model);
        let scenario = scenario(&board, "install over older");
        let (log, _) = recorded(&board, &scenario);
        let cut = |log: Vec<Event>| {
            Lab::new(&board, &Seen::default(), ATOMIC, &Chance::new(1)).only_cut(&scenario.start, &log)
        };
        let installation = Installation::of(&board, &log);
        assert!(cut(installation.in_order()).is_sound(), "{}", model.name);
        assert!(cut(installation.without_disarming()).mixed > 0, "{}: not disarmed", model.name);
        assert!(cut(installation.armed_before_the_trailer()).mixed > 0, "{}: armed before the trailer", model.name);
        assert!(cut(installation.armed_before_the_flush()).mixed > 0, "{}: armed before the flush", model.name);
    }
}

/// Which flush of an installation carries what: without it, this many crash images are not sound.
#[test]
fn each_flush_is_left_out_in_turn() {
    eprintln!(
        "\nresult: an installation over an older release without one of its flushes: images that are dead, mixed"
    );
    for model in [PLAIN, SMALL[1]] {
        let board = Board::new(model);
        let scenario = scenario(&board, "install over older");
        let (log, _) = recorded(&board, &scenario);
        let flushes = log.iter().filter(|event| matches!(event, Event::Flush)).count();
        let mut caught = 0;
        for number in 0..flushes {
            let log = Installation::without_flush(&log, number);
            let tally = Lab::new(&board, &Seen::default(), ATOMIC, &Chance::new(1)).only_cut(&scenario.start, &log);
            caught += usize::from(!tally.is_sound());
            let (name, dead, mixed) = (model.name, tally.unbootable, tally.mixed);
            eprintln!("result: {name:6} flush {} of {flushes}{dead:>8}{mixed:>8}", number + 1);
        }
        assert!(caught >= 2, "{}: only {caught} of {flushes} flushes matter", model.name);
    }
}

/// No promise is made for a drive that says that it has flushed and has not. What is lost is counted.
#[test]
fn a_drive_that_lies_is_counted_apart() {
    eprintln!("\nresult: a drive whose flushes do nothing, no promise: images, of them dead, mixed");
    let board = Board::new(PLAIN);
    let (mut dead, mut mixed) = (0, 0);
    for scenario in Stage::new(&board).scenarios() {
        let tally = Lab::new(&board, &Seen::default(), ATOMIC, &Chance::new(1)).lie(&scenario);
        eprintln!("result: {:24}{:>9}{:>8}{:>8}", scenario.name, tally.verdicts, tally.unbootable, tally.mixed);
        (dead, mixed) = (dead + tally.unbootable, mixed + tally.mixed);
    }
    assert!(dead > 0 && mixed > 0, "a drive that lies costs something, or the laboratory is blind");
}

/// A backup that takes no write: a boot warns and goes on, the primary carries its change alone; every other act ends with nothing changed.
#[test]
fn without_a_backup_the_disk_still_boots() {
    eprintln!("\nresult: a backup that cannot be written: images, of them dead, mixed");
    for scenario in CHANGES.into_iter().chain(["install over older", "mark-good", "install, fresh"]) {
        let mut all = Tally::default();
        for model in SMALL {
            let board = Board::new(model);
            let seen = Seen::default();
            let mut lab = Lab::new(&board, &seen, scale(Tears::Lost), &Chance::new(1));
            all.add(lab.without_backup(&self::scenario(&board, scenario)));
        }
        eprintln!("result: {scenario:24}{:>9}{:>8}{:>8}", all.verdicts, all.unbootable, all.mixed);
        assert!(all.is_sound(), "{scenario}: {:?}", all.told);
    }
}

/// Every access of every act fails once, each kind in turn; the act fails with it or does without; what is left is recovered.
#[test]
fn an_access_that_fails_costs_nothing_but_the_act() {
    eprintln!("\nresult: one access fails: runs, images cut out of failed acts, recoveries, dead, mixed, stuck");
    let models = [SMALL[0], SMALL[1], SMALL[3], LARGE[0]];
    let mut all = Tally::default();
    for model in models {
        let board = Board::new(model);
        let seen = Seen::default();
        let scale = Scale { recoveries: [8, 0, 0], ..scale(Tears::Never) };
        let mut lab = Lab::new(&board, &seen, scale, &Chance::new(1));
        for scenario in Stage::new(&board).scenarios() {
            let mut disk = SimDisk::new(scenario.start.clone());
            let done = Updater::new(&board, scenario.booted.map(slot_id)).perform(&mut disk, scenario.act);
            assert!(done.is_ok() || scenario.act.is_boot(), "{done:?}");
            let accesses = disk.accesses();
            let reads = (0..accesses.reads).map(|at| Faults { read: Some(at), ..Faults::default() });
            let writes = (0..accesses.writes).map(|at| Faults { write: Some(at), ..Faults::default() });
            let flushes = (0..accesses.flushes).map(|at| Faults { flush: Some(at), ..Faults::default() });
            reads.chain(writes).chain(flushes).for_each(|faults| all.add(lab.fail(&scenario, faults)));
        }
    }
    let Tally { runs, verdicts, recoveries, unbootable, mixed, stuck, .. } = &all;
    let [.., recovered] = recoveries;
    eprintln!("result: {runs:>8}{verdicts:>9}{recovered:>8}{unbootable:>5}{mixed:>5}{stuck:>5}");
    all.told.truncate(12);
    assert!(all.is_sound(), "{:#?}", all.told);
}
