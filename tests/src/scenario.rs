//! What the laboratory cuts: for every act, disks on which it begins.

use crate::acts::{Act, Updater};
use crate::board::{Board, DELTA, HINTED, RELEASES, slot_id};
use crate::crash::{Tears, Window, windows};
use crate::medium::{Medium, Sector, Sectors};
use crate::rules::{Bits, Step};
use crate::sim_disk::SimDisk;

/// A disk and what is done to it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The act's name in the table.
    pub name: &'static str,
    /// The disk before it.
    pub start: Medium,
    /// The booted slot.
    pub booted: Option<usize>,
    /// What is done.
    pub act: Act,
    /// How the slot bits change, commit by commit.
    pub steps: Vec<Step>,
    /// The worst that may become of a sector.
    pub tears: Tears,
}

/// Slot numbers, as they are named everywhere else.
const A: usize = 0;
const B: usize = 1;
const GOOD_A: Bits = Bits(4, 3, 1);
const NONE: Bits = Bits(0, 0, 0);

/// Makes disks for one board.
#[derive(Debug)]
pub struct Stage<'b> {
    board: &'b Board,
    /// Sectors of each slot with each release in it.
    full: Vec<Vec<Sectors>>,
}

impl<'b> Stage<'b> {
    /// Fills every slot with every release, once.
    #[must_use]
    pub fn new(board: &'b Board) -> Self {
        let slots = 0..board.model.slots;
        let full = slots.map(|slot| (0..RELEASES).map(|release| filled(board, slot, release)).collect());
        Self { board, full: full.collect() }
    }

    /// A disk with these bits, and these releases in its slots.
    #[must_use]
    pub fn disk(&self, slots: &[(Bits, Option<usize>)]) -> Medium {
        let bits: Vec<Bits> = slots.iter().map(|(bits, _)| *bits).collect();
        let held = slots.iter().enumerate().filter_map(|(slot, (_, release))| Some(&self.full[slot][(*release)?]));
        held.fold(self.board.disk(&bits), |disk, sectors| disk.with(sectors.clone())).flattened()
    }

    /// Slot a good with release 1, slot b as given, a third slot good with release 0.
    fn usual(&self, a: Bits, b: Bits, in_b: Option<usize>) -> Medium {
        let third = Bits(a.0.div_ceil(2), 3, 1);
        self.disk(&[(a, Some(1)), (b, in_b), (third, Some(0))][..self.board.model.slots])
    }

    /// The disk of a cut installation of `release` into b: half of its largest window was written.
    fn half_written(&self, release: usize) -> Medium {
        let start = self.usual(GOOD_A, NONE, None);
        let mut disk = SimDisk::new(start.clone());
        let done = Updater::new(self.board, Some(slot_id(A))).perform(&mut disk, Act::Install(release));
        assert!(done.is_ok(), "{done:?}");
        let windows = windows(&start, disk.log());
        let largest = windows.iter().max_by_key(|window| window.sectors());
        largest.map_or(start, Window::half).flattened()
    }

    /// A disk whose blocks at these addresses are damaged.
    fn damaged(&self, disk: &Medium, blocks: &[u64]) -> Medium {
        let damage = |lba: &u64| {
            let mut bytes = disk.sector(*lba)?.bytes()?.to_vec();
            bytes[60] ^= 0xff;
            Some((*lba, Sector::new(&bytes)))
        };
        disk.with(blocks.iter().filter_map(damage).collect()).flattened()
    }

    /// Every scenario of the board.
    #[must_use]
    pub fn scenarios(&self) -> Vec<Scenario> {
        let mut all = self.provisions();
        all.extend(self.installs());
        all.extend(self.boots());
        all.extend(self.verdicts());
        all.extend(self.repairs());
        all.extend(self.cancels());
        all
    }

    fn provisions(&self) -> Vec<Scenario> {
        let scenario = |name, start| Scenario {
            name,
            start,
            booted: None,
            act: Act::Provision(1),
            steps: vec![Step::Disarm(A), Step::FirstGood(A)],
            tears: Tears::Lost,
        };
        vec![
            scenario("provision", self.board.blank().flattened()),
            scenario("provision over a table", self.usual(GOOD_A, Bits(1, 3, 1), Some(0))),
        ]
    }

    fn installs(&self) -> Vec<Scenario> {
        let older = Bits(1, 3, 1);
        let scenario = |name, start, act, steps: &[Step]| Scenario {
            name,
            start,
            booted: Some(A),
            act,
            steps: steps.to_vec(),
            tears: Tears::Lost,
        };
        let [clear, disarm, arm, stage] = [Step::Clear(B), Step::Disarm(B), Step::Arm(B), Step::Stage(B)];
        let two = Act::Install(2);
        let staged = self.usual(GOOD_A, Bits(0, 2, 0), Some(2));
        let first: Vec<u64> = self.board.slot_sectors(B).take(1).collect();
        let damaged = self.damaged(&staged, &first);
        let mut all = vec![
            scenario("install, fresh", self.usual(GOOD_A, NONE, None), two, &[disarm, arm]),
            scenario("install over older", self.usual(GOOD_A, older, Some(0)), two, &[disarm, arm]),
            scenario("install over exhausted", self.usual(GOOD_A, Bits(5, 0, 0), Some(0)), two, &[clear, disarm, arm]),
            scenario("install over failed", self.usual(GOOD_A, NONE, Some(0)), two, &[disarm, arm]),
            scenario("install over half", self.half_written(3), two, &[arm]),
            scenario("install, resumed", self.half_written(2), two, &[arm]),
            scenario("install at 15", self.usual(Bits(15, 3, 1), older, Some(0)), two, &[disarm, arm]),
            scenario("install only", self.usual(GOOD_A, older, Some(0)), Act::InstallOnly(2), &[disarm, stage]),
            scenario("install, to confirm", self.usual(GOOD_A, older, Some(0)), Act::InstallAsking(2), &[disarm, arm]),
            scenario("install over damage", damaged, two, &[disarm, arm]),
            scenario("activate", staged, Act::Activate, &[arm]),
            scenario("activate at 15", self.usual(Bits(15, 3, 1), Bits(0, 2, 0), Some(2)), Act::Activate, &[arm]),
        ];
        if self.board.takes_deltas() {
            let delta = Act::Install(DELTA);
            all.push(scenario("install a delta", self.usual(GOOD_A, older, Some(0)), delta, &[disarm, arm]));
            all.push(scenario("install a delta, resumed", self.half_written(DELTA), delta, &[arm]));
            let hinted = Act::Install(HINTED);
            all.push(scenario("install, reusing", self.usual(GOOD_A, older, Some(0)), hinted, &[disarm, arm]));
            all.push(scenario("install, reusing, resumed", self.half_written(HINTED), hinted, &[arm]));
        }
        all
    }

    fn boots(&self) -> Vec<Scenario> {
        let tears = Tears::Lost;
        let scenario = |name, start, slot| {
            let steps = vec![Step::Spend(slot)];
            Scenario { name, start, booted: None, act: Act::Boot, steps, tears }
        };
        let trial = self.usual(GOOD_A, Bits(5, 6, 0), Some(2));
        let last = self.board.table.blocks - 1;
        let no_start = |name, start, steps: &[Step]| Scenario {
            name,
            start,
            booted: None,
            act: Act::BootWithout(B),
            steps: steps.to_vec(),
            tears,
        };
        let first: Vec<u64> = self.board.slot_sectors(B).take(1).collect();
        let damaged = |bits| self.damaged(&self.usual(GOOD_A, bits, Some(2)), &first);
        let [spend, clear, withdraw] = [Step::Spend(B), Step::Clear(B), Step::Withdraw(B)];
        vec![
            no_start("boot, trial does not start", trial.clone(), &[spend, clear, Step::Spend(A)]),
            no_start("boot, trial damaged", damaged(Bits(5, 6, 0)), &[spend, clear, Step::Spend(A)]),
            no_start("boot, good damaged", damaged(Bits(5, 3, 1)), &[spend, Step::Spend(A)]),
            no_start("boot, suspect damaged", damaged(Bits(5, 0, 1)), &[withdraw, Step::Spend(A)]),
            scenario("spend, on trial", trial.clone(), B),
            Scenario { act: Act::Choose, ..scenario("spend, by a script", trial.clone(), B) },
            Scenario { act: Act::ChooseByBits, ..scenario("spend, no keys", trial.clone(), B) },
            scenario("spend, last try", self.usual(GOOD_A, Bits(5, 1, 0), Some(2)), B),
            scenario("spend, good", self.usual(GOOD_A, Bits(1, 2, 1), Some(0)), A),
            scenario("spend, bad primary", self.damaged(&trial, &[1]), B),
            scenario("spend, bad backup", self.damaged(&trial, &[last]), B),
        ]
    }

    fn verdicts(&self) -> Vec<Scenario> {
        let trial = Bits(5, 5, 0);
        let tears = Tears::Lost;
        let scenario =
            |name, start, act, step| Scenario { name, start, booted: Some(B), act, steps: vec![step], tears };
        let good_b = Bits(5, 3, 1);
        vec![
            scenario("mark-good", self.usual(GOOD_A, trial, Some(2)), Act::MarkGood, Step::MarkGood(B)),
            scenario("mark-bad", self.usual(GOOD_A, trial, Some(2)), Act::MarkBad(B), Step::Clear(B)),
            scenario("mark-bad, no keys", self.usual(GOOD_A, trial, Some(2)), Act::FailTrial(B), Step::Clear(B)),
            Scenario {
                steps: vec![],
                ..scenario("explain", self.usual(GOOD_A, trial, Some(2)), Act::Explain(B), Step::MarkGood(B))
            },
            scenario("withdraw", self.usual(GOOD_A, Bits(5, 0, 1), Some(2)), Act::Withdraw(B), Step::Withdraw(B)),
            scenario("rollback", self.usual(GOOD_A, good_b, Some(2)), Act::Rollback(A), Step::Raise(A)),
            scenario("rollback at 15", self.usual(GOOD_A, Bits(15, 3, 1), Some(2)), Act::Rollback(A), Step::Raise(A)),
        ]
    }

    fn repairs(&self) -> Vec<Scenario> {
        let table = &self.board.table;
        let last = table.blocks - 1;
        let good = self.usual(GOOD_A, Bits(1, 3, 1), Some(0));
        let damaged = |blocks: &[u64]| self.damaged(&good, blocks);
        let other = self.usual(GOOD_A, NONE, None);
        let array = table.block_size.blocks_for(128 * 128);
        let stale = (table.backup_entries..table.backup_entries + array).chain([last]);
        let stale = stale.filter_map(|lba| Some((lba, other.sector(lba)?.clone()))).collect();
        let starts = [
            ("repair a primary", Tears::Lost, damaged(&[1])),
            ("repair a primary", Tears::Lost, damaged(&[table.primary_entries])),
            ("repair a primary", Tears::Lost, damaged(&[1, table.primary_entries])),
            ("repair a backup", Tears::Lost, damaged(&[last])),
            ("repair a backup", Tears::Lost, damaged(&[table.backup_entries])),
            ("repair a backup", Tears::Lost, good.with(stale).flattened()),
            ("relocate a backup", Tears::Inside, good.grown(1)),
            ("relocate a backup", Tears::Inside, good.grown(50)),
        ];
        // Until the backup of a disk that grew is moved, only the primary header knows where it is.
        let scenario =
            |(name, tears, start)| Scenario { name, start, booted: Some(A), act: Act::Repair, steps: vec![], tears };
        starts.into_iter().map(scenario).collect()
    }

    fn cancels(&self) -> [Scenario; 2] {
        let scenario = |name, b| {
            let (start, act, steps) = (self.usual(GOOD_A, b, Some(2)), Act::Cancel(B), vec![Step::Disarm(B)]);
            Scenario { name, start, booted: Some(A), act, steps, tears: Tears::Lost }
        };
        [scenario("cancel", Bits(5, 5, 0)), scenario("cancel, staged", Bits(0, 5, 0))]
    }
}

/// Sectors of a slot that holds a release, as an installation leaves them.
fn filled(board: &Board, slot: usize, release: usize) -> Sectors {
    let bits = vec![NONE; board.model.slots];
    let mut disk = SimDisk::new(board.disk(&bits));
    let done = Updater::new(board, None).fill(&mut disk, slot, release);
    assert!(done.is_ok(), "{done:?}");
    let medium = disk.content();
    board.slot_sectors(slot).filter_map(|lba| Some((lba, medium.sector(lba)?.clone()))).collect()
}
