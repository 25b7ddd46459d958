//! A boot loader in the boot partitions of an eMMC: whatever step of an installation is the last, the one that starts is whole, and a slot
//! is armed only once its own starts.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use libupdate::device::{Claim, Ending, Request, Then};
use libupdate::loader::{Counting, Loader};
use libupdate::slot::SlotState;
use libupdate::{Error, SlotId};
use libupdate_linux::OsError;
use libupdate_linux::boot_loader::emmc_boot::EmmcBoot;
use libupdate_linux::boot_loader::tryboot::Tryboot;
use libupdate_linux::emmc::{Area, Chip, ExtCsd};
use tests::acts::Updater;
use tests::board::{Board, Model as BoardModel};
use tests::medium::Medium;
use tests::models::PLAIN;
use tests::rules::Bits;
use tests::scenario::Stage;
use tests::sim_disk::SimDisk;

use crate::powered::{Power, PoweredDisk, Unflushed, act};

/// The boot loader is three pieces of 64 KiB long, the last one short.
const BOARD: BoardModel = BoardModel { name: "emmc", roles: &[("loader", 40), ("root", 2)], ..PLAIN };
const ROLE: &str = "loader";
/// BOOT_ACK and a PARTITION_ACCESS: both stay.
const OTHER_BITS: u8 = 0x41;
const OLD: usize = 1;
const NEW: usize = 2;

/// What the eMMC keeps, and what was done to it.
#[derive(Clone, Debug)]
struct Cells {
    areas: [Vec<u8>; 2],
    cache: Vec<(usize, usize, Vec<u8>)>,
    unlocked: [bool; 2],
    register: [u8; 512],
    /// Each act that changes something.
    acts: Vec<&'static str>,
    /// Writes lose a bit.
    fails: bool,
}

/// An eMMC with a cache.
#[derive(Clone, Debug)]
struct Chipped {
    cells: Rc<RefCell<Cells>>,
    power: Power,
}

const fn index(area: Area) -> usize {
    match area {
        Area::First => 0,
        Area::Second => 1,
    }
}

impl Cells {
    /// `old` is in boot0, which is enabled; boot1 holds something else.
    fn new(old: &[u8]) -> Self {
        let mut register = [0; 512];
        (register[179], register[226]) = (OTHER_BITS | 1 << 3, 2);
        let mut areas = [vec![0xb0; 256 << 10], vec![0xb1; 256 << 10]];
        areas[0][..old.len()].copy_from_slice(old);
        Self { areas, cache: Vec::new(), unlocked: [false; 2], register, acts: Vec::new(), fails: false }
    }

    /// What the processor's ROM starts.
    fn started(&self) -> &[u8] {
        match self.register[179] {
            config if config == OTHER_BITS | 1 << 3 => &self.areas[0],
            config if config == OTHER_BITS | 2 << 3 => &self.areas[1],
            config => panic!("PARTITION_CONFIG is {config:#x}"),
        }
    }

    fn settle(&mut self) {
        for (area, at, bytes) in std::mem::take(&mut self.cache) {
            self.areas[area][at..at + bytes.len()].copy_from_slice(&bytes);
        }
    }

    /// What a cut leaves: of what was not flushed all, nothing, or every other sector.
    fn cut(&self, unflushed: Unflushed, torn: bool) -> Self {
        let mut left = Self { acts: Vec::new(), unlocked: [false; 2], ..self.clone() };
        if unflushed == Unflushed::Lost {
            left.cache.clear();
        }
        for (_, _, bytes) in &mut left.cache {
            let sectors = bytes.chunks_mut(512).enumerate();
            sectors.filter(|(number, _)| torn && number % 2 == 1).for_each(|(_, sector)| sector.fill(0x55));
        }
        left.settle();
        left
    }
}

impl Chipped {
    fn new(cells: &Cells, power: &Power) -> Self {
        Self { cells: Rc::new(RefCell::new(cells.clone())), power: power.clone() }
    }

    fn did(&self, act: &'static str) -> Result<std::cell::RefMut<'_, Cells>, OsError> {
        self.power.step()?;
        let mut cells = self.cells.borrow_mut();
        cells.acts.push(act);
        Ok(cells)
    }
}

impl Chip for Chipped {
    fn ext_csd(&mut self) -> Result<ExtCsd, OsError> {
        Ok(ExtCsd(self.cells.borrow().register))
    }
    fn switch(&mut self, partition_config: u8) -> Result<(), OsError> {
        let mut cells = self.did("switch")?;
        assert_eq!(partition_config & !0x38, OTHER_BITS, "bits that are not ours stay");
        cells.register[179] = partition_config;
        Ok(())
    }
    fn read(&mut self, area: Area, at: u64, buf: &mut [u8]) -> Result<(), OsError> {
        let mut seen = self.cells.borrow().clone();
        seen.settle();
        let at = usize::try_from(at).expect("small");
        buf.copy_from_slice(&seen.areas[index(area)][at..at + buf.len()]);
        Ok(())
    }
    fn unlock(&mut self, area: Area) -> Result<(), OsError> {
        self.did("unlock")?.unlocked[index(area)] = true;
        Ok(())
    }
    fn write(&mut self, area: Area, at: u64, bytes: &[u8]) -> Result<(), OsError> {
        let mut cells = self.did("write")?;
        assert!(cells.unlocked[index(area)], "force_ro");
        let mut bytes = bytes.to_vec();
        if cells.fails {
            bytes[100] ^= 1;
        }
        cells.cache.push((index(area), usize::try_from(at).expect("small"), bytes));
        Ok(())
    }
    fn flush(&mut self, _: Area) -> Result<(), OsError> {
        self.did("flush")?.settle();
        Ok(())
    }
    fn lock(&mut self, area: Area) -> Result<(), OsError> {
        self.did("lock")?.unlocked[index(area)] = false;
        Ok(())
    }
}

/// What is wrong with an eMMC.
type Change = fn(&mut Cells);

/// A device whose slot a, which runs, is good, and the bytes of both releases' boot loaders.
struct Bench {
    board: Board,
    start: Medium,
    old: Vec<u8>,
    new: Vec<u8>,
}

fn loader(chip: &Chipped) -> EmmcBoot<PoweredDisk> {
    EmmcBoot::new(Path::new("/dev/mmcblk0"), ROLE, Box::new(chip.clone()), None)
}

impl Bench {
    fn new() -> Self {
        let board = Board::new(BOARD);
        let good = |release| (Bits(4, 0, 1), Some(release));
        let stage = Stage::new(&board);
        let disk = |release| stage.disk(&[good(release), (Bits(0, 0, 0), None)]);
        let image = |release| {
            let (disk, places) = (disk(release), board.slot_sectors(0));
            let sectors = places.filter_map(|lba| disk.sector(lba)?.bytes().map(<[u8]>::to_vec));
            sectors.flatten().take(40 * 4096).collect::<Vec<u8>>()
        };
        let (start, old, new) = (disk(OLD), image(OLD), image(NEW));
        assert!(old != new && old.len() == 40 * 4096);
        Self { board, start, old, new }
    }

    fn install(&self, disk: &mut PoweredDisk, chip: &Chipped, then: Then) -> Result<Ending, Error<OsError>> {
        let mut source = self.board.releases[NEW].bundle;
        let request = Request { then, ..Request::default() };
        let (done, _) = act(&self.board, Some(SlotId::A), disk, &mut loader(chip), |device, room, work, heard| {
            device.install(&mut source, &request, room, work, heard)
        });
        done.map(|installed| installed.ending)
    }

    fn state_of_b(&self, medium: &Medium) -> SlotState {
        let states = Updater::new(&self.board, Some(SlotId::A)).states(&mut SimDisk::new(medium.clone()));
        states.expect("the table can be read")[1].0
    }

    /// An installation with this eMMC; how it ended, the eMMC, and the state of slot b.
    fn installed(&self, cells: &Cells) -> (Result<Ending, Error<OsError>>, Cells, SlotState) {
        let (power, mut disk) = (Power::default(), PoweredDisk::new(&self.start, &Power::default()));
        let chip = Chipped::new(cells, &power);
        let ending = self.install(&mut disk, &chip, Then::Arm);
        let cells = chip.cells.borrow().clone();
        (ending, cells, self.state_of_b(&disk.after(Unflushed::Kept)))
    }
}

#[test]
fn at_every_cut_a_whole_boot_loader_starts_and_a_slot_is_armed_after_it() {
    let bench = Bench::new();
    let (ending, cells, state) = bench.installed(&Cells::new(&bench.old));
    assert_eq!((ending.expect("nothing fails"), state), (Ending::Armed, SlotState::Trial));
    assert_eq!(cells.acts, ["unlock", "write", "write", "write", "lock", "flush", "switch"]);
    assert!(cells.started().starts_with(&bench.new));
    let (mut cuts, mut seen) = (0, [0; 3]);
    loop {
        let power = Power::for_steps(cuts);
        let mut disk = PoweredDisk::new(&bench.start, &power);
        let chip = Chipped::new(&Cells::new(&bench.old), &power);
        if bench.install(&mut disk, &chip, Then::Arm).is_ok() {
            break;
        }
        assert_eq!(power.done(), cuts);
        for (unflushed, torn) in [(Unflushed::Kept, false), (Unflushed::Kept, true), (Unflushed::Lost, false)] {
            let (cells, medium) = (chip.cells.borrow().cut(unflushed, torn), disk.after(unflushed));
            let new = cells.started().starts_with(&bench.new);
            assert!(new || cells.started().starts_with(&bench.old), "cut {cuts}: what starts is not whole");
            let armed = bench.state_of_b(&medium) == SlotState::Trial;
            assert!(new || !armed, "cut {cuts}: armed before its boot loader starts");
            seen[usize::from(new) + usize::from(armed)] += 1;
            // Running again goes on from there.
            let (mut disk, chip) =
                (PoweredDisk::new(&medium, &Power::default()), Chipped::new(&cells, &Power::default()));
            bench.install(&mut disk, &chip, Then::Arm).expect("nothing fails any more");
            assert!(chip.cells.borrow().started().starts_with(&bench.new));
            assert_eq!(bench.state_of_b(&disk.after(Unflushed::Kept)), SlotState::Trial);
        }
        cuts += 1;
    }
    // Old and not armed, new and not armed, new and armed.
    assert!(cuts > 20 && seen.iter().all(|seen| *seen > 0), "{cuts} {seen:?}");
    eprintln!("result: power/emmc: {cuts} cuts of an installation, {seen:?}");
}

#[test]
fn what_starts_already_is_not_written_and_what_is_there_is_not_copied() {
    let bench = Bench::new();
    let (ending, cells, _) = bench.installed(&Cells::new(&bench.new));
    assert_eq!((ending.expect("it installs"), cells.acts), (Ending::Armed, vec![]));
    let mut cells = Cells::new(&bench.old);
    cells.areas[1][..bench.new.len()].copy_from_slice(&bench.new);
    let (ending, cells, _) = bench.installed(&cells);
    assert_eq!((ending.expect("it installs"), cells.acts), (Ending::Armed, vec!["flush", "switch"]));
    assert!(cells.areas[0].starts_with(&bench.old), "the one that ran is still there");
    assert!(cells.areas[1][bench.new.len()..].iter().all(|byte| *byte == 0xb1), "what is after the image stays");
}

#[test]
fn an_emmc_that_is_not_fit_is_refused_and_nothing_is_armed() {
    let bench = Bench::new();
    let cases: [(Change, &str); 7] = [
        (|cells| cells.register[179] = 7 << 3, "it starts from its user area (BOOT_PARTITION_ENABLE is 7)"),
        (|cells| cells.register[179] = 0, "none of its boot partitions is enabled"),
        (|cells| cells.register[179] = 3 << 3, "BOOT_PARTITION_ENABLE is 3, which has no meaning"),
        (|cells| cells.register[226] = 1, "the image has 163840 bytes, its boot partitions have 131072"),
        (|cells| cells.register[226] = 0, "its boot partitions have 0"),
        (|cells| cells.register[174] = 0b1010, "its boot partition boot1 is write-protected (BOOT_WP)"),
        (|cells| cells.fails = true, "what was written to it reads back different"),
    ];
    for (change, why) in cases {
        let mut cells = Cells::new(&bench.old);
        change(&mut cells);
        let config = cells.register[179];
        let (ending, cells, state) = bench.installed(&cells);
        let error = ending.expect_err(why).to_string();
        assert!(error.contains("cannot bring the boot loader to /dev/mmcblk0: ") && error.contains(why), "{error}");
        assert_ne!(state, SlotState::Trial, "{why}");
        assert_eq!(cells.register[179], config, "{why}");
        assert!(cells.acts.is_empty() || cells.fails && !cells.unlocked[1], "{why}: {:?}", cells.acts);
        assert!(cells.areas[0].starts_with(&bench.old));
    }
}

#[test]
fn a_staged_slot_brings_its_boot_loader_when_it_is_armed_and_a_rollback_brings_none() {
    let bench = Bench::new();
    let (power, chip) = (Power::default(), Chipped::new(&Cells::new(&bench.old), &Power::default()));
    let mut disk = PoweredDisk::new(&bench.start, &power);
    let acts = || chip.cells.borrow().acts.len();
    assert_eq!(bench.install(&mut disk, &chip, Then::Stage).expect("it installs"), Ending::Staged);
    assert_eq!(acts(), 0, "what is staged only does not start");
    let mut loader = loader(&chip);
    let (done, _) = act(&bench.board, Some(SlotId::A), &mut disk, &mut loader, |device, room, work, heard| {
        device.activate(Some(SlotId::B), room, work, heard).map(|_| ())
    });
    done.expect("it is armed");
    let brought = acts();
    assert!(brought > 0 && chip.cells.borrow().started().starts_with(&bench.new));
    let (done, _) = act(&bench.board, Some(SlotId::B), &mut disk, &mut loader, |device, room, _, heard| {
        let good = device.mark_good(SlotId::B, Claim::Booted, room, heard).map(|_| ());
        good.and(device.rollback(Some(SlotId::A), room, heard).map(|_| ()))
    });
    done.expect("both are good");
    assert_eq!(acts(), brought, "each boot loader starts both slots");
}

#[test]
fn the_store_inside_is_followed_as_without_an_emmc() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("autoboot.txt"), "").expect("a file");
    let chip = Chipped::new(&Cells::new(&bench.old), &Power::default());
    let inner = Tryboot::open(folder.path(), "root", &[], None).expect("a store");
    let mut both: EmmcBoot<PoweredDisk> =
        EmmcBoot::new(Path::new("/dev/mmcblk0"), ROLE, Box::new(chip.clone()), Some(Box::new(inner)));
    assert_eq!(both.counting(), Counting::Once);
    let mut disk = PoweredDisk::new(&bench.start, &Power::default());
    assert!(both.read(&mut disk, SlotId::B).expect("it is another machine's").is_some());
    let mut alone = loader(&chip);
    assert_eq!(alone.counting(), Counting::Down);
    assert_eq!(alone.read(&mut disk, SlotId::B).expect("nothing is read"), None);
}
