//! Every act on the partition table, cut everywhere: the disk images that other programs are asked to read.
//!
//! | atomicity | a cut may leave |
//! |---|---|
//! | [`Atomicity::Writes`] | as prefixes, and a write that stays inside an aligned 4096-byte block is whole or not there |
//! | [`Atomicity::Prefixes`] | of each unflushed write its first sectors, or none, or all |
//! | [`Atomicity::Sectors`] | any subset of the unflushed sectors, in any order |
//! | [`Atomicity::Nothing`] | the same, and any sector torn inside or lost |

use std::collections::HashSet;

use libupdate::boot::{Choice, Guard, candidates, choose};
use libupdate::gpt::write::{FreshTable, Relocate, create, repair};
use libupdate::gpt::{Guid, Table, TriesLeft};
use libupdate::policy::{Compression, Facts, SlotFacts};
use libupdate::slot::SlotState;
use libupdate::transition;
use libupdate::{BlockSize, Lba, SlotId, slot};

use crate::chance::Chance;
use crate::crash::{Effort, Grain, Tears, windows};
use crate::gpt_disk::{Bits, GptDisk, bits_of, bytes_of, set_bits, slot_partition, slot_table, specs, usual};
use crate::gpt_maker::{GptMaker, Partition};
use crate::gpt_readers::{Reader, Seen};
use crate::medium::Medium;
use crate::sim_disk::{Event, SimDisk};

/// What the drive keeps together when the power goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Atomicity {
    /// A write inside one aligned 4096-byte block.
    Writes,
    /// A sector; those of one write arrive in their order.
    Prefixes,
    /// A sector.
    Sectors,
    /// Nothing.
    Nothing,
}

/// Logical and physical block.
pub type Drive = (BlockSize, BlockSize);
/// Drives: 512n, 512e, 4Kn.
pub const DRIVES: [(&str, Drive); 3] = [
    ("512n", (BlockSize::B512, BlockSize::B512)),
    ("512e", (BlockSize::B512, BlockSize::B4096)),
    ("4Kn", (BlockSize::B4096, BlockSize::B4096)),
];

/// An act, and what it did to its disk.
#[derive(Debug)]
pub struct Act {
    /// Its name.
    pub name: &'static str,
    /// Group in the tables of docs/POWER.md.
    pub group: Group,
    before: Medium,
    log: Vec<Event>,
    /// The table before.
    pub old: Seen,
    /// The table afterwards.
    pub new: Seen,
}

/// What an act does to the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Group {
    /// Other bits.
    Bits,
    /// A copy is written anew.
    Repair,
    /// The backup moves to the end of a disk that grew.
    Relocate,
    /// A table where there was none.
    Create,
    /// A table where there was another.
    Replace,
}

impl Act {
    fn new(name: &'static str, group: Group, before: Medium, act: impl FnOnce(&mut SimDisk)) -> Self {
        let mut disk = SimDisk::new(before.clone());
        act(&mut disk);
        let read = |medium: &Medium| Reader::LinuxGpt.read(&bytes_of(medium), medium.block_size());
        let (old, new) = (read(&before), read(&disk.content()));
        Self { name, group, before, log: disk.into_log(), old, new }
    }

    /// Every state that a cut may leave, each once.
    #[must_use]
    pub fn states(&self, atomicity: Atomicity) -> Vec<Vec<u8>> {
        let tears = if atomicity == Atomicity::Nothing { Tears::Lost } else { Tears::Never };
        let effort = Effort { samples: 4, tears, grain: Grain::Fine };
        let (mut seen, mut images) = (HashSet::new(), Vec::new());
        let per_window = self.log.split(|event| matches!(event, Event::Flush));
        for (mut window, events) in windows(&self.before, &self.log).into_iter().zip(per_window) {
            let durable = window.durable().clone();
            window.cuts(effort, &mut Chance::new(3), &mut |cut| {
                let medium = cut.medium();
                let may_be = events.iter().all(|event| keeps(event, atomicity, &durable, &medium));
                if may_be && seen.insert(cut.identity().folded()) {
                    images.push(bytes_of(&medium));
                }
            });
        }
        images
    }

    /// Bytes in a logical block.
    #[must_use]
    pub fn block_size(&self) -> BlockSize {
        self.before.block_size()
    }
}

/// Whether a write is there as the atomicity says.
fn keeps(event: &Event, atomicity: Atomicity, durable: &Medium, cut: &Medium) -> bool {
    let Event::Write(first, sectors) = event else { return true };
    let changed = (*first..).zip(sectors).filter(|(lba, new)| durable.sector(*lba).is_some_and(|old| !old.same(new)));
    let new: Vec<bool> = changed.map(|(lba, new)| cut.sector(lba).is_some_and(|now| now.same(new))).collect();
    let per_page = 4096 / u64::try_from(durable.block_size().bytes()).unwrap_or(4096);
    let last = first + u64::try_from(sectors.len()).unwrap_or_default() - 1;
    match atomicity {
        Atomicity::Writes if first / per_page == last / per_page => new.windows(2).all(|pair| pair[0] == pair[1]),
        Atomicity::Writes | Atomicity::Prefixes => new.windows(2).all(|pair| pair[0] >= pair[1]),
        Atomicity::Sectors | Atomicity::Nothing => true,
    }
}

/// The acts on a drive of this kind.
#[must_use]
pub fn acts((size, physical): Drive) -> Vec<Act> {
    let disk = |bits| GptDisk::new(&maker(size, bits), physical);
    let mut acts = bit_acts(&disk);
    let good = [(2, 3, 1), (1, 3, 1), (0, 0, 0)];
    let repairing = |name, damage: fn(&mut GptDisk)| {
        let mut damaged = disk(good);
        damage(&mut damaged);
        Act::new(name, Group::Repair, damaged.medium(), |disk| mend(disk, Relocate::No))
    };
    acts.push(repairing("repair H1", |disk| disk.block(1)[16] ^= 1));
    acts.push(repairing("repair E1", |disk| disk.entry(1, 3)[127] ^= 1));
    acts.push(repairing("repair H1 E1", |disk| {
        disk.block(1)[16] ^= 1;
        disk.entry(1, 3)[127] ^= 1;
    }));
    acts.push(repairing("repair H2 E2", |disk| {
        let last = disk.last();
        disk.entry(last, 3)[127] ^= 1;
        disk.block(last)[16] ^= 1;
    }));
    let mut grown = disk(good);
    grown.grow(16);
    acts.push(Act::new("relocate", Group::Relocate, grown.medium(), |disk| mend(disk, Relocate::Yes)));
    let fresh = maker(size, good);
    let mut blank = disk(good);
    blank.bytes.fill(0);
    acts.push(Act::new("create", Group::Create, blank.medium(), |disk| make(disk, &fresh)));
    let mut other = maker(size, [(0, 0, 0); 3]);
    other.partitions.truncate(1);
    other.disk_guid = vec![0xd2; 16];
    let older = GptDisk::new(&other, physical);
    acts.push(Act::new("replace", Group::Replace, older.medium(), |disk| make(disk, &fresh)));
    acts
}

fn maker(size: BlockSize, bits: [Bits; 3]) -> GptMaker {
    let mut maker = usual(size, if size == BlockSize::B512 { 128 } else { 64 }, vec![]);
    let first = maker.first_usable;
    maker.partitions.push(Partition::new(1, "esp", [0xc1; 16], first, 2));
    for (slot, at) in [(0, 8), (1, 4), (2, 16)] {
        maker.partitions.push(slot_partition(slot, first + at, bits[slot]));
    }
    maker
}

/// The acts that change bits, on the slots that they are for.
fn bit_acts(disk: &dyn Fn([Bits; 3]) -> GptDisk) -> Vec<Act> {
    let one_good = [(2, 3, 1), (0, 0, 0), (0, 0, 0)];
    let trial = [(2, 3, 1), (3, 3, 0), (0, 0, 0)];
    let both_good = [(2, 3, 1), (3, 3, 1), (0, 0, 0)];
    let act = |name, before, act: fn(&mut SimDisk)| Act::new(name, Group::Bits, disk(before).medium(), act);
    vec![
        act("disarm", both_good, |disk| commit(disk, &[(0, (0, 0, 0))])),
        act("arm", one_good, |disk| arm(disk, 1)),
        // Past 15 the other slots move down: entries in two sectors of 512 bytes change at once.
        act("arm past 15", [(15, 3, 1), (14, 3, 1), (0, 0, 0)], |disk| arm(disk, 2)),
        act("spend", trial, spend),
        act("mark-good", trial, |disk| {
            let done = transition::mark_good(disk, &specs(), SlotId::B, Guard::new(three()), &mut [0; 4096]);
            assert_eq!(done.expect("mark-good").warning, None);
        }),
        act("rollback", both_good, rollback),
    ]
}

fn three() -> TriesLeft {
    TriesLeft::new(3).expect("three")
}

fn commit(disk: &mut SimDisk, bits: &[(usize, Bits)]) {
    assert_eq!(set_bits(disk, bits).expect("a commit").warning, None);
}

fn arm(disk: &mut SimDisk, slot: usize) {
    let specs = specs();
    let table = slot_table(disk, &specs);
    let bits: Vec<_> = table.slots().iter().map(|slot| (slot.id, slot.bits())).collect();
    let edits = slot::arm(&bits, bits[slot].0, three()).expect("arms");
    let word = |bits| bits_of(libupdate::gpt::Attributes::new(0).with_slot_bits(bits).get());
    commit(disk, &edits.iter().map(|(id, bits)| (id.index(), word(*bits))).collect::<Vec<_>>());
}

fn spend(disk: &mut SimDisk) {
    let specs = specs();
    let Choice::Boot(boot) = choose(&candidates(&slot_table(disk, &specs)), Guard::new(three())) else {
        panic!("nothing to boot")
    };
    let done = transition::spend_try(disk, &specs, &boot, &mut [0; 4096]).expect("spends");
    assert!(matches!(done.spent, transition::Spent::Yes(_)), "a try is spent");
}

fn rollback(disk: &mut SimDisk) {
    let specs = specs();
    let table = slot_table(disk, &specs);
    let of = |slot: &slot::Slot<'_>| SlotFacts {
        slot: slot.id,
        entry: slot.control,
        places: slot.places(),
        bits: slot.bits(),
        state: if slot.id.index() < 2 { SlotState::Good } else { SlotState::Empty },
        installed: None,
    };
    let facts = Facts {
        compatible: "",
        compression: Compression::None,
        booted: Some(SlotId::B),
        slots: table.slots().iter().map(of).collect(),
    };
    let done = transition::rollback(disk, &specs, &facts, SlotId::A, &mut [0; 4096]);
    assert_eq!(done.expect("rolls back").warning, None);
}

fn mend(disk: &mut SimDisk, relocate: Relocate) {
    let table = Table::read(disk, &mut [0; 4096]).expect("a table");
    let done = repair(disk, &table, relocate, &mut [0; 4096]).expect("repairs");
    assert!(done.repaired.is_some() || relocate == Relocate::Yes, "there was something to do");
}

fn make(disk: &mut SimDisk, table: &GptMaker) {
    let mbr = table.protective_mbr();
    let fresh = FreshTable {
        protective_mbr: mbr[..512].try_into().expect("512 bytes"),
        disk_guid: Guid::new(table.disk_guid[..16].try_into().expect("16 bytes")),
        first_usable: Lba::new(table.first_usable),
        last_usable: Lba::new(table.last_usable),
        entries: &table.array(),
    };
    create(disk, &fresh, &mut [0; 4096]).expect("creates");
}
