//! The Raspberry Pi's store on a device: what the firmware starts, by its documents, after each act, each lost flag and each cut.
//!
//! There is no emulator of the firmware. The model here is written from `config_txt/autoboot.adoc` alone, and reads the file by itself.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use libupdate::device::{Claim, Ending, Request, Then};
use libupdate::loader::{Counting, Put};
use libupdate::slot::SlotState;
use libupdate::{Error, SlotId};
use libupdate_linux::OsError;
use libupdate_linux::boot_loader::tryboot::{Flag, FlagStore, Tryboot};
use libupdate_linux::profile::SlotPartition;
use tempfile::TempDir;
use tests::acts::Updater;
use tests::board::Board;
use tests::medium::Medium;
use tests::models::SMALL;
use tests::rules::Bits;
use tests::scenario::Stage;
use tests::sim_disk::SimDisk;

use crate::powered::{Heard, Power, PoweredDisk, Unflushed, act};

const A: SlotId = SlotId::A;
const B: SlotId = SlotId::B;
/// As the owner of a new card writes it.
const SET_UP: &str = "[all]\ntryboot_a_b=1\nboot_partition=3\n";

#[derive(Clone, Debug)]
struct FlagModel {
    flag: Rc<Cell<Flag>>,
    power: Power,
}

impl FlagStore for FlagModel {
    fn read(&mut self) -> Result<Flag, OsError> {
        Ok(self.flag.get())
    }
    fn write(&mut self, flag: Flag) -> Result<(), OsError> {
        self.power.step()?;
        self.flag.set(flag);
        Ok(())
    }
}

/// A Raspberry Pi.
struct Pi<'b> {
    board: &'b Board,
    folder: TempDir,
    flag: Rc<Cell<Flag>>,
    disk: PoweredDisk,
    power: Power,
    runs: SlotId,
}

impl<'b> Pi<'b> {
    /// Slot a runs.
    fn new(board: &'b Board, medium: &Medium) -> Self {
        let power = Power::default();
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("autoboot.txt"), SET_UP).expect("a file");
        let (flag, disk) = (Rc::new(Cell::new(Flag::Clear)), PoweredDisk::new(medium, &power));
        Self { board, folder, flag, disk, power, runs: A }
    }

    fn text(&self) -> String {
        let bytes = fs::read(self.folder.path().join("autoboot.txt")).expect("it is there");
        assert!(bytes.len() <= 512, "the firmware reads no more");
        String::from_utf8(bytes).expect("it is text")
    }

    /// The firmware: the flag is cleared before the start that it is for.
    fn start(&mut self) -> SlotId {
        let tryboot = self.flag.replace(Flag::Clear) == Flag::Set;
        let (mut section, mut partition, mut a_b) = ("[all]", 0, false);
        let text = self.text();
        for line in text.lines().filter(|line| !line.is_empty()) {
            match line.split_once('=') {
                None => section = ["[all]", "[tryboot]"].into_iter().find(|known| *known == line).expect("a filter"),
                Some(("boot_partition", number)) if section == "[all]" || tryboot => {
                    partition = number.parse().expect("a number");
                }
                Some(("tryboot_a_b", "1")) => a_b = true,
                Some(_) => {}
            }
        }
        assert!(a_b || !tryboot, "the flag would choose tryboot.txt");
        let boots = |number: &usize| self.number(*number) == partition;
        self.runs = [A, B][(0..2).find(boots).unwrap_or_else(|| panic!("partition {partition} of no slot"))];
        self.runs
    }

    /// The power goes and comes.
    fn cut(&mut self) -> SlotId {
        self.flag.set(Flag::Clear);
        self.start()
    }

    /// Entry of the partition with role "boot" of slot number `index`.
    fn number(&self, index: usize) -> u32 {
        let first = self.board.specs.iter().position(|spec| spec.slot.index() == index && spec.role == "boot");
        let first = first.expect("each slot has one");
        self.board.table.partitions[1 + first].number
    }

    fn act(
        &mut self,
        act: impl FnOnce(&mut Self, &mut Tryboot) -> Result<(), Error<OsError>>,
    ) -> Result<(), Error<OsError>> {
        let parts = self.board.specs.iter().map(|spec| SlotPartition {
            slot: spec.slot,
            role: spec.role.to_owned(),
            label: spec.label.to_owned(),
            type_guid: spec.type_guid,
            duty: spec.duty,
        });
        let parts: Vec<_> = parts.collect();
        let flag = FlagModel { flag: Rc::clone(&self.flag), power: self.power.clone() };
        let folder: PathBuf = self.folder.path().to_owned();
        let mut store = Tryboot::open(&folder, "boot", &parts, Some(Box::new(flag))).expect("the file is there");
        act(self, &mut store)
    }

    fn install(&mut self, release: usize) -> Result<(), Error<OsError>> {
        let mut source = self.board.releases[release].bundle;
        let request = Request { then: Then::Arm, ..Request::default() };
        self.act(|pi, store| {
            let (done, _) = act(pi.board, Some(pi.runs), &mut pi.disk, store, |device, room, work, heard| {
                device.install(&mut source, &request, room, work, heard)
            });
            done.map(|installed| assert_eq!(installed.ending, Ending::Armed))
        })
    }

    /// `status`, or the start of `mark-good`: what it said of tries, and whether the store had to be written.
    fn reconcile(&mut self) -> (Heard, Put) {
        let mut told = None;
        let done = self.act(|pi, store| {
            let (put, heard) =
                act(pi.board, Some(pi.runs), &mut pi.disk, store, |device, _, _, heard| device.reconcile(heard));
            told = Some((heard, put?));
            Ok(())
        });
        done.expect("nothing fails");
        told.expect("it was told")
    }

    fn mark_good(&mut self) {
        let done = self.act(|pi, store| {
            let runs = pi.runs;
            let (done, _) = act(pi.board, Some(runs), &mut pi.disk, store, |device, room, _, heard| {
                device.mark_good(runs, Claim::Booted, room, heard)
            });
            done.map(|_| ())
        });
        done.expect("it is good");
    }

    fn state_of_b(&self, medium: &Medium) -> SlotState {
        let states = Updater::new(self.board, Some(A)).states(&mut SimDisk::new(medium.clone()));
        states.expect("the table can be read")[1].0
    }
}

/// A board, and its disk: slot a is good, slot b is as given.
fn board(b: (Bits, Option<usize>)) -> (Board, Medium) {
    let board = Board::new(SMALL[3]);
    let medium = Stage::new(&board).disk(&[(Bits(2, 0, 1), Some(1)), b]);
    (board, medium)
}

const NOTHING: (Bits, Option<usize>) = (Bits(0, 0, 0), None);

#[test]
fn an_update_is_tried_once_and_mark_good_swaps_the_numbers() {
    let (board, medium) = board(NOTHING);
    let mut pi = Pi::new(&board, &medium);
    let [a, b] = [pi.number(0), pi.number(1)];
    assert_eq!([a, b], [3, 9], "neither is the number of its slot");
    pi.install(2).expect("it installs");
    assert_eq!(pi.flag.get(), Flag::Set);
    let armed = format!("[all]\ntryboot_a_b=1\nboot_partition={a}\n[tryboot]\nboot_partition={b}\n");
    assert_eq!(pi.text().trim_end(), armed.trim_end());
    assert_eq!(pi.reconcile().1, Put::Unchanged);
    assert_eq!((pi.start(), pi.flag.get()), (B, Flag::Clear));
    let (heard, put) = pi.reconcile();
    assert_eq!((heard.0, put, pi.flag.get()), (vec![], Put::Unchanged, Flag::Clear), "it runs: no second boot");
    pi.mark_good();
    let swapped = format!("[all]\ntryboot_a_b=1\nboot_partition={b}\n[tryboot]\nboot_partition={a}\n");
    assert_eq!((pi.text().trim_end(), pi.flag.get()), (swapped.trim_end(), Flag::Clear));
    assert_eq!((pi.start(), pi.cut()), (B, B));
}

#[test]
fn a_lost_flag_is_an_update_that_did_not_happen_seen_and_said() {
    let (board, medium) = board(NOTHING);
    let mut pi = Pi::new(&board, &medium);
    pi.install(2).expect("it installs");
    assert_eq!(pi.cut(), A, "the good slot");
    let (heard, put) = pi.reconcile();
    assert_eq!((heard.0, put), (vec![(B, 2, Counting::Once)], Put::Written));
    assert_eq!(pi.reconcile().0.0, [], "said once");
    assert_eq!((pi.flag.get(), pi.start()), (Flag::Set, B), "it is tried again");
}

#[test]
fn a_trial_that_never_gets_good_boots_as_often_as_it_has_tries() {
    let (board, medium) = board(NOTHING);
    let mut pi = Pi::new(&board, &medium);
    pi.install(2).expect("it installs");
    let boots: Vec<SlotId> = (0..8)
        .map(|_| {
            let booted = pi.start();
            // Somebody looks at the trial, too.
            pi.reconcile();
            booted
        })
        .collect();
    assert_eq!(boots, [B, A, B, A, B, A, A, A]);
    assert_eq!(pi.state_of_b(&pi.disk.after(Unflushed::Kept)), SlotState::Exhausted);
}

#[test]
fn a_trial_that_is_taken_back_has_no_flag_left() {
    let (board, medium) = board(NOTHING);
    let mut pi = Pi::new(&board, &medium);
    pi.install(2).expect("it installs");
    assert_eq!(pi.flag.get(), Flag::Set);
    let done = pi.act(|pi, store| {
        let (done, _) = act(pi.board, Some(A), &mut pi.disk, store, |device, room, _, heard| {
            device.cancel(Some(B), room, heard).map(|_| ())
        });
        done
    });
    done.expect("it is taken back");
    assert_eq!(pi.flag.get(), Flag::Clear);
    let [a, text] = [pi.number(0).to_string(), pi.text()];
    assert!(text.lines().all(|line| line.strip_prefix("boot_partition=").is_none_or(|number| number == a)), "{text}");
    assert_eq!(pi.start(), A);
}

#[test]
fn no_cut_and_no_kill_has_the_firmware_start_a_slot_that_is_not_whole() {
    // Slot b is empty, or armed with another release, whose flag is set.
    for b in [NOTHING, (Bits(3, 3, 0), Some(0))] {
        let (board, medium) = board(b);
        let mut steps = 0;
        loop {
            let mut ended = false;
            for flag_survives in [true, false] {
                let mut pi = Pi::new(&board, &medium);
                pi.reconcile();
                pi.power = Power::for_steps(steps);
                pi.disk = PoweredDisk::new(&pi.disk.after(Unflushed::Kept), &pi.power);
                ended |= pi.install(2).is_ok();
                let unflushed = if flag_survives { Unflushed::Kept } else { Unflushed::Lost };
                let medium = pi.disk.after(unflushed);
                let started = if flag_survives { pi.start() } else { pi.cut() };
                let state = pi.state_of_b(&medium);
                let whole = matches!(state, SlotState::Good | SlotState::Trial | SlotState::Staged);
                assert!(started == A || whole, "step {steps}: slot b starts and is {state}");
                // The next boot brings both together.
                (pi.power, pi.disk) = (Power::default(), PoweredDisk::new(&medium, &Power::default()));
                pi.reconcile();
                assert_eq!(pi.reconcile().1, Put::Unchanged);
                assert!(pi.runs == B || pi.flag.get() == Flag::Clear || pi.state_of_b(&medium) == SlotState::Trial);
            }
            if ended {
                break;
            }
            steps += 1;
        }
        assert!(steps > 20, "{steps}");
        eprintln!("result: power/tryboot: {steps} cuts of an installation");
    }
}
