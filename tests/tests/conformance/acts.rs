//! Catalogue of cases, letter U: what acts do to bits. U4 and U5 are in `prioritize.rs`.

use libupdate::boot::{Choice, Guard, candidates, choose};
use libupdate::error::{Misuse, Rejected};
use libupdate::gpt::write::{Backup, Edit, Effect, commit};
use libupdate::gpt::{EntryNumber, Table, TriesLeft};
use libupdate::policy::{Compression, Facts, SlotFacts};
use libupdate::slot::SlotState;
use libupdate::transition::{self, spend_try};
use libupdate::{BlockCount, BlockIo, BlockSize, Error, Lba, SlotId};
use tests::acts::Updater;
use tests::answer::Exit;
use tests::board::{Board, slot_id};
use tests::device::Device;
use tests::gpt_disk::{Bits, GptDisk, bytes_of, entry_number, slot_bits, slot_table, slots_of, specs};
use tests::medium::Sector;
use tests::models::PLAIN;
use tests::scenario::Stage;
use tests::sim_disk::{SimDisk, SimError};
use tests::verdict::Judge;

const SIZES: [BlockSize; 2] = [BlockSize::B512, BlockSize::B4096];

fn guard() -> Guard {
    Guard::new(TriesLeft::new(3).unwrap())
}

fn disk(size: BlockSize, bits: [Bits; 3]) -> SimDisk {
    GptDisk::with_slots(size, bits).disk()
}

/// What policy knows, with these states.
fn facts(disk: &mut SimDisk, booted: SlotId, states: [SlotState; 3]) -> Facts<'static> {
    let specs = specs();
    let table = slot_table(disk, &specs);
    let of = |slot: &libupdate::slot::Slot<'_>| SlotFacts {
        slot: slot.id,
        entry: slot.control,
        places: slot.places(),
        bits: slot.bits(),
        state: states[slot.id.index()],
        installed: None,
    };
    let slots = table.slots().iter().map(of).collect();
    Facts { compatible: "", compression: Compression::None, booted: Some(booted), slots }
}

fn spend(disk: &mut SimDisk) {
    let specs = specs();
    let Choice::Boot(boot) = choose(&candidates(&slot_table(disk, &specs)), guard()) else { panic!("nothing boots") };
    assert_eq!(spend_try(disk, &specs, &boot, &mut [0; 4096]).unwrap().token.slot(), boot.candidate.slot);
}

/// U1, decided as GRUB: T 2, 1, 0 and the priority stays (vboot sets it to 0 with the last try). At T = 0 the slot is exhausted.
#[test]
fn u1_the_last_try_leaves_the_priority() {
    for size in SIZES {
        let mut disk = disk(size, [(1, 0, 1), (2, 2, 0), (0, 0, 0)]);
        for left in [1, 0] {
            spend(&mut disk);
            assert_eq!(slots_of(&mut disk), [(1, 0, 1), (2, left, 0), (0, 0, 0)]);
        }
        spend(&mut disk);
        assert_eq!(slots_of(&mut disk), [(1, 0, 1), (2, 0, 0), (0, 0, 0)], "now slot a boots, and costs nothing");
    }
}

/// U2: vboot never demotes a good slot. Here `mark-bad` may, on purpose, and only while another slot is good.
#[test]
fn u2_a_good_slot_is_marked_bad_only_beside_another() {
    for size in SIZES {
        let mut disk = disk(size, [(2, 3, 1), (1, 3, 1), (0, 0, 0)]);
        let both = facts(&mut disk, SlotId::A, [SlotState::Good, SlotState::Good, SlotState::Empty]);
        let one = facts(&mut disk, SlotId::A, [SlotState::Good, SlotState::Failed, SlotState::Empty]);
        let refused = transition::mark_bad(&mut disk, &specs(), &one, SlotId::A, &mut [0; 4096]);
        assert_eq!(refused, Err(Error::Rejected(Rejected::LastGoodSlot { slot: SlotId::A })));
        assert!(disk.is_unwritten());
        assert_eq!(transition::mark_bad(&mut disk, &specs(), &both, SlotId::A, &mut [0; 4096]).unwrap().warning, None);
        assert_eq!(slots_of(&mut disk), [(0, 0, 0), (1, 3, 1), (0, 0, 0)]);
    }
}

/// U3: an entry that is not there or not used: an error, and nothing is written, not even for the good edits beside it.
#[test]
fn u3_an_invalid_target_writes_nothing() {
    for size in SIZES {
        let mut disk = disk(size, [(2, 3, 1), (0, 0, 0), (0, 0, 0)]);
        let table = Table::read(&mut disk, &mut [0; 4096]).unwrap();
        let good = Edit { entry: entry_number(0), bits: slot_bits((1, 1, 1)) };
        for number in [2, 128, 129, u32::MAX] {
            let bad = Edit { entry: EntryNumber::new(number).unwrap(), bits: slot_bits((1, 1, 1)) };
            let fault = Misuse::NoSuchEntry { entry: number };
            assert_eq!(commit(&mut disk, &table, &[good, bad], Backup::Required, &mut [0; 4096]), Err(fault.into()));
        }
        let absent = SlotId::from_index(5).unwrap();
        let refused = transition::mark_good(&mut disk, &specs(), absent, guard(), &mut [0; 4096]);
        assert_eq!(refused, Err(Error::Rejected(Rejected::NoSuchSlot { slot: absent })));
        assert!(disk.is_unwritten());
    }
}

/// U6, Bottlerocket #444: a second flip is "nothing to do", and writes nothing.
#[test]
fn u6_a_second_flip_does_nothing() {
    let device = Device::new();
    device.installs(2);
    let before = device.bytes();
    drop(device.run(&["activate"]).exits(Exit::Nothing));
    drop(device.run(&["install", &device.workshop.bundle_text(2)]).exits(Exit::Nothing));
    assert!(device.bytes() == before);
    assert_eq!(device.next(), "b");
}

/// U7, Bottlerocket #949: a flip that was taken back can be done again, without another download.
#[test]
fn u7_cancelled_and_applied_again() {
    let device = Device::new();
    device.does(&["install", "--no-activate", &device.workshop.bundle_text(2)]);
    device.does(&["activate"]);
    assert_eq!(device.next(), "b");
    device.does(&["mark-bad", "--slot", "b"]);
    assert_eq!((device.next().as_str(), device.state("b").as_str()), ("a", "failed"));
    device.does(&["install", "--retry-failed", &device.workshop.bundle_text(2)]);
    assert_eq!(device.next(), "b");
}

/// U8, Bottlerocket #444: a slot that was never written cannot be activated, rolled back to, or marked good.
#[test]
fn u8_a_slot_that_was_never_written_is_not_flipped_to() {
    let device = Device::new();
    let before = device.bytes();
    for act in [&["activate"][..], &["rollback"], &["mark-good", "--slot", "b"]] {
        drop(device.run(act).exits(Exit::Refused));
    }
    assert!(device.bytes() == before);
}

/// U9, vboot MarkSlotUnbootable, balenahup #405: the running slot is no target, by no option.
#[test]
fn u9_the_running_slot_is_not_written() {
    let device = Device::new();
    drop(device.refuses_untouched(&["install", "--slot", "a", &device.workshop.bundle_text(2)], Exit::Refused, ""));
    device.installs(2);
    let device = device.boots();
    assert_eq!(device.booted_slot(), "b");
    for slot in ["a", "b"] {
        let bundle = device.workshop.bundle_text(3);
        drop(device.refuses_untouched(&["install", "--slot", slot, &bundle], Exit::Refused, ""));
    }
}

/// U10, Bottlerocket: an installation over a slot whose tries ran out (P2 T0 S0), or that failed, works.
#[test]
fn u10_over_an_exhausted_slot() {
    let mut device = Device::new();
    device.installs(2);
    while device.slot("b").bits[1] > 0 {
        device = device.boots();
    }
    let device = device.boots();
    assert_eq!((device.booted_slot(), device.state("b").as_str()), ("a", "exhausted"));
    device.installs(3);
    assert_eq!((device.next().as_str(), device.state("b").as_str()), ("b", "trial"));
}

/// U11: mark-good of a good slot writes nothing.
#[test]
fn u11_good_already_is_no_write() {
    for size in SIZES {
        let mut disk = disk(size, [(2, 3, 1), (1, 0, 1), (0, 0, 0)]);
        let done = transition::mark_good(&mut disk, &specs(), SlotId::A, guard(), &mut [0; 4096]).unwrap();
        assert_eq!(done.effect, Effect::Unchanged);
        assert!(disk.is_unwritten());
        let done = transition::mark_good(&mut disk, &specs(), SlotId::B, guard(), &mut [0; 4096]).unwrap();
        assert_eq!((done.effect, slots_of(&mut disk)[1]), (Effect::Written, (1, 3, 1)), "the guard is restored");
    }
}

/// U12: vboot's mark-good must restore a priority that the last try took. Here the last try leaves it (U1), mark-good leaves it too,
/// and a slot that somebody took out meanwhile (P = 0) is refused rather than raised.
#[test]
fn u12_mark_good_leaves_the_priority() {
    for size in SIZES {
        let mut disk = disk(size, [(1, 3, 1), (2, 1, 0), (0, 0, 0)]);
        spend(&mut disk);
        assert_eq!(
            transition::mark_good(&mut disk, &specs(), SlotId::B, guard(), &mut [0; 4096]).unwrap().warning,
            None
        );
        assert_eq!(slots_of(&mut disk), [(1, 3, 1), (2, 3, 1), (0, 0, 0)]);
        let mut out = self::disk(size, [(1, 3, 1), (0, 1, 0), (0, 0, 0)]);
        let refused = transition::mark_good(&mut out, &specs(), SlotId::B, guard(), &mut [0; 4096]);
        assert!(matches!(refused, Err(Error::Rejected(Rejected::SlotState { slot: SlotId::B, .. }))));
        assert!(out.log().is_empty());
    }
}

/// A disk on which somebody moves slot b by one sector, right before one of our flushes.
struct Moving {
    disk: SimDisk,
    entry: u32,
    flushes_left: usize,
}

impl Moving {
    fn shift(&mut self) {
        let content = self.disk.content();
        let mut table = GptDisk::from_bytes(bytes_of(&content), BlockSize::B512);
        for header in [1, table.last()] {
            let entry = table.entry(header, self.entry);
            for at in [32, 40] {
                let lba = u64::from_le_bytes(entry[at..at + 8].try_into().expect("eight bytes"));
                entry[at..at + 8].copy_from_slice(&(lba + 1).to_le_bytes());
            }
            table.seal_entries(header);
        }
        for (lba, sector) in (0..).zip(table.bytes.chunks(512)) {
            if content.sector(lba).and_then(Sector::bytes) != Some(sector) {
                self.disk.write(Lba::new(lba), sector).expect("the disk works");
            }
        }
    }
}

impl BlockIo for Moving {
    type Error = SimError;

    fn block_size(&self) -> BlockSize {
        self.disk.block_size()
    }
    fn block_count(&self) -> BlockCount {
        self.disk.block_count()
    }
    fn read(&mut self, at: Lba, buf: &mut [u8]) -> Result<(), SimError> {
        self.disk.read(at, buf)
    }
    fn write(&mut self, at: Lba, buf: &[u8]) -> Result<(), SimError> {
        self.disk.write(at, buf)
    }
    fn flush(&mut self) -> Result<(), SimError> {
        if self.flushes_left == 0 {
            self.shift();
        }
        self.flushes_left = self.flushes_left.wrapping_sub(1);
        self.disk.flush()
    }
}

/// A slot that somebody moves during an installation, or before it is armed: it is never armed at a place without its image.
#[test]
fn a_slot_that_moves_meanwhile_is_not_armed() {
    let board = Board::new(PLAIN);
    for name in ["install over older", "install, fresh", "activate", "rollback", "mark-bad"] {
        let all = Stage::new(&board).scenarios();
        let scenario = all.iter().find(|scenario| scenario.name == name).expect("there is such a scenario");
        let (mut stopped, mut moments) = (0, 0);
        for flushes_left in 0.. {
            let mut disk = Moving { disk: SimDisk::new(scenario.start.clone()), entry: 6, flushes_left };
            let mut updater = Updater::new(&board, scenario.booted.map(slot_id));
            let done = updater.perform(&mut disk, scenario.act);
            if disk.flushes_left < usize::MAX / 2 {
                break;
            }
            moments += 1;
            stopped += usize::from(done.is_err());
            let end = disk.disk.content();
            let sight = Judge::new(&board).sight(end.identity(), &|| end.clone());
            assert!(sight.boots.is_some(), "{name}, moved at flush {flushes_left}: {sight}, {done:?}");
            // Armed before it was moved: its owner's doing, and its trailer is not where the table says.
            let armed_since = sight.unfit.is_some() && done.is_ok();
            assert!(!armed_since, "{name}, moved at flush {flushes_left}: {sight}, {done:?}");
        }
        assert!(moments >= 3 && stopped > 0, "{name}: {stopped} of {moments} stopped");
    }
}
