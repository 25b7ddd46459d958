//! A new table.

use std::vec::Vec;

use super::*;
use crate::error::TableFault;
use crate::gpt::Guid;
use crate::gpt::fixture::{block, lba};
use crate::gpt::write::{FreshTable, create};
use crate::io::ram_disk::Op::{Flush, Write};

const MBR: [u8; 512] = [0x55; 512];

/// The array of a layout's two slots.
pub(super) fn array(layout: Layout) -> Vec<u8> {
    let start = usize::try_from(layout.primary_entries).unwrap() * layout.size.bytes();
    two_slots(layout).bytes[start..start + usize::try_from(layout.count).unwrap() * 128].to_vec()
}

pub(super) fn fresh(layout: Layout, entries: &[u8]) -> FreshTable<'_> {
    FreshTable {
        protective_mbr: &MBR,
        disk_guid: Guid::new([0xd1; 16]),
        first_usable: lba(layout.first_usable),
        last_usable: lba(layout.last_usable),
        entries,
    }
}

fn usual() -> impl Iterator<Item = Layout> {
    layouts().into_iter().filter(|layout| layout.primary_entries == 2)
}

pub(super) fn blank(layout: Layout) -> RamDisk {
    RamDisk::new(layout.size, usize::try_from(layout.blocks).unwrap())
}

#[test]
fn a_new_table_is_the_one_that_was_asked_for() {
    for layout in usual() {
        let mut disk = blank(layout);
        disk.bytes.fill(0xee);
        create(&mut disk, &fresh(layout, &array(layout)), &mut [0; 4096]).unwrap();
        assert_eq!(states(&mut disk), BOTH_VALID);
        assert_eq!(words(&mut disk), with_slot(OLD));
        let header = *read(&mut disk).header();
        assert_eq!((header.first_usable(), header.last_usable()), (lba(layout.first_usable), lba(layout.last_usable)));
        assert_eq!((header.alternate_lba(), header.entry_count()), (lba(layout.backup), layout.count));
        assert_eq!(block(&mut disk, 0)[..512], MBR);
        assert!(block(&mut disk, 0)[512..].iter().all(|byte| *byte == 0));
        assert!(block(&mut disk, 1)[92..].iter().all(|byte| *byte == 0));
        assert!(block(&mut disk, layout.first_usable).iter().all(|byte| *byte == 0xee));
        assert!(set_new(&mut disk).is_ok());
        assert_eq!(words(&mut disk), with_slot(NEW));
    }
}

#[test]
fn the_backup_comes_first_and_the_primary_header_last() {
    let layout = Layout::usual(BlockSize::B4096, 64, 128);
    let mut disk = blank(layout);
    create(&mut disk, &fresh(layout, &array(layout)), &mut [0; 16384]).unwrap();
    let wanted = [Flush, Write(59, 4), Write(63, 1), Flush, Write(0, 1), Write(2, 4), Flush, Write(1, 1), Flush];
    assert_eq!(disk.log, wanted);
}

#[test]
fn a_table_that_breaks_a_rule_is_not_written() {
    let layout = Layout::vboot();
    let good = array(layout);
    let refused = |table: FreshTable<'_>| {
        let mut disk = blank(layout);
        let error = create(&mut disk, &table, &mut [0; 4096]).unwrap_err();
        assert_eq!(disk.log, []);
        error
    };
    let base = fresh(layout, &good);
    let too_many = std::vec![0; 1025 * 128];
    for (entries, found) in [(&good[..100], 0), (&good[..0], 0), (&good[..200], 1), (&too_many, 1025)] {
        assert_eq!(refused(FreshTable { entries, ..base }), TableFault::EntryCount { found }.into());
    }
    for (first, last) in [(33, 483), (100, 99)] {
        let table = FreshTable { first_usable: lba(first), last_usable: lba(last), ..base };
        assert_eq!(refused(table), TableFault::UsableRange.into());
    }
    let past_the_end = FreshTable { last_usable: lba(517), ..base };
    assert!(matches!(refused(past_the_end), Error::Table(TableFault::DiskTooShort { .. })));
    let over_the_backup = FreshTable { last_usable: lba(484), ..base };
    assert_eq!(refused(over_the_backup), TableFault::EntriesLba { found: lba(484) }.into());
    let mut outside = good.clone();
    outside[32] = 1;
    assert_eq!(refused(fresh(layout, &outside)), TableFault::EntryRange { entry: 1 }.into());
    let mut overlapping = good.clone();
    overlapping[40] = 35;
    assert_eq!(refused(fresh(layout, &overlapping)), TableFault::Overlap { entry: 1, other: 3 }.into());
    let short = create(&mut blank(layout), &base, &mut [0; 4095]);
    assert!(matches!(short, Err(Error::Misuse(_))));
}

#[test]
fn a_device_that_lies_is_found_out() {
    let layout = Layout::vboot();
    for lost in [1, 2, 484, 516] {
        let mut disk = blank(layout);
        disk.lost_writes = [lost].to_vec();
        let result = create(&mut disk, &fresh(layout, &array(layout)), &mut [0; 4096]);
        assert_eq!(result, Err(TableFault::ReadBack.into()), "block {lost}");
    }
}
