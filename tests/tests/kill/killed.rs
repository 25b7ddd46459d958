//! The real program, killed: at random moments, and at each write and flush it makes. No hook in the product.
//!
//! `KILLS=N` asks for more random moments, `KILL_SEED=N` for the same ones again, as far as the machine's clock lets them be.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use tests::answer::Exit;
use tests::chance::Chance;
use tests::cli::Running;
use tests::kill_site::{Mended, Site};
use tests::strace::{self, Deed, When, disturbed};

/// Kills at random moments.
const KILLS: usize = 300;
/// Sites that are worked on at once.
const SITES: usize = 2;
const SIGKILL: i32 = 9;

fn seed() -> u64 {
    match std::env::var("KILL_SEED") {
        Ok(text) => text.parse().expect("KILL_SEED is a number"),
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs(),
    }
}

/// Microseconds that an installation takes here and now, which nothing happens to.
fn undisturbed(site: &Site) -> usize {
    let took = |_| {
        site.refresh();
        let started = Instant::now();
        drop(site.install().run().exits(Exit::Done));
        usize::try_from(started.elapsed().as_micros()).expect("a short time")
    };
    (0..3).map(took).max().expect("three times")
}

/// Starts an installation and kills it some time later. Whether it was still there.
fn killed_after(site: &Site, time: Duration) -> bool {
    let running = site.install().start();
    thread::sleep(time);
    ended_by_kill(running)
}

/// The same with the bundle in a pipe, killed some time after so much of it was read: a moment in the middle, however fast the disk is.
fn killed_while_fed(site: &Site, part: &[u8], time: Duration) -> bool {
    let mut running = site.device.cli(&["install", "-", "--json"]).start();
    running.feed(part);
    thread::sleep(time);
    ended_by_kill(running)
}

fn ended_by_kill(running: Running) -> bool {
    running.signal(Signal::KILL);
    let answer = running.wait_with_stdin_open();
    assert!(matches!(answer.code(), None | Some(0 | 7)), "{answer}");
    answer.code().is_none()
}

#[derive(Default, Debug)]
struct Tally {
    kills: usize,
    too_late: usize,
    installs: usize,
    with_data: usize,
    complete: usize,
    wrote: u64,
    whole: u64,
    took: usize,
}

impl Tally {
    fn count(&mut self, mended: Mended, whole: u64) {
        self.installs += 1;
        if mended.there > 0 && mended.there < mended.chunks {
            self.with_data += 1;
            self.wrote += mended.written;
            self.whole += whole;
        }
        self.complete += usize::from(mended.there == mended.chunks);
    }

    fn add(mut self, other: &Self) -> Self {
        self.kills += other.kills;
        self.too_late += other.too_late;
        self.installs += other.installs;
        self.with_data += other.with_data;
        self.complete += other.complete;
        self.wrote += other.wrote;
        self.whole += other.whole;
        self.took = self.took.max(other.took);
        self
    }
}

/// Takes its share of the kills: those that hit a running program count.
fn killed_at_random(chance: &Chance, left: &AtomicUsize) -> Tally {
    let site = Site::new();
    let bundle = std::fs::read(&site.bundle).expect("it was made");
    let mut tally = Tally { took: undisturbed(&site), ..Tally::default() };
    for round in 0.. {
        if left.load(Ordering::Relaxed) == 0 {
            break;
        }
        site.refresh();
        let mut chance = chance.named(&round.to_string());
        // Every third time the run that resumes is killed as well.
        for _ in 0..1 + usize::from(round % 3 == 0) {
            let hit = if round % 2 == 0 {
                let hit = killed_after(&site, microseconds(chance.below(tally.took)));
                // The machine is slower or faster than it was: one in four comes too late.
                tally.took = if hit { tally.took + tally.took / 32 } else { tally.took - tally.took / 10 };
                hit
            } else {
                let part = &bundle[..chance.below(bundle.len())];
                killed_while_fed(&site, part, microseconds(chance.below(2000)))
            };
            tally.kills += usize::from(hit);
            tally.too_late += usize::from(!hit);
            if hit {
                left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).unwrap_or_default();
            }
        }
        assert!(tally.too_late < 100 + 3 * tally.kills, "the moments are spread badly: {tally:?}");
        tally.count(site.mended(&format!("{chance:?}, round {round}")), site.whole);
    }
    tally
}

fn microseconds(time: usize) -> Duration {
    Duration::from_micros(u64::try_from(time).expect("a short time"))
}

#[test]
fn killed_at_random_moments_it_leaves_nothing_that_needs_help() {
    let seed = seed();
    eprintln!("KILL_SEED={seed}");
    let kills = std::env::var("KILLS").map_or(KILLS, |text| text.parse().expect("KILLS is a number"));
    let left = AtomicUsize::new(kills);
    let tally = thread::scope(|scope| {
        let chances = (0..SITES).map(|site| Chance::new(seed).named(&format!("site {site}")));
        let left = &left;
        let workers: Vec<_> = chances.map(|chance| scope.spawn(move || killed_at_random(&chance, left))).collect();
        let done = workers.into_iter().map(|worker| worker.join());
        done.fold(Tally::default(), |sum, one| sum.add(&one.unwrap_or_else(|panic| std::panic::resume_unwind(panic))))
    });
    let Tally { kills: hit, too_late, installs, with_data, complete, wrote, whole, took } = tally;
    eprintln!(
        "result: kill -9 at {hit} random moments of {} ms ({too_late} more came too late): {installs} installations that resumed, {with_data} \
         of them with some chunks there, which wrote {} % of the whole; {complete} had all of them (seed {seed})",
        took / 1000,
        wrote * 100 / whole.max(1),
    );
    assert!(hit >= kills);
    assert!(with_data * 5 > kills, "the kills came too early or too late to show anything");
}

/// Kills the program as it enters its first, second, .. call, until a run makes no more of them.
fn killed_at_each(call: &str) -> usize {
    let site = Site::new();
    let mut number = 0;
    loop {
        number += 1;
        site.refresh();
        let answer = disturbed(site.install(), site.device.disk(), call, When::Nth(number), Deed::Kill).run();
        if answer.code() == Some(0) {
            site.complete(call);
            return number - 1;
        }
        let what = format!("killed at {call} number {number}");
        drop(answer.killed_by(SIGKILL));
        site.mended(&what);
    }
}

#[test]
fn killed_at_each_write() {
    let [waited, in_flight] = strace::WRITES.map(killed_at_each);
    eprintln!("result: kill -9 at each of {waited} writes that the act waits for, and of {in_flight} in flight");
    assert!(waited >= 6 && in_flight > 12, "{waited} and {in_flight} writes: strace does not see them");
}

#[test]
fn killed_at_each_flush() {
    let flushes = killed_at_each(strace::FLUSH);
    eprintln!("result: kill -9 at each of {flushes} flushes");
    assert!(flushes >= 4, "{flushes} flushes: strace does not see them");
}
