//! Cuts of power, in every act, at every write; in the recovery from each, at every write; and again in that one's.
//!
//! `POWER_EFFORT=N` does N times as much, `POWER_SEED=N` draws other samples.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tests::board::{Board, Model};
use tests::chance::Chance;
use tests::crash::{Effort, Grain, Tears};
use tests::lab::{Lab, Scale};
use tests::models::{LARGE, SMALL};
use tests::scenario::Stage;
use tests::seen::Seen;
use tests::tally::Tally;

/// Distinct crash images that a run must judge at least.
const STATES: usize = 1_000_000;

/// Acts in the order of their scenarios, with what was counted on all boards.
type Rows = Vec<(&'static str, Tally)>;

fn number(variable: &str, usual: usize) -> usize {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")),
        Err(_) => usual,
    }
}

fn scale(model: &Model, effort: usize) -> Scale {
    let recoveries = if LARGE.iter().any(|large| large.name == model.name) { [60, 1, 0] } else { [250, 2, 0] };
    Scale {
        effort: Effort { samples: 20 * effort, tears: Tears::Lost, grain: Grain::Fine },
        recoveries: [recoveries[0] * effort, recoveries[1], usize::from(effort > 1)],
        next_install: 10,
    }
}

/// Every scenario of every board, on all processors.
fn run_all(effort: usize, seen: &Seen, chance: &Chance) -> Rows {
    // The large boards first, so that no processor is left with one at the end.
    let models: Vec<Model> = LARGE.into_iter().rev().chain(SMALL).collect();
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(Rows::new()));
    let work = || {
        while let Some(model) = models.get(next.fetch_add(1, Ordering::Relaxed)) {
            let board = Board::new(*model);
            let mut lab = Lab::new(&board, seen, scale(model, effort), chance);
            for scenario in Stage::new(&board).scenarios() {
                let tally = lab.run(&scenario);
                add(&mut rows.lock().expect("no thread panics with the rows"), scenario.name, model, tally);
            }
        }
    };
    std::thread::scope(|scope| {
        let processors = std::thread::available_parallelism().map_or(2, |number| number.get());
        (0..processors).for_each(|_| drop(scope.spawn(work)));
    });
    rows.into_inner().expect("no thread panics with the rows")
}

fn add(rows: &mut Rows, name: &'static str, model: &Model, mut tally: Tally) {
    for told in &mut tally.told {
        *told = format!("{}, {name}: {told}", model.name);
    }
    match rows.iter_mut().find(|(known, _)| *known == name) {
        Some((_, row)) => row.add(tally),
        None => rows.push((name, tally)),
    }
}

fn print(rows: &Rows) {
    let head = ["writes", "flushes", "cuts", "old", "between", "new", "again", "their cuts", "once more"];
    let [writes, flushes, cuts, old, between, new, again, states, more] = head;
    eprintln!(
        "\nresult: crash images of each act, and of the recoveries from them; old, between and new as the table says"
    );
    eprintln!(
        "result: {:23}{:>5}{writes:>8}{flushes:>8}{cuts:>6}{old:>8}{between:>9}{new:>7}{again:>8}{more:>10}{states:>11}{:>9}{:>5}{:>7}{:>6}",
        "act", "runs", "installs", "dead", "mixed", "stuck"
    );
    let mut all = Tally::default();
    for (name, tally) in rows.iter().map(|(name, tally)| (*name, tally.clone())) {
        print_row(name, &tally);
        all.add(tally);
    }
    print_row("all", &all);
}

fn print_row(name: &str, tally: &Tally) {
    let Tally { runs, writes, flushes, cuts, act, recoveries, recovery, installs, unbootable, mixed, stuck, .. } =
        tally;
    let [old, between, new] = act;
    let [again, more @ ..] = recoveries;
    let more: usize = more.iter().sum();
    eprintln!(
        "result: {name:23}{runs:>5}{writes:>8}{flushes:>8}{cuts:>6}{old:>8}{between:>9}{new:>7}{again:>8}{more:>10}{recovery:>11}\
         {installs:>9}{unbootable:>5}{mixed:>7}{stuck:>6}"
    );
}

#[test]
fn every_act_under_every_cut() {
    let (effort, seed) = (number("POWER_EFFORT", 1), number("POWER_SEED", 2026));
    let (started, seen) = (Instant::now(), Seen::default());
    let chance = Chance::new(u64::try_from(seed).expect("a number of 64 bits"));
    let rows = run_all(effort, &seen, &chance);
    print(&rows);
    let mut all = Tally::default();
    rows.into_iter().for_each(|(_, tally)| all.add(tally));
    for told in &all.told {
        eprintln!("result: {told}");
    }
    eprintln!(
        "result: {} verdicts, seed {seed}, effort {effort}, {:.0} s; recoveries that needed help: {}",
        all.verdicts,
        started.elapsed().as_secs_f64(),
        all.stuck
    );
    eprintln!("result: cut states: {}, unbootable: {}, mixed: {}", seen.count(), all.unbootable, all.mixed);
    assert!(all.is_sound(), "{:#?}", all.told);
    assert!(seen.count() >= STATES, "only {} cut states", seen.count());
}
