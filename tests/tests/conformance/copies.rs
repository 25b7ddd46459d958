//! Catalogue of cases, R20 to R31: two copies, errors of the disk, sizes that changed. R1 to R19 are in
//! `validity.rs`.

use libupdate::error::TableFault;
use libupdate::gpt::write::{BackupPlace, Relocate, Warning, repair};
use libupdate::gpt::{BothCopies, CopyId, CopyState, Table};
use libupdate::{BlockSize, Error, Lba};
use tests::gpt_disk::{Bits, GptDisk, bytes_of, set_bits, slots_of, word, writes};
use tests::medium::Sector;
use tests::sim_disk::{Faults, SimDisk};

const SIZES: [BlockSize; 2] = [BlockSize::B512, BlockSize::B4096];
const BITS: [Bits; 3] = [(2, 0, 1), (1, 3, 0), (0, 0, 0)];

fn made(size: BlockSize) -> GptDisk {
    GptDisk::with_slots(size, BITS)
}

fn states(disk: &mut SimDisk) -> [CopyState; 2] {
    let survey = BothCopies::read(disk, &mut [0; 4096]).unwrap();
    [survey.primary().state(), survey.backup().state()]
}

fn mend(disk: &mut SimDisk, relocate: Relocate) -> libupdate::gpt::write::Repair {
    let table = Table::read(disk, &mut [0; 4096]).unwrap();
    repair(disk, &table, relocate, &mut [0; 4096]).unwrap()
}

/// R20, vboot gpt_misc: a read error at LBA 1, 2, first of the backup's entries, last: the other copy serves.
#[test]
fn r20_a_read_error_in_one_copy() {
    const UNREADABLE: CopyState = CopyState::Faulty(TableFault::Unreadable);
    for size in SIZES {
        let made = made(size);
        let last = made.last();
        for (lba, wanted) in [
            (1, [UNREADABLE, CopyState::Valid]),
            (2, [UNREADABLE, CopyState::Valid]),
            (last - size.blocks_for(16384), [CopyState::Valid, UNREADABLE]),
            (last, [CopyState::Valid, UNREADABLE]),
        ] {
            let mut disk = SimDisk::new(made.medium().with([(lba, Sector::lost())].into_iter().collect()));
            assert_eq!(states(&mut disk), wanted, "block {lba}");
            assert_eq!(slots_of(&mut disk), BITS);
        }
        let both = [(1, Sector::lost()), (last, Sector::lost())].into_iter().collect();
        let mut disk = SimDisk::new(made.medium().with(both));
        assert!(
            matches!(BothCopies::read(&mut disk, &mut [0; 4096]), Err(Error::Medium(_))),
            "it is the disk that failed"
        );
    }
}

/// R21, vboot gpt_misc: a write error at each block is reported, and ends the act: vboot goes on where it is the backup's, which leaves the
/// primary alone to carry the change, and a cut of that write leaves no table. A backup that was damaged before is a warning.
#[test]
fn r21_a_write_error_is_reported() {
    for size in SIZES {
        let made = made(size);
        let last = made.last();
        let entries = last - size.blocks_for(16384);
        for (lba, is_primary) in [(1, true), (2, true), (entries, false), (last, false)] {
            let faults = Faults { unwritable: Some(lba..lba + 1), ..Faults::default() };
            let mut disk = SimDisk::failing(made.medium(), faults);
            assert!(matches!(set_bits(&mut disk, &[(0, (2, 5, 1))]), Err(Error::Medium(_))), "block {lba}");
            let after = slots_of(&mut disk);
            assert!(after[0] == BITS[0] || is_primary && after[0] == (2, 5, 1), "old or new");
        }
        for lba in [entries, last] {
            let faults = Faults { unwritable: Some(lba..lba + 1), ..Faults::default() };
            let damaged = [(lba, Sector::lost())].into_iter().collect();
            let mut disk = SimDisk::failing(made.medium().with(damaged), faults);
            let warning = set_bits(&mut disk, &[(0, (2, 5, 1))]).unwrap().warning;
            assert!(matches!(warning, Some(Warning::BackupFailed { .. })), "block {lba}: {warning:?}");
            assert_eq!(slots_of(&mut disk)[0], (2, 5, 1));
        }
    }
}

/// R22: no change is no write, for commit and repair.
#[test]
fn r22_no_change_is_no_write() {
    for size in SIZES {
        let mut disk = made(size).disk();
        assert_eq!(
            set_bits(&mut disk, &[(0, BITS[0]), (1, BITS[1])]).unwrap().effect,
            libupdate::gpt::write::Effect::Unchanged
        );
        assert_eq!(mend(&mut disk, Relocate::Yes).repaired, None);
        assert!(disk.is_unwritten());
    }
}

/// R23, decided: a zeroed backup is repaired by `repair` (the hook, and the verb) and by every commit, also by one that finds its bits there;
/// reading leaves it.
#[test]
fn r23_a_zeroed_backup_is_repaired_by_who_writes() {
    for size in SIZES {
        let mut damaged = made(size);
        let last = damaged.last();
        damaged.block(last).fill(0);
        let mut disk = damaged.disk();
        assert_eq!(slots_of(&mut disk), BITS);
        assert!(disk.log().is_empty());
        for bits in [BITS[0], (3, 0, 1)] {
            let mut disk = damaged.disk();
            assert_eq!(set_bits(&mut disk, &[(0, bits)]).unwrap().repaired, Some(CopyId::Backup));
            assert_eq!(states(&mut disk), [CopyState::Valid; 2]);
        }
        assert_eq!(mend(&mut damaged.disk(), Relocate::No).repaired, Some(CopyId::Backup));
    }
}

/// R24: both whole and different: the primary wins, the backup is written anew.
#[test]
fn r24_the_primary_wins() {
    for size in SIZES {
        let mut differing = made(size);
        let last = differing.last();
        differing.entry(last, 3)[48..56].copy_from_slice(&word((9, 9, 0)).to_le_bytes());
        differing.seal_entries(last);
        let mut disk = differing.disk();
        assert_eq!(states(&mut disk), [CopyState::Valid, CopyState::Differs]);
        assert_eq!(slots_of(&mut disk), BITS);
        assert_eq!(mend(&mut disk, Relocate::No).repaired, Some(CopyId::Backup));
        let backup_only = SimDisk::new(disk.content().with([(1, Sector::lost())].into_iter().collect()));
        assert_eq!(slots_of(&mut { backup_only }), BITS);
    }
}

/// R25: an ignored copy is never written, by no act; the other one carries the change.
#[test]
fn r25_an_ignored_copy_is_never_written() {
    for size in SIZES {
        for ignored in [CopyId::Primary, CopyId::Backup] {
            let mut marked = made(size);
            let header = if ignored == CopyId::Primary { 1 } else { marked.last() };
            marked.block(header)[..8].copy_from_slice(b"IGNOREME");
            let mut disk = marked.disk();
            assert_eq!(mend(&mut disk, Relocate::Yes).repaired, None);
            assert_eq!(set_bits(&mut disk, &[(1, (1, 2, 0))]).unwrap().repaired, None);
            assert_eq!(slots_of(&mut disk)[1], (1, 2, 0));
            let (after, array) = (bytes_of(&disk.content()), size.bytes() + 16384);
            let (from, to) = if header == 1 { (0, size.bytes() + array) } else { (after.len() - array, after.len()) };
            assert!(after[from..to] == marked.bytes[from..to], "{ignored}");
        }
    }
}

/// R26, vboot run_cgpt_tests: the disk doubles; it works as it is, and `repair` moves the backup, alternate and last usable with it.
#[test]
fn r26_a_doubled_disk() {
    for size in SIZES {
        let mut grown = made(size);
        let (old_last, blocks) = (grown.last(), usize::try_from(grown.last() + 1).unwrap());
        grown.grow(blocks);
        let mut disk = grown.disk();
        assert_eq!(states(&mut disk), [CopyState::Valid; 2], "as it is");
        assert_eq!(mend(&mut disk, Relocate::No).backup, BackupPlace::Kept, "what a boot does");
        assert!(disk.is_unwritten());
        assert_eq!(mend(&mut disk, Relocate::Yes).backup, BackupPlace::MovedFrom(Lba::new(old_last)));
        let table = Table::read(&mut disk, &mut [0; 4096]).unwrap();
        assert_eq!(table.header().alternate_lba().get(), grown.last());
        assert_eq!(table.header().last_usable().get(), grown.last() - 1 - size.blocks_for(16384));
        assert_eq!(slots_of(&mut disk), BITS);
    }
}

/// R27, GRUB `gpt_weird_disk_size_test`: the firmware's disk is smaller than the header says: the primary serves and is changed
/// alone, with a warning. Where the usable range itself ends past the disk, there is no table.
#[test]
fn r27_a_disk_that_looks_smaller() {
    for size in SIZES {
        let mut shrunk = made(size);
        shrunk.bytes.truncate(shrunk.bytes.len() - size.bytes());
        let mut disk = shrunk.disk();
        assert!(matches!(states(&mut disk)[1], CopyState::Faulty(TableFault::AlternateLba { .. })));
        let done = set_bits(&mut disk, &[(0, (5, 0, 1))]).unwrap();
        assert!(matches!(done.warning, Some(Warning::BackupNowhere(_))));
        assert_eq!(slots_of(&mut disk)[0], (5, 0, 1));
        assert!(matches!(mend(&mut disk, Relocate::No).backup, BackupPlace::Nowhere(_)));
        shrunk.bytes.truncate(shrunk.bytes.len() - 17000);
        shrunk.bytes.truncate(shrunk.bytes.len() / size.bytes() * size.bytes());
        assert_eq!(Table::read(&mut shrunk.disk(), &mut [0; 4096]), Err(TableFault::NoValidCopy.into()));
    }
}

/// A disk where header and entries of either copy are old (`false`) or new.
fn half_written([h1, e1, h2, e2]: [bool; 4]) -> GptDisk {
    let (old, mut new) = (made(BlockSize::B512), made(BlockSize::B512));
    new.change_entry(4, |raw| raw[48..56].copy_from_slice(&word((3, 3, 0)).to_le_bytes()));
    let mut mixed = old.clone();
    let last = usize::try_from(old.last()).unwrap();
    for (is_new, blocks) in [(h1, 1..2), (e1, 2..34), (h2, last..last + 1), (e2, last - 32..last)] {
        if is_new {
            let range = blocks.start * 512..blocks.end * 512;
            mixed.bytes[range.clone()].copy_from_slice(&new.bytes[range]);
        }
    }
    mixed
}

/// R28, R29: the states that other writers leave and GRUB or vboot cannot read: we do. All sixteen: exactly those without a whole
/// copy are no table.
#[test]
fn r28_r29_half_written_tables_are_read() {
    for state in 0..16_u8 {
        let [h1, e1, h2, e2] = [0, 1, 2, 3].map(|bit| state >> bit & 1 == 1);
        let read = Table::read(&mut half_written([h1, e1, h2, e2]).disk(), &mut [0; 4096]);
        assert_eq!(read.is_ok(), h1 == e1 || h2 == e2, "H1 {h1} E1 {e1} H2 {h2} E2 {e2}");
    }
    let r28 = slots_of(&mut half_written([true, false, false, false]).disk());
    assert_eq!(r28[1], BITS[1], "H1 new, the rest old: the old table");
    let r29 = slots_of(&mut half_written([false, true, true, true]).disk());
    assert_eq!(r29[1], (3, 3, 0), "H1 old, the rest new: the new table");
}

/// R30: both arrays new and both headers old is never produced: before the primary is touched the backup is whole and flushed.
#[test]
fn r30_both_arrays_before_both_headers_is_impossible() {
    for size in SIZES {
        for physical in SIZES.into_iter().filter(|physical| physical.bytes() >= size.bytes()) {
            let start = made(size).with_physical(physical);
            let mut disk = start.disk();
            assert_eq!(set_bits(&mut disk, &[(1, (3, 3, 0))]).unwrap().warning, None);
            let log = writes(disk.log());
            let middle = start.last() / 2;
            let first_of_primary = log.iter().position(|(lba, blocks)| *blocks > 0 && *lba < middle).unwrap();
            assert!(log[..first_of_primary].contains(&(0, 0)), "a flush first");
            assert!(log[first_of_primary..].iter().all(|(lba, _)| *lba < middle), "the backup is done by then");
            assert!(
                log[..first_of_primary].iter().any(|(lba, n)| lba + u64::try_from(*n).unwrap() > start.last()),
                "H2"
            );
        }
    }
}

/// R31: an `alternate_lba` of 0 or garbage is never followed for writing: nothing outside the two places of a table is written.
#[test]
fn r31_garbage_in_alternate_lba_is_not_written_to() {
    for size in SIZES {
        let clean = made(size);
        for garbage in [0, 1, 2, 3, 40, clean.last() - 1, clean.last() + 1, u64::MAX] {
            let mut odd = clean.clone();
            odd.set(1, 32, &garbage.to_le_bytes());
            let mut disk = odd.disk();
            if let Ok(table) = Table::read(&mut disk, &mut [0; 4096]) {
                assert!(repair(&mut disk, &table, Relocate::No, &mut [0; 4096]).is_ok());
                assert!(set_bits(&mut disk, &[(0, (4, 0, 1))]).is_ok());
            }
            let (first, end) = (2 + size.blocks_for(16384), clean.last() - size.blocks_for(16384));
            for (lba, blocks) in writes(disk.log()) {
                let after = lba + u64::try_from(blocks).unwrap();
                assert!(after <= first || lba >= end, "{blocks} blocks at {lba}, alternate {garbage}");
                assert!(lba > 0 || blocks == 0, "block 0 is not written");
            }
        }
    }
}
