//! Power cuts: in every act, at every write, torn and reordered, and again in the recovery.

use super::*;
use crate::gpt::CopyId;
use crate::gpt::fixture::{block, seal_entries};
use crate::gpt::write::{Relocate, create, repair};
use crate::io::ram_disk::Event;
use crate::io::ram_disk::cut::{each_cut, journal_of};

/// The recovery after a cut: what the hook does at the next boot.
fn recover(disk: &mut RamDisk) {
    let table = read(disk);
    assert!(repair(disk, &table, Relocate::No, &mut [0; 4096]).is_ok());
}

/// The disk is old or new, stays what it is through a recovery that is cut in its turn, and then takes the change.
fn judge(disk: RamDisk, how: &str) -> usize {
    let mut now = disk.clone();
    let table = Table::read(&mut now, &mut [0; 4096]).unwrap_or_else(|error| panic!("{how}: {error}"));
    let found = words(&mut now);
    assert!(found == with_slot(OLD) || found == with_slot(NEW), "{how}: {found:x?}");
    let journal = journal_of(&disk, recover);
    let cuts = each_cut(&disk, &journal, |mut again, then| {
        assert_eq!(words(&mut again), found, "{how}; in recovery, {then}");
        recover(&mut again);
        assert_eq!(words(&mut again), found, "{how}; in recovery, {then}");
        assert_eq!(states(&mut again), BOTH_VALID, "{how}; in recovery, {then}");
    });
    recover(&mut now);
    assert!(set_new(&mut now).is_ok(), "{how}: from {table:?}");
    assert_eq!(words(&mut now), with_slot(NEW), "{how}");
    assert_eq!(states(&mut now), BOTH_VALID, "{how}");
    cuts
}

fn commit_on(disk: &mut RamDisk) {
    assert!(set_new(disk).is_ok());
}

/// C1, C2, C3.
#[test]
fn a_commit_cut_anywhere_is_old_or_new() {
    let mut states = 0;
    for layout in layouts() {
        for physical in [BlockSize::B512, BlockSize::B4096] {
            let before = RamDisk { physical, ..two_slots(layout) };
            let journal = journal_of(&before, commit_on);
            states += each_cut(&before, &journal, |disk, how| states += judge(disk, how));
        }
    }
    assert!(states > 2000, "only {states} states: the cuts are not alive");
}

#[test]
fn a_commit_that_repairs_first_is_old_or_new() {
    for layout in layouts() {
        for header in [1, layout.backup] {
            for damage_entries in [false, true] {
                let mut before = two_slots(layout);
                let bad = if damage_entries { entry(&mut before, header, 1) } else { block(&mut before, header) };
                bad[60] ^= 1;
                let journal = journal_of(&before, commit_on);
                each_cut(&before, &journal, |disk, how| {
                    judge(disk, how);
                });
            }
        }
    }
}

/// A device that fails instead of losing power: the act ends, the table does not.
#[test]
fn a_disk_that_dies_at_any_write_keeps_a_table() {
    for layout in layouts() {
        for writes in 0..6 {
            let mut disk = two_slots(layout);
            disk.writes_left = writes;
            let result = set_new(&mut disk);
            disk.writes_left = usize::MAX;
            let found = words(&mut disk);
            assert!(found == with_slot(NEW) || result.is_err(), "{writes} writes");
            judge(disk, "the disk died");
        }
    }
}

/// What Linux needs, which looks at no backup: where a disk does not tear a write, the primary is always whole.
#[test]
fn on_512_byte_blocks_the_primary_is_whole_between_any_two_writes() {
    for physical in [BlockSize::B512, BlockSize::B4096] {
        let mut disk = RamDisk { physical, ..two_slots(Layout::vboot()) };
        for event in journal_of(&disk.clone(), commit_on) {
            if let Event::Write(at, bytes) = event {
                let start = usize::try_from(at).unwrap() * 512;
                disk.bytes[start..start + bytes.len()].copy_from_slice(&bytes);
            }
            assert_eq!(states(&mut disk).0, CopyState::Valid);
        }
    }
}

/// GRUB refuses the backup where a valid primary header differs from it and the primary's entries do not hold.
#[test]
fn no_write_leaves_the_state_that_grub_cannot_read() {
    for layout in layouts() {
        let before = two_slots(layout);
        let journal = journal_of(&before, commit_on);
        each_cut(&before, &journal, |mut disk, how| {
            let survey = BothCopies::read(&mut disk, &mut [0; 4096]).unwrap();
            let headers = survey.primary().header().zip(survey.backup().header());
            let stuck = survey.primary().state() != CopyState::Valid
                && headers.is_some_and(|(primary, backup)| !primary.same_table(&backup));
            // A single write that tears between header and entries is beyond our power.
            let torn_single_write = layout.size == BlockSize::B512 && layout.primary_entries == 2;
            assert!(!stuck || torn_single_write, "{how}");
        });
    }
}

/// A header that holds over a damaged block of its entries does not bring the old table back while they are written anew.
#[test]
fn a_copy_that_is_written_anew_never_shows_an_older_table() {
    for layout in layouts() {
        let mut before = two_slots(layout);
        let mut newer = before.clone();
        commit_on(&mut newer);
        let backup = usize::try_from(layout.last_usable + 1).unwrap() * layout.size.bytes();
        before.bytes[backup..].copy_from_slice(&newer.bytes[backup..]);
        entry(&mut before, 1, layout.count)[127] ^= 1;
        assert_eq!(words(&mut before), with_slot(NEW));
        judge(before, "a damaged block of the older primary");
    }
}

/// A move that was cut left a backup in the last block. It is older than the one that the torn primary header names.
#[test]
fn a_cut_move_leaves_nothing_that_serves_later() {
    for layout in layouts() {
        let mut disk = two_slots(layout);
        disk.bytes.resize(disk.bytes.len() + 50 * layout.size.bytes(), 0xcc);
        let moves = |disk: &mut RamDisk| {
            let table = read(disk);
            assert!(repair(disk, &table, Relocate::Yes, &mut [0; 4096]).is_ok());
        };
        let mut cut = Vec::new();
        let mut journal = journal_of(&disk, moves);
        journal.truncate(1 + journal.iter().position(|event| *event == Event::Flush).unwrap());
        each_cut(&disk, &journal, |disk, _| cut.push(disk));
        let mut before = cut.pop().unwrap();
        let between = edit(SLOT, 0xff41);
        let table = read(&mut before);
        assert!(commit(&mut before, &table, &[between], Backup::Required, &mut [0; 4096]).is_ok());
        block(&mut before, 1)[16] ^= 1;
        assert_eq!(words(&mut before), with_slot(0xff41));
    }
}

/// The backup of a disk that grew is found although the header that names it is torn.
#[test]
fn a_commit_on_a_grown_disk_is_old_or_new() {
    for layout in layouts() {
        let mut before = two_slots(layout);
        before.bytes.resize(before.bytes.len() + 50 * layout.size.bytes(), 0xcc);
        let journal = journal_of(&before, commit_on);
        each_cut(&before, &journal, |disk, how| {
            judge(disk, how);
        });
    }
}

/// Relocation: before, the old place; after, the new one; never neither.
#[test]
fn a_relocation_cut_anywhere_keeps_a_table() {
    for layout in layouts() {
        for blocks in [1, 2, 40] {
            let mut before = two_slots(layout);
            let len = before.bytes.len() + blocks * layout.size.bytes();
            before.bytes.resize(len, 0xcc);
            let relocate = |disk: &mut RamDisk| {
                let table = read(disk);
                assert!(repair(disk, &table, Relocate::Yes, &mut [0; 4096]).is_ok());
            };
            let journal = journal_of(&before, relocate);
            each_cut(&before, &journal, |mut disk, how| {
                assert_eq!(words(&mut disk), with_slot(OLD), "{how}");
                relocate(&mut disk);
                assert_eq!(words(&mut disk), with_slot(OLD), "{how}");
                assert_eq!(states(&mut disk), BOTH_VALID, "{how}");
            });
        }
    }
}

/// A new table over an older one, whose backup is elsewhere or broken: at every moment the old or the new one serves.
#[test]
fn a_new_table_over_an_old_one_is_old_or_new() {
    for layout in layouts().into_iter().filter(|layout| layout.primary_entries == 2) {
        for (grown, broken_backup) in [(0, false), (0, true), (50, false), (50, true)] {
            let mut before = two_slots(layout);
            for header in [1, layout.backup] {
                entry(&mut before, header, SLOT)[54..56].copy_from_slice(&u16::try_from(NEW).unwrap().to_le_bytes());
                seal_entries(&mut before, header);
            }
            if broken_backup {
                block(&mut before, layout.backup).fill(0);
            }
            let len = before.bytes.len() + grown * layout.size.bytes();
            before.bytes.resize(len, 0);
            let new = Layout::usual(layout.size, layout.blocks + u64::try_from(grown).unwrap(), layout.count);
            let entries = super::create::array(layout);
            let table = super::create::fresh(new, &entries);
            let journal = journal_of(&before, |disk| create(disk, &table, &mut [0; 4096]).unwrap());
            each_cut(&before, &journal, |mut disk, how| {
                let found = words(&mut disk);
                assert!(found == with_slot(NEW) || found == with_slot(OLD), "{how}");
                create(&mut disk, &table, &mut [0; 4096]).unwrap();
                assert_eq!((words(&mut disk), states(&mut disk)), (with_slot(OLD).to_vec(), BOTH_VALID));
            });
        }
    }
}

/// The cuts are alive: an act in the wrong order is caught.
#[test]
fn a_commit_in_the_wrong_order_is_caught() {
    let before = two_slots(Layout::vboot());
    let mut journal = journal_of(&before, commit_on);
    journal.retain(|event| *event != Event::Flush);
    let mut dead = 0;
    each_cut(&before, &journal, |mut disk, _| {
        dead += usize::from(Table::read(&mut disk, &mut [0; 4096]).is_err());
    });
    assert!(dead > 0, "without a barrier both copies can be torn at once");
    let sorted = journal_of(&before, commit_on);
    let alive = each_cut(&before, &sorted, |mut disk, how| {
        let table = Table::read(&mut disk, &mut [0; 4096]);
        assert!(matches!(table.map(|table| table.chosen()), Ok(CopyId::Primary | CopyId::Backup)), "{how}");
    });
    assert!(alive > 10);
}
