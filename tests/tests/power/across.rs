//! Cuts of power where one act follows on another that was killed, or whose flush failed, with the drive's cache as it was left.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tests::acts::Act;
use tests::board::{Board, Model};
use tests::chance::Chance;
use tests::crash::{Effort, Grain, Tears};
use tests::lab::across::{Cache, Chain, Stop, followers};
use tests::lab::{Lab, Scale};
use tests::models::{LARGE, SMALL};
use tests::scenario::{Scenario, Stage};
use tests::seen::Seen;
use tests::sim_disk::Flushes;
use tests::tally::Tally;

/// Chains of three acts, drawn for each board.
const THREE_DEEP: usize = 2000;

const fn scale(samples: usize, tears: Tears) -> Scale {
    Scale { effort: Effort { samples, tears, grain: Grain::Coarse }, recoveries: [0; 3], next_install: 1 }
}

/// Every way to end the first act early.
fn stops((writes, flushes): (usize, usize)) -> Vec<Stop> {
    (0..=writes + flushes).map(Stop::Killed).chain((0..flushes).map(Stop::FlushFails)).collect()
}

/// Acts that leave a table which was there before: a disk that is being provisioned boots nothing yet.
fn scenarios(board: &Board) -> Vec<Scenario> {
    let mut all = Stage::new(board).scenarios();
    all.retain(|scenario| !matches!(scenario.act, Act::Provision(_)));
    all
}

/// Every first act, ended in every way, with every second one; and chains of three that are drawn.
fn run(model: Model, chance: &Chance, seen: &Seen, flushes: Flushes) -> [Tally; 2] {
    let board = Board::new(model);
    let mut lab = Lab::new(&board, seen, scale(4, Tears::Inside), chance);
    let mut chance = chance.named(model.name);
    let (all, followers) = (scenarios(&board), followers());
    let (mut two, mut three) = (Tally::default(), Tally::default());
    // Long acts are ended at a part of their accesses, another one on each board.
    for scenario in &all {
        let mut stops = stops(lab.accesses(scenario));
        while stops.len() > 12 {
            stops.swap_remove(chance.below(stops.len()));
        }
        for stop in stops {
            for last in &followers {
                let cache = if chance.below(4) == 0 { Cache::Dropped } else { Cache::Kept };
                two.add(lab.across(&Chain { scenario, stop: (stop, cache), between: None, last: *last, flushes }));
            }
        }
    }
    for _ in 0..THREE_DEEP {
        let scenario = &all[chance.below(all.len())];
        let stops = stops(lab.accesses(scenario));
        let (first, between) = (stops[chance.below(stops.len())], followers[chance.below(followers.len())]);
        let second =
            if chance.below(2) == 0 { Stop::Killed(chance.below(9)) } else { Stop::FlushFails(chance.below(4)) };
        let cache = if chance.below(4) == 0 { Cache::Dropped } else { Cache::Kept };
        let last = followers[chance.below(followers.len())];
        let chain = Chain { scenario, stop: (first, cache), between: Some((between, second)), last, flushes };
        three.add(lab.across(&chain));
    }
    [two, three]
}

fn print(name: &str, tally: &Tally) {
    let Tally { runs, act, unbootable, mixed, foreign, .. } = tally;
    let images: usize = act.iter().sum();
    eprintln!("result: {name:14}{runs:>9}{images:>10}{foreign:>10}{unbootable:>6}{mixed:>6}");
}

#[test]
fn an_act_that_follows_on_one_that_was_ended_leaves_a_table() {
    let models: Vec<Model> = LARGE
        .into_iter()
        .rev()
        .chain(SMALL)
        .filter(|model| model.roles.iter().all(|(_, blocks)| *blocks < 100))
        .collect();
    let (next, all) = (AtomicUsize::new(0), Mutex::new([Tally::default(), Tally::default()]));
    let (chance, seen) = (Chance::new(2026), Seen::default());
    let work = || {
        while let Some(model) = models.get(next.fetch_add(1, Ordering::Relaxed)) {
            let [two, three] = run(*model, &chance, &seen, Flushes::Honest);
            let mut all = all.lock().expect("no thread panics with the tallies");
            all[0].add(two);
            all[1].add(three);
        }
    };
    std::thread::scope(|scope| {
        let processors = std::thread::available_parallelism().map_or(2, |number| number.get());
        (0..processors).for_each(|_| drop(scope.spawn(work)));
    });
    let [two, three] = all.into_inner().expect("no thread panics with the tallies");
    eprintln!(
        "\nresult: acts on a disk whose cache an earlier act left: chains, images, shown to other readers, dead, mixed"
    );
    print("two acts", &two);
    print("three acts", &three);
    let acts = scenarios(&Board::new(SMALL[0])).len();
    eprintln!(
        "result: coverage: {acts} acts x {} followers x {} boards x cache kept, dropped; {} distinct images",
        followers().len(),
        models.len(),
        seen.count()
    );
    assert!(two.is_sound() && three.is_sound(), "{:#?}{:#?}", two.told, three.told);
    assert!(two.runs > 20_000 && three.runs >= 7 * THREE_DEEP && two.foreign > 100_000, "{two:?}");
}

/// The laboratory is alive: a process that takes the cache for empty, as each did once, leaves disks without a table.
#[test]
fn a_process_that_takes_the_cache_for_empty_is_caught() {
    for model in [SMALL[0], SMALL[1]] {
        let board = Board::new(model);
        let seen = Seen::default();
        let mut lab = Lab::new(&board, &seen, scale(4, Tears::Never), &Chance::new(1));
        let (all, followers) = (scenarios(&board), followers());
        let (mut caught, mut pairs) = (0, 0);
        for scenario in
            all.iter().filter(|scenario| ["mark-good", "activate", "spend, on trial"].contains(&scenario.name))
        {
            for last in &followers {
                let mut tally = Tally::default();
                for stop in stops(lab.accesses(scenario)) {
                    let chain = Chain {
                        scenario,
                        stop: (stop, Cache::Kept),
                        between: None,
                        last: *last,
                        flushes: Flushes::NotTheFirst,
                    };
                    tally.add(lab.across(&chain));
                }
                pairs += 1;
                caught += usize::from(tally.unbootable > 0);
            }
        }
        eprintln!(
            "result: {}: without the first flush of each process: {caught} of {pairs} pairs of acts lose the table",
            model.name
        );
        assert!(caught * 3 > pairs, "{}: only {caught} of {pairs} are caught", model.name);
    }
}
