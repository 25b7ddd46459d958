//! What a commit changes, what it refuses, and what it does when the disk fails.

use super::*;
use crate::error::{Access, IoError, Medium, Misuse, TableFault};
use crate::gpt::CopyId;
use crate::gpt::fixture::{block, lba, seal_entries};
use crate::gpt::write::{Effect, Warning};
use crate::io::ram_disk::Op::{Flush, Write};
use crate::units::limits::SLOTS;

#[test]
fn both_copies_have_the_new_bits() {
    for layout in layouts() {
        for physical in [BlockSize::B512, BlockSize::B4096] {
            let mut disk = two_slots(layout);
            disk.physical = physical;
            let done = set_new(&mut disk).unwrap();
            assert_eq!((done.effect, done.repaired, done.warning), (Effect::Written, None, None));
            assert_eq!(words(&mut disk), with_slot(NEW));
            assert_eq!(states(&mut disk), BOTH_VALID);
        }
    }
}

/// B4: outside the slot bits and the checksums, no byte of the disk changes.
#[test]
fn every_foreign_byte_survives() {
    for layout in layouts() {
        let before = two_slots(layout);
        let mut expected = before.clone();
        for header in [1, layout.backup] {
            entry(&mut expected, header, SLOT)[54..56].copy_from_slice(&u16::try_from(NEW).unwrap().to_le_bytes());
            seal_entries(&mut expected, header);
        }
        for physical in [BlockSize::B512, BlockSize::B4096] {
            let mut disk = RamDisk { physical, ..before.clone() };
            assert!(set_new(&mut disk).is_ok());
            assert!(disk.bytes == expected.bytes, "{layout:?}");
        }
    }
}

/// The checksum of a longer header covers its foreign bytes.
#[test]
fn a_longer_header_stays_as_long() {
    for header_size in [93_u32, 512] {
        let mut disk = two_slots(Layout::vboot());
        for header in [1, 516] {
            crate::gpt::fixture::set(&mut disk, header, 12, &header_size.to_le_bytes());
        }
        assert!(set_new(&mut disk).is_ok());
        assert_eq!(states(&mut disk), BOTH_VALID);
        assert_eq!(block(&mut disk, 1)[12..16], header_size.to_le_bytes());
        assert_eq!(block(&mut disk, 516)[511], 0x7a);
    }
}

#[test]
fn several_entries_change_together() {
    for layout in [Layout::vboot(), Layout::usual(BlockSize::B4096, 64, 128)] {
        let mut disk = two_slots_far_apart(layout);
        let table = read(&mut disk);
        let edits = [edit(128, 0x0011), edit(1, 0x0122), edit(4, 0x0033)];
        assert!(commit(&mut disk, &table, &edits, Backup::Required, &mut [0; 4096]).is_ok());
        assert_eq!(words(&mut disk), [(1, 0x8122), (3, OLD), (4, 0xfe33), (128, 0x8011)]);
    }
}

#[test]
fn of_two_edits_of_one_entry_the_later_counts() {
    let mut disk = two_slots(Layout::vboot());
    let table = read(&mut disk);
    assert!(
        commit(&mut disk, &table, &[edit(SLOT, 0x0001), edit(SLOT, NEW)], Backup::Required, &mut [0; 4096]).is_ok()
    );
    assert_eq!(words(&mut disk), with_slot(NEW));
}

#[test]
fn what_no_table_can_take_is_refused_before_any_write() {
    let mut disk = two_slots(Layout::vboot());
    let table = read(&mut disk);
    let mut refused = |edits: &[Edit]| {
        let result = commit(&mut disk, &table, edits, Backup::Required, &mut [0; 4096]).unwrap_err();
        assert_eq!(disk.log, [Flush]);
        disk.log.clear();
        result
    };
    for number in [2, 128, 129, u32::MAX] {
        let fault = Misuse::NoSuchEntry { entry: number };
        assert_eq!(refused(&[edit(SLOT, NEW), edit(number, NEW)]), fault.into());
    }
    assert_eq!(refused(&[edit(SLOT, NEW); SLOTS + 1]), Misuse::TooManyEdits.into());
    let short = commit(&mut disk, &table, &[edit(SLOT, NEW)], Backup::Required, &mut [0; 4095]);
    assert!(matches!(short, Err(Error::Misuse(_))));
    assert_eq!(disk.log, [Flush]);
}

/// Any other content of either copy than the one that was read: refused, nothing written.
#[test]
fn a_table_that_changed_meanwhile_is_refused() {
    let layout = Layout::vboot();
    for headers in [&[1][..], &[layout.backup], &[1, layout.backup]] {
        let mut disk = two_slots(layout);
        let table = read(&mut disk);
        for header in headers {
            entry(&mut disk, *header, 4)[54] ^= 1;
            seal_entries(&mut disk, *header);
        }
        let result = commit(&mut disk, &table, &[edit(SLOT, NEW)], Backup::Required, &mut [0; 4096]);
        assert_eq!(result, Err(TableFault::ChangedUnderUs.into()));
        assert_eq!(disk.log, [Flush]);
    }
}

#[test]
fn a_stale_table_is_refused() {
    let mut disk = two_slots(Layout::vboot());
    let table = read(&mut disk);
    assert!(commit(&mut disk, &table, &[edit(SLOT, NEW)], Backup::Required, &mut [0; 4096]).is_ok());
    let again = commit(&mut disk, &table, &[edit(SLOT, OLD)], Backup::Required, &mut [0; 4096]);
    assert_eq!(again, Err(TableFault::ChangedUnderUs.into()));
    assert_eq!(words(&mut disk), with_slot(NEW));
}

/// A bad copy is whole again before the change begins.
#[test]
fn a_bad_copy_is_first_written_anew() {
    for layout in layouts() {
        for (header, copy) in [(1, CopyId::Primary), (layout.backup, CopyId::Backup)] {
            for damage_entries in [false, true] {
                let mut disk = two_slots(layout);
                let target = if damage_entries { entry(&mut disk, header, 1) } else { block(&mut disk, header) };
                target[60] ^= 1;
                let done = set_new(&mut disk).unwrap();
                assert_eq!((done.repaired, done.warning), (Some(copy), None), "{layout:?}");
                assert_eq!(states(&mut disk), BOTH_VALID);
                assert_eq!(words(&mut disk), with_slot(NEW));
            }
        }
    }
    let mut disk = two_slots(Layout::vboot());
    block(&mut disk, 516)[60] ^= 1;
    assert!(set_new(&mut disk).is_ok());
    let change = [Write(484, 1), Write(516, 1), Flush, Write(1, 2), Flush];
    assert_eq!(disk.log, [&[Flush, Write(516, 1), Flush][..], &change].concat());
}

#[test]
fn a_backup_that_differs_is_first_made_equal() {
    let layout = Layout::vboot();
    let mut disk = two_slots(layout);
    entry(&mut disk, layout.backup, 4)[54] ^= 1;
    seal_entries(&mut disk, layout.backup);
    let done = set_new(&mut disk).unwrap();
    assert_eq!(done.repaired, Some(CopyId::Backup));
    assert_eq!(states(&mut disk), BOTH_VALID);
    assert_eq!(words(&mut disk), with_slot(NEW));
}

/// R25.
#[test]
fn an_ignored_copy_is_never_written() {
    let layout = Layout::vboot();
    let blocks = layout.blocks;
    for (header, own) in [(1, 0..34), (layout.backup, layout.backup_entries..blocks)] {
        let mut disk = two_slots(layout);
        block(&mut disk, header)[..8].copy_from_slice(b"IGNOREME");
        let range = usize::try_from(own.start).unwrap() * 512..usize::try_from(own.end).unwrap() * 512;
        let before = disk.bytes[range.clone()].to_vec();
        let done = set_new(&mut disk).unwrap();
        assert_eq!((done.effect, done.repaired, done.warning), (Effect::Written, None, None));
        assert_eq!(words(&mut disk), with_slot(NEW));
        assert!(disk.bytes[range] == before);
    }
}

#[test]
fn a_disk_without_a_place_for_the_backup_keeps_its_primary() {
    let mut disk = two_slots(Layout::vboot());
    disk.bytes.truncate(500 * 512);
    let done = set_new(&mut disk).unwrap();
    let nowhere = TableFault::AlternateLba { found: lba(516) };
    assert_eq!((done.effect, done.warning), (Effect::Written, Some(Warning::BackupNowhere(nowhere))));
    assert_eq!(words(&mut disk), with_slot(NEW));
    assert_eq!(disk.log, [Flush, Write(1, 2), Flush]);
}

/// A disk that refuses the backup in the middle of an act: the act ends, and nothing is written after it. The primary is whole. What was
/// whole before may not be any more, so that the next act finds a damaged backup, and says so.
#[test]
fn an_act_ends_where_the_disk_refuses_a_backup_that_was_whole() {
    let layout = Layout::vboot();
    for bad in [layout.backup, layout.backup_entries] {
        let mut disk = two_slots(layout);
        disk.bad_writes = [bad].to_vec();
        let cause = IoError { access: Access::Write, at: lba(bad), cause: Failed };
        assert_eq!(set_new(&mut disk), Err(Error::Medium(Medium::Failed(cause))));
        assert_eq!(words(&mut disk), with_slot(OLD));
        assert!(!disk.log.iter().any(|op| matches!(op, Write(1, _))), "{:?}", disk.log);
        assert_eq!(states(&mut disk).0, CopyState::Valid);
    }
}

/// A backup that holds, says something else, and cannot be written: an older table, which a cut would bring back.
#[test]
fn an_act_ends_where_an_older_backup_stays() {
    let layout = Layout::vboot();
    let mut disk = two_slots(layout);
    entry(&mut disk, layout.backup, 4)[54] ^= 1;
    seal_entries(&mut disk, layout.backup);
    disk.bad_writes = [layout.backup].to_vec();
    assert!(matches!(set_new(&mut disk), Err(Error::Medium(Medium::Failed(IoError { access: Access::Write, .. })))));
    assert_eq!(words(&mut disk), with_slot(OLD));
    assert!(set_new_in_a_boot(&mut disk).unwrap().warning.is_some());
    assert_eq!(words(&mut disk), with_slot(NEW));
}

/// R21, backup: a warning, and the primary has the change. In a boot, and where the backup was damaged before.
#[test]
fn a_backup_that_cannot_be_written_is_a_warning() {
    let layout = Layout::vboot();
    for bad in [layout.backup, layout.backup_entries] {
        for damaged in [false, true] {
            let mut disk = two_slots(layout);
            if damaged {
                block(&mut disk, layout.backup)[60] ^= 1;
                entry(&mut disk, layout.backup, 1)[60] ^= 1;
            }
            disk.bad_writes = [bad].to_vec();
            let done = if damaged { set_new(&mut disk) } else { set_new_in_a_boot(&mut disk) }.unwrap();
            assert_eq!(done.effect, Effect::Written);
            let warning = Warning::BackupFailed { access: Access::Write, at: lba(bad) };
            assert_eq!((done.repaired, done.warning), (None, Some(warning)));
            assert_eq!(words(&mut disk), with_slot(NEW));
            assert_eq!(states(&mut disk).0, CopyState::Valid);
        }
    }
}

/// R21, primary: an error, and the old or the new table serves.
#[test]
fn a_primary_that_cannot_be_written_is_an_error() {
    for layout in layouts() {
        for bad in [1, layout.primary_entries] {
            let mut disk = two_slots(layout);
            disk.bad_writes = [bad].to_vec();
            let Err(Error::Medium(Medium::Failed(IoError { access: Access::Write, .. }))) = set_new(&mut disk) else {
                panic!("{layout:?}")
            };
            let found = words(&mut disk);
            assert!(found == with_slot(OLD) || found == with_slot(NEW));
        }
    }
}

#[test]
fn a_failed_flush_ends_the_act() {
    for layout in layouts() {
        for flushes in 0..3 {
            let mut disk = two_slots(layout);
            disk.flushes_left = flushes;
            let error = set_new(&mut disk).unwrap_err();
            assert!(matches!(error, Error::Medium(Medium::Failed(IoError { access: Access::Flush, .. }))));
            let (last, written) = (disk.log.last().copied(), disk.log.len());
            assert!(
                flushes == 0 || matches!(last, Some(Write(..))),
                "nothing follows the failed flush: {:?}",
                &disk.log[..written]
            );
            let found = words(&mut disk);
            assert!(found == with_slot(OLD) || found == with_slot(NEW));
        }
    }
}

#[test]
fn a_device_that_lies_is_found_out() {
    for layout in layouts() {
        for lost in [1, layout.primary_entries] {
            let mut disk = two_slots(layout);
            disk.lost_writes = [lost].to_vec();
            assert_eq!(set_new(&mut disk), Err(TableFault::ReadBack.into()), "{layout:?}");
        }
        for lost in [layout.backup, layout.backup_entries] {
            let mut disk = two_slots(layout);
            disk.lost_writes = [lost].to_vec();
            assert_eq!(set_new(&mut disk), Err(TableFault::ReadBack.into()));
            assert_eq!(set_new_in_a_boot(&mut disk), Err(TableFault::ReadBack.into()));
            assert_eq!(words(&mut disk), with_slot(OLD));
        }
    }
}

#[test]
fn a_warning_says_what_stands_where() {
    use std::string::ToString as _;
    let text = Warning::BackupFailed { access: Access::Write, at: lba(516) }.to_string();
    assert_eq!(text, "the change stands in the primary GPT only: write of the backup at LBA 516 failed");
}
