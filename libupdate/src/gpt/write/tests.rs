//! What the tests of the three acts share.

mod bad_read;
mod change;
mod create;
mod cuts;
mod foreign;
mod hostile;
mod order;
mod repair;

use std::vec::Vec;

use crate::error::Error;
use crate::gpt::fixture::{Layout, entry, two_slots};
use crate::gpt::{Attributes, BothCopies, CopyState, EntryNumber, SlotBits, Table};
use crate::io::ram_disk::{Failed, RamDisk};
use crate::units::block::BlockSize;

use super::{Backup, Edit, Outcome, commit};

/// The slot's entry in [`two_slots`], and the bits it has there: P 2, T 1, S 1.
const SLOT: u32 = 3;
const OLD: u64 = 0xff12;
/// P 5, T 7, S 0, with the same foreign bits.
const NEW: u64 = 0xfe75;

/// The disks that every act is tried on: usual ones, entries elsewhere, few and many entries.
fn layouts() -> [Layout; 7] {
    let apart =
        Layout { primary_entries: 40, first_usable: 80, last_usable: 400, backup_entries: 420, ..Layout::vboot() };
    [
        Layout::vboot(),
        apart,
        Layout::usual(BlockSize::B512, 64, 4),
        Layout::usual(BlockSize::B512, 1200, 1024),
        Layout::usual(BlockSize::B4096, 64, 128),
        Layout::usual(BlockSize::B4096, 64, 4),
        Layout::usual(BlockSize::B4096, 200, 1024),
    ]
}

fn edit(number: u32, word: u64) -> Edit {
    Edit { entry: EntryNumber::new(number).unwrap(), bits: bits(word) }
}

fn bits(word: u64) -> SlotBits {
    Attributes::new(word << 48).slot_bits()
}

fn read(disk: &mut RamDisk) -> Table {
    Table::read(disk, &mut [0; 4096]).unwrap()
}

/// Reads the table and sets the slot's bits, through the smallest scratch.
fn set_new(disk: &mut RamDisk) -> Result<Outcome, Error<Failed>> {
    let table = read(disk);
    commit(disk, &table, &[edit(SLOT, NEW)], Backup::Required, &mut [0; 4096])
}

/// The same as a boot does it.
fn set_new_in_a_boot(disk: &mut RamDisk) -> Result<Outcome, Error<Failed>> {
    let table = read(disk);
    commit(disk, &table, &[edit(SLOT, NEW)], Backup::Optional, &mut [0; 4096])
}

/// Upper 16 attribute bits of every used entry, with its number.
fn words(disk: &mut RamDisk) -> Vec<(u32, u64)> {
    let table = read(disk);
    let mut found = Vec::new();
    table
        .entries(disk, &mut [0; 4096], |entry| found.push((entry.number.get(), entry.attributes.get() >> 48)))
        .unwrap();
    found
}

fn with_slot(word: u64) -> [(u32, u64); 3] {
    [(1, 0x8000), (SLOT, word), (4, 0xfe00)]
}

fn states(disk: &mut RamDisk) -> (CopyState, CopyState) {
    let survey = BothCopies::read(disk, &mut [0; 4096]).unwrap();
    (survey.primary().state(), survey.backup().state())
}

const BOTH_VALID: (CopyState, CopyState) = (CopyState::Valid, CopyState::Valid);

/// A table with the last entry used as a slot too: far from the first ones.
fn two_slots_far_apart(layout: Layout) -> RamDisk {
    use crate::gpt::fixture::seal_entries;
    let mut disk = two_slots(layout);
    for header in [1, layout.backup] {
        let near = entry(&mut disk, header, 1).to_vec();
        let far = entry(&mut disk, header, layout.count);
        far.copy_from_slice(&near);
        far[16] = 0x99;
        far[32..40].copy_from_slice(&layout.last_usable.to_le_bytes());
        far[40..48].copy_from_slice(&layout.last_usable.to_le_bytes());
        seal_entries(&mut disk, header);
    }
    disk
}
