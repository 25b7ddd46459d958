//! Cuts of a real guest: what its kernel wrote while it installed, tried and marked good is cut everywhere, judged, and booted. And qemu
//! killed at random moments, and reset again and again.
//!
//! `CUTS_SEED=N` draws other samples and moments.

use std::collections::{BTreeMap, HashMap};
use std::thread;
use std::time::Duration;

use libupdate::{BlockSize, Digest};
use tests::chance::Chance;
use tests::guest::Machine;
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{Board, Flaw, Release};
use tests::guest_lab::{GuestLab, Image, Run, run};
use tests::rules::Step;
use tests::tally::Tally;

const ONE: Release = Release::of("1.0");
const TWO: Release = Release::of("2.0");
/// It falls back at once, so that the hook has a verdict to write.
const THREE: Release = Release::of("3.0").flaw(Flaw::NoInit);
const FOUR: Release = Release::of("4.0");
/// The one that is installed to see whether anything still can be.
const LAST: Release = Release::of("9.0");

/// The runs of a device's life, each with the commits that it is made of.
const LIFE: [(&str, [Step; 4]); 3] = [
    ("mark-good, install", [Step::Spend(0), Step::MarkGood(0), Step::Disarm(1), Step::Arm(1)]),
    ("trial, mark-good, install over", [Step::Spend(1), Step::MarkGood(1), Step::Disarm(0), Step::Arm(0)]),
    ("trial falls back, mark-good", [Step::Spend(0), Step::Clear(0), Step::Spend(1), Step::MarkGood(1)]),
];

/// Kills of each of two guests.
const KILLS: usize = 10;
/// They fall at most so many milliseconds after the console has said something so many times.
const MOMENTS: [(&str, usize, usize); 4] = [
    (" boots: version ", 1, 800),
    ("guest: mark-good ended", 1, 1000),
    ("guest: install ended", 1, 4000),
    (" boots: version ", 2, 2500),
];
/// Resets in a row.
const RESETS: usize = 30;

/// Numbers of a seed that is printed.
pub fn chance(name: &str) -> Chance {
    let seed = std::env::var("CUTS_SEED").map_or(2026, |text| text.parse().expect("CUTS_SEED is a number"));
    eprintln!("CUTS_SEED={seed}");
    Chance::new(seed).named(name)
}

fn wait(milliseconds: usize) {
    thread::sleep(Duration::from_millis(u64::try_from(milliseconds).expect("a short time")));
}

fn installs(disk: &GuestDisk, release: &Release, acts: &'static str) -> Machine {
    Machine { bundle: Some(disk.bundle(release).into()), ..Machine::does(acts) }
}

fn both_copies_are_valid(disk: &GuestDisk, story: &str) {
    let gpt = &disk.status()["gpt"];
    assert_eq!((&gpt["primary"], &gpt["backup"]), (&"valid".into(), &"valid".into()), "{story}");
}

/// A device whose life is cut.
struct Life {
    drive: &'static str,
    disk: GuestDisk,
    lab: GuestLab,
    runs: Vec<Run>,
    /// The versions that its manifests are of.
    versions: HashMap<Digest, &'static str>,
}

impl Life {
    /// Runs it once, undisturbed, and judges every crash image.
    fn lived(sectors: BlockSize, drive: &'static str) -> Self {
        let disk = GuestDisk::with_sectors(Board::default(), &ONE, sectors);
        let lab = GuestLab::new(&chance(drive));
        let mut life = Self { drive, disk, lab, runs: Vec::new(), versions: HashMap::new() };
        life.learn("1.0");
        for ((name, steps), install) in LIFE.iter().zip([Some(TWO), Some(THREE), None]) {
            let machine = install.map_or(Machine::does("mark-good,off"), |release| {
                installs(&life.disk, &release, "mark-good,install,off")
            });
            let run = run(machine, &life.disk);
            assert!(run.said.contains("guest: mark-good ended with 0"), "{}", run.said);
            assert!(install.is_none() || run.said.contains("guest: install ended with 0"), "{}", run.said);
            life.judge(name, steps, &run);
            life.runs.push(run);
            if let Some(release) = install {
                life.learn(release.version);
            }
        }
        life
    }

    /// The release that the disk boots next is of this version.
    fn learn(&mut self, version: &'static str) {
        let boots = self.lab.look(&self.disk.content()).boots;
        let (_, manifest) = boots.expect("something boots");
        self.versions.insert(manifest, version);
    }

    fn judge(&mut self, name: &str, steps: &[Step], run: &Run) {
        let found = self.lab.steps(run).unwrap_or_else(|why| panic!("{name}: {why}\n{}", run.said));
        assert_eq!(found.iter().map(|(_, step)| *step).collect::<Vec<_>>(), steps, "{name}: {}", run.said);
        let tally = self.lab.cut(run, 0);
        sound(&format!("{}  {name}", self.drive), &tally);
        // The laboratory is alive: without the flush between the copies of the table it finds disks on which nothing boots.
        let broken = self.lab.without_each_flush(run);
        let table: Vec<String> = broken.iter().map(|[dead, mixed]| format!("{dead}/{mixed}")).collect();
        eprintln!("result: {}  {name}, without flush 1, 2, ..: dead/mixed {}", self.drive, table.join(" "));
        assert!(found.iter().all(|(flush, _)| broken[*flush][0] > 0), "{name}: {found:?}, {broken:?}");
    }

    /// Boots a crash image of every `each`th window.
    fn boots_samples(&mut self, each: usize, least: usize) {
        let runs = std::mem::take(&mut self.runs);
        let images: Vec<Image> = runs.iter().flat_map(|run| self.lab.sample(run)).step_by(each).collect();
        assert!(images.len() >= least, "{} images", images.len());
        let mut all = Tally::default();
        for (number, image) in images.iter().enumerate() {
            all.add(self.boots(number, image));
        }
        let reordered = images.iter().filter(|image| image.reordered).count();
        let drive = self.drive;
        eprintln!("result: {drive}  {} crash images booted, {reordered} of them out of order or torn", images.len());
        sound(&format!("{drive}  the boots after a cut"), &all);
    }

    /// Boots a crash image, installs the next release, and judges every crash image of that boot.
    fn boots(&mut self, number: usize, image: &Image) -> Tally {
        let sight = self.lab.look(&image.content);
        let (slot, manifest) = sight.boots.expect("the laboratory says that it boots");
        // The release that has no init verifies, and is passed over all the same.
        let (slot, version) = match (["a", "b"][slot], self.versions[&manifest]) {
            ("a", "3.0") => ("b", "2.0"),
            other => other,
        };
        let inside = number.is_multiple_of(2);
        let disk = self.disk.with_content(&image.content);
        let acts = if inside { "mark-good,install,off" } else { "off" };
        let run = run(installs(&disk, &FOUR, acts), &disk);
        let story = format!("{}: {sight}\n{}", image.story, run.said);
        assert!(run.said.contains(&format!("updater: slot {slot} boots: version {version}")), "{story}");
        assert!(run.said.contains(&format!("guest: release {version} runs")), "{story}");
        both_copies_are_valid(&disk, &story);
        if inside {
            assert!(run.said.contains("guest: install ended with 0"), "{story}");
        } else {
            disk.install(&FOUR);
        }
        let status = disk.status();
        let trial = status["slots"].as_array().and_then(|slots| slots.iter().find(|slot| slot["state"] == "trial"));
        assert_eq!(trial.map(|slot| &slot["version"]), Some(&"4.0".into()), "{story}");
        assert!(self.lab.steps(&run).is_ok(), "{story}");
        self.lab.cut(&run, 1)
    }
}

/// Counts in the order of the laboratory's table in docs/POWER.md, all of them sound.
fn sound(what: &str, tally: &Tally) {
    let Tally { writes, flushes, cuts, act: [old, between, new], recovery, unbootable, mixed, .. } = tally;
    let (writes, flushes) = (writes.to_string(), flushes.to_string());
    eprintln!(
        "result: {what:38} {writes:>7} {flushes:>7} {cuts:>5} {old:>6} {between:>6} {new:>6} {recovery:>6} {unbootable:>4} {mixed:>4}"
    );
    assert!(tally.is_sound(), "{what}: {:#?}", tally.told);
}

#[test]
fn every_cut_of_a_life_on_512_byte_sectors_boots() {
    // A commit is two windows there: every third takes each of them in turn. The laboratory judges all of them.
    Life::lived(BlockSize::B512, "512n").boots_samples(3, 9);
}

#[test]
fn every_cut_of_a_life_on_4096_byte_sectors_boots() {
    // A commit is three windows there: every fourth takes each of them in turn.
    Life::lived(BlockSize::B4096, "4Kn").boots_samples(4, 8);
}

/// A guest that installs, restarts and marks good for ever, killed again and again; what a kill leaves boots next.
fn killed_again_and_again(sectors: BlockSize, drive: &str) {
    const VERSIONS: [&str; 8] = ["2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7"];
    let mut chance = chance(&format!("kill {drive}"));
    let disk = GuestDisk::with_sectors(Board::default(), &ONE, sectors);
    let mut during = BTreeMap::<&str, usize>::new();
    for kill in 0..KILLS {
        let release = Release::of(VERSIONS[kill / 2]);
        let guest = installs(&disk, &release, "mark-good,install,reboot").start(&disk);
        // That the kill before this one left a disk that boots.
        guest.comes_up();
        let (sign, times, within) = MOMENTS[chance.below(MOMENTS.len())];
        guest.says(sign, times);
        wait(chance.below(within));
        let said = guest.cut();
        *during.entry(phase(&said)).or_default() += 1;
        nothing_was_refused(&said);
        let copy = disk.copy();
        copy.install(&LAST);
        both_copies_are_valid(&copy, &said);
    }
    let said = installs(&disk, &LAST, "mark-good,install,off").run(&disk);
    assert!(said.contains("guest: install ended with 0"), "{said}");
    let said = Machine::does("mark-good,off").run(&disk);
    assert!(said.contains("boots: version 9.0, trial") && said.contains("guest: mark-good ended with 0"), "{said}");
    eprintln!("result: {drive}  {KILLS} kills, during {during:?}");
}

/// What the guest did until it was killed was done; or the other slot held the release already, or had failed with it: killed in each of
/// its tries.
fn nothing_was_refused(said: &str) {
    for line in said.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let Some((what, end)) = line.trim_end().split_once(" ended with ") else { continue };
        let fine = match (what, end) {
            (_, "0") | ("guest: install", "7") => true,
            ("guest: install", "3") => said.contains("--retry-failed"),
            _ => false,
        };
        assert!(fine, "{said}");
    }
}

/// What the guest was doing last.
fn phase(said: &str) -> &'static str {
    let signs = [
        ("guest: release", "mark-good"),
        ("guest: mark-good ended", "install"),
        ("guest: install ended", "restart, kernel and hook"),
    ];
    let last = signs.iter().filter_map(|(sign, phase)| Some((said.rfind(sign)?, *phase))).max();
    last.map_or("the hand-over", |(_, phase)| phase)
}

#[test]
fn killed_at_random_moments_on_512_byte_sectors() {
    killed_again_and_again(BlockSize::B512, "512n");
}

#[test]
fn killed_at_random_moments_on_4096_byte_sectors() {
    killed_again_and_again(BlockSize::B4096, "4Kn");
}

#[test]
fn thirty_resets_in_a_row_leave_a_device_that_boots() {
    let mut chance = chance("resets");
    let disk = GuestDisk::provisioned(Board::default(), &ONE);
    disk.install(&TWO);
    let mut guest = Machine::does("hang").start(&disk);
    for reset in 1..=RESETS {
        guest.says(" tries left", reset);
        wait(chance.below(300));
        guest.reset();
    }
    guest.says(" tries left", RESETS + 1);
    let said = guest.cut();
    let boots = |what: &str| said.matches(what).count();
    assert_eq!((boots("slot b boots: version 2.0, trial"), disk.bits('b')), (3, [2, 0, 0]), "{said}");
    assert_eq!((boots("slot a boots: version 1.0, counted"), disk.bits('a')), (3, [1, 0, 1]), "{said}");
    assert_eq!(boots("slot a boots: version 1.0, suspect"), RESETS + 1 - 6, "{said}");
    let said = installs(&disk, &Release::of("3.0"), "mark-good,install,off").run(&disk);
    assert!(said.contains("slot a boots: version 1.0, suspect"), "{said}");
    assert!(said.contains("guest: install ended with 0"), "{said}");
    assert_eq!((disk.bits('a'), disk.bits('b')), ([1, 3, 1], [2, 3, 0]), "{said}");
    let said = Machine::does("mark-good,off").run(&disk);
    assert!(
        said.contains("slot b boots: version 3.0, trial") && said.contains("guest: mark-good ended with 0"),
        "{said}"
    );
}
