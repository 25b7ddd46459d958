//! Repair and relocation.

use super::*;
use crate::error::{Access, IoError, Medium, TableFault};
use crate::gpt::CopyId;
use crate::gpt::fixture::{block, lba, set};
use crate::gpt::write::{BackupPlace, Relocate, Repair, repair};
use crate::io::ram_disk::Op::{Flush, Write};

fn mend(disk: &mut RamDisk, relocate: Relocate) -> Result<Repair, Error<Failed>> {
    let table = read(disk);
    repair(disk, &table, relocate, &mut [0; 4096])
}

fn mended(disk: &mut RamDisk) -> Option<CopyId> {
    let done = mend(disk, Relocate::No).unwrap();
    assert_eq!(done.backup, BackupPlace::Kept);
    assert_eq!(states(disk), BOTH_VALID);
    assert_eq!(words(disk), with_slot(OLD));
    done.repaired
}

/// R1 to R12: what vboot's `ValidityCheckTest` rewrites, and that what comes out is the disk as it was.
#[test]
fn a_bad_copy_becomes_what_it_was() {
    for layout in layouts() {
        let good = two_slots(layout);
        for (header, copy) in [(1, CopyId::Primary), (layout.backup, CopyId::Backup)] {
            let mut by_header = good.clone();
            block(&mut by_header, header)[60] ^= 1;
            assert_eq!(mended(&mut by_header), Some(copy));
            assert!(by_header.bytes == good.bytes, "{layout:?}");
            let mut by_entries = good.clone();
            entry(&mut by_entries, header, 1)[60] ^= 1;
            assert_eq!(mended(&mut by_entries), Some(copy));
            assert!(by_entries.bytes == good.bytes);
            let mut by_both = good.clone();
            entry(&mut by_both, header, 1)[60] ^= 1;
            block(&mut by_both, header)[60] ^= 1;
            assert_eq!(mended(&mut by_both), Some(copy));
            assert!(by_both.bytes == good.bytes, "{layout:?}");
        }
    }
}

#[test]
fn the_header_comes_before_the_entries_and_they_only_if_they_are_bad() {
    let layout = Layout::vboot();
    let log = |damage: fn(&mut RamDisk)| {
        let mut disk = two_slots(layout);
        damage(&mut disk);
        mended(&mut disk);
        assert_eq!(disk.log.remove(0), Flush, "what an earlier act left in the cache comes first");
        disk.log
    };
    assert_eq!(log(|_| {}), []);
    assert_eq!(log(|disk| block(disk, 1)[60] ^= 1), [Write(1, 1), Flush]);
    assert_eq!(log(|disk| block(disk, 516)[60] ^= 1), [Write(516, 1), Flush]);
    // 32 blocks of entries through a scratch of 8.
    let entries = |at| [Write(at, 8), Write(at + 8, 8), Write(at + 16, 8), Write(at + 24, 8), Flush];
    assert_eq!(log(|disk| entry(disk, 1, 1)[60] ^= 1), [&[Write(1, 1), Flush], &entries(2)[..]].concat());
    assert_eq!(log(|disk| entry(disk, 516, 1)[60] ^= 1), [&[Write(516, 1), Flush], &entries(484)[..]].concat());
}

#[test]
fn an_ignored_copy_is_left_alone() {
    let layout = Layout::vboot();
    for header in [1, layout.backup] {
        for relocate in [Relocate::No, Relocate::Yes] {
            let mut disk = two_slots(layout);
            disk.bytes.resize(600 * 512, 0);
            if header == 1 {
                disk.bytes.truncate(517 * 512);
            }
            block(&mut disk, header)[..8].copy_from_slice(b"IGNOREME");
            let done = mend(&mut disk, relocate).unwrap();
            assert_eq!((done.repaired, done.backup), (None, BackupPlace::Kept));
            assert_eq!(disk.log, [Flush]);
        }
    }
}

#[test]
fn a_table_that_changed_meanwhile_is_not_repaired() {
    let mut disk = two_slots(Layout::vboot());
    block(&mut disk, 516)[60] ^= 1;
    let table = read(&mut disk);
    block(&mut disk, 516)[60] ^= 1;
    let result = repair(&mut disk, &table, Relocate::Yes, &mut [0; 4096]);
    assert_eq!(result, Err(TableFault::ChangedUnderUs.into()));
    assert_eq!(disk.log, [Flush]);
}

#[test]
fn a_copy_that_cannot_be_written_is_an_error() {
    for header in [1, 516] {
        let mut disk = two_slots(Layout::vboot());
        block(&mut disk, header)[60] ^= 1;
        disk.bad_writes = [header].to_vec();
        let wanted = IoError { access: Access::Write, at: lba(header), cause: Failed };
        assert_eq!(mend(&mut disk, Relocate::No), Err(Error::Medium(Medium::Failed(wanted))));
        assert_eq!(words(&mut disk), with_slot(OLD));
    }
}

/// An unreadable block often heals when it is written.
#[test]
fn a_copy_that_cannot_be_read_is_written_anew() {
    for bad in [1, 2, 484, 516] {
        let mut disk = two_slots(Layout::vboot());
        disk.bad_reads = [bad].to_vec();
        let done = mend(&mut disk, Relocate::No);
        assert!(
            matches!(done, Err(Error::Medium(Medium::Failed(IoError { access: Access::Read, .. })))),
            "it did not heal"
        );
        disk.bad_reads.clear();
        assert_eq!(states(&mut disk), BOTH_VALID);
    }
}

fn grown(layout: Layout, blocks: usize) -> RamDisk {
    let mut disk = two_slots(layout);
    let len = disk.bytes.len() + blocks * layout.size.bytes();
    disk.bytes.resize(len, 0);
    disk
}

/// R26; vboot's `run_cgpt_tests`: 1000 blocks become 2000, the backup is in 1999 and the last usable block is 1966.
#[test]
fn the_backup_moves_to_the_end_only_on_request() {
    let layout = Layout::usual(BlockSize::B512, 1000, 128);
    let mut disk = grown(layout, 1000);
    assert_eq!(mended(&mut disk), None);
    assert_eq!(disk.log, [Flush]);
    let done = mend(&mut disk, Relocate::Yes).unwrap();
    assert_eq!((done.repaired, done.backup), (None, BackupPlace::MovedFrom(lba(999))));
    assert_eq!(states(&mut disk), BOTH_VALID);
    assert_eq!(words(&mut disk), with_slot(OLD));
    let header = *read(&mut disk).header();
    assert_eq!((header.alternate_lba(), header.last_usable()), (lba(1999), lba(1966)));
    assert_eq!(mend(&mut disk, Relocate::Yes).unwrap().backup, BackupPlace::Kept, "it is there already");
}

#[test]
fn a_backup_moves_by_a_single_block_too() {
    for layout in layouts() {
        for blocks in [1, 3, 40] {
            let mut disk = grown(layout, blocks);
            block(&mut disk, layout.backup)[60] ^= 1;
            let done = mend(&mut disk, Relocate::Yes).unwrap();
            assert_eq!(done.backup, BackupPlace::MovedFrom(lba(layout.backup)), "a broken backup is no obstacle");
            assert_eq!(states(&mut disk), BOTH_VALID);
            assert_eq!(words(&mut disk), with_slot(OLD));
            assert!(set_new(&mut disk).is_ok());
            assert_eq!(words(&mut disk), with_slot(NEW));
        }
    }
}

#[test]
fn a_primary_with_bad_entries_is_mended_before_the_backup_moves() {
    let mut disk = grown(Layout::vboot(), 100);
    entry(&mut disk, 1, 1)[60] ^= 1;
    let done = mend(&mut disk, Relocate::Yes).unwrap();
    assert_eq!((done.repaired, done.backup), (Some(CopyId::Primary), BackupPlace::MovedFrom(lba(516))));
    assert_eq!(states(&mut disk), BOTH_VALID);
}

/// A shrunk disk: if the usable range leaves room for a backup, it can move there; otherwise there is no place.
#[test]
fn a_shrunk_disk_takes_a_backup_only_behind_the_usable_range() {
    let roomy = Layout { last_usable: 400, ..Layout::vboot() };
    let mut disk = two_slots(roomy);
    disk.bytes.truncate(500 * 512);
    let nowhere = BackupPlace::Nowhere(TableFault::AlternateLba { found: lba(516) });
    assert_eq!(mend(&mut disk, Relocate::No).unwrap().backup, nowhere);
    assert_eq!(mend(&mut disk, Relocate::Yes).unwrap().backup, BackupPlace::MovedFrom(lba(516)));
    assert_eq!(states(&mut disk), BOTH_VALID);
    let mut disk = two_slots(Layout::vboot());
    disk.bytes.truncate(500 * 512);
    assert_eq!(mend(&mut disk, Relocate::Yes).unwrap().backup, nowhere);
    assert_eq!(disk.log, [Flush]);
}

/// A board with its boot loader in blocks 16 to 199 and its entries after it (`sgdisk -j`).
fn behind_a_boot_loader() -> RamDisk {
    let layout = Layout { primary_entries: 200, first_usable: 232, ..Layout::vboot() };
    let mut disk = two_slots(layout);
    disk.bytes[16 * 512..200 * 512].fill(0xbb);
    disk
}

#[test]
fn a_boot_loader_before_the_entries_is_not_overwritten() {
    let good = behind_a_boot_loader();
    let mut disk = good.clone();
    block(&mut disk, 1).fill(0);
    assert_eq!(mended(&mut disk), Some(CopyId::Primary));
    assert!(disk.bytes[2 * 512..] == good.bytes[2 * 512..]);
    // The cut that leaves it so: header torn, entries old, backup new.
    let mut disk = good.clone();
    entry(&mut disk, 516, SLOT)[54..56].copy_from_slice(&u16::try_from(NEW).unwrap().to_le_bytes());
    crate::gpt::fixture::seal_entries(&mut disk, 516);
    block(&mut disk, 1).fill(0xff);
    assert!(mend(&mut disk, Relocate::No).is_ok());
    assert_eq!(words(&mut disk), with_slot(NEW));
    assert!(disk.bytes[2 * 512..200 * 512] == good.bytes[2 * 512..200 * 512]);
}

/// GRUB once wrote where a corrupt header pointed. Here the pointer only says where to look.
#[test]
fn a_corrupt_header_does_not_say_where_to_write() {
    for claimed in [0, 1, 3, 100, 300, 484, u64::MAX] {
        let layout = Layout { first_usable: 132, ..Layout::vboot() };
        let mut disk = two_slots(layout);
        disk.bytes[34 * 512..132 * 512].fill(0xbb);
        let good = disk.clone();
        entry(&mut disk, 1, 1)[60] ^= 1;
        set(&mut disk, 1, 72, &u64::to_le_bytes(claimed));
        block(&mut disk, 1)[16] ^= 1;
        assert_eq!(mended(&mut disk), Some(CopyId::Primary));
        assert!(disk.bytes == good.bytes, "{claimed}");
    }
}
