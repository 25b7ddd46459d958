//! The exact writes and flushes of a commit.

use std::vec::Vec;

use super::*;
use crate::gpt::CopyId;
use crate::gpt::write::Effect;
use crate::io::ram_disk::Op::{self, Flush, Write};

/// What a commit of the edits does to the disk after its first flush, with this much scratch.
fn log(mut disk: RamDisk, edits: &[Edit], scratch: usize) -> Vec<Op> {
    let table = read(&mut disk);
    let done = commit(&mut disk, &table, edits, Backup::Required, &mut std::vec![0; scratch]).unwrap();
    assert_eq!((done.effect, done.repaired, done.warning), (Effect::Written, None, None));
    assert_eq!(states(&mut disk), BOTH_VALID);
    let writes = disk.log.iter().filter(|op| **op != Flush).count();
    let flushes = disk.log.len() - writes;
    let single_write = disk.log.iter().any(|op| matches!(op, Write(0 | 1, blocks) if *blocks > 1));
    assert!(edits.len() > 1 || (writes <= 4 && flushes == if single_write { 3 } else { 4 }));
    assert_eq!(disk.log.remove(0), Flush, "what an earlier act left in the cache comes first");
    disk.log
}

fn set(number: u32) -> Edit {
    edit(number, NEW)
}

#[test]
fn on_512_byte_blocks_header_and_entries_are_one_write() {
    let disk = two_slots(Layout::vboot());
    assert_eq!(log(disk, &[set(3)], 4096), [Write(484, 1), Write(516, 1), Flush, Write(1, 2), Flush]);
    let disk = two_slots_far_apart(Layout::usual(BlockSize::B512, 600, 28));
    assert_eq!(log(disk, &[set(28)], 4096), [Write(598, 2), Flush, Write(1, 8), Flush]);
    let disk = two_slots_far_apart(Layout::vboot());
    assert_eq!(log(disk, &[set(128)], 20_000), [Write(515, 2), Flush, Write(1, 33), Flush]);
}

#[test]
fn on_512e_the_primary_is_whole_physical_blocks() {
    let log_512e = |layout, number, scratch| {
        let mut disk = two_slots_far_apart(layout);
        disk.physical = BlockSize::B4096;
        log(disk, &[set(number)], scratch)
    };
    let vboot = Layout::vboot();
    assert_eq!(log_512e(vboot, 3, 4096), [Write(484, 1), Write(516, 1), Flush, Write(0, 8), Flush]);
    let few = Layout { count: 24, backup_entries: 500, ..vboot };
    assert_eq!(log_512e(few, 24, 4096), [Write(505, 1), Write(516, 1), Flush, Write(0, 8), Flush]);
    let more = Layout { count: 25, backup_entries: 500, ..vboot };
    assert_eq!(log_512e(more, 25, 8192), [Write(506, 1), Write(516, 1), Flush, Write(0, 16), Flush]);
}

/// A protective MBR that a cut made unreadable keeps no commit from being made.
#[test]
fn on_512e_without_a_readable_mbr_the_primary_is_still_one_write() {
    let mut disk = two_slots(Layout::vboot());
    disk.physical = BlockSize::B4096;
    disk.bad_reads = std::vec![0];
    assert_eq!(log(disk, &[set(3)], 4096), [Write(484, 1), Write(516, 1), Flush, Write(1, 2), Flush]);
}

/// Blocks 34 to 39 share a physical block with the last entries, but they belong to a partition.
#[test]
fn no_write_reaches_a_partition() {
    let mut disk = two_slots_far_apart(Layout::vboot());
    disk.physical = BlockSize::B4096;
    assert_eq!(log(disk, &[set(128)], 65_536), [Write(515, 2), Flush, Write(0, 34), Flush]);
    let mut disk = two_slots(Layout::usual(BlockSize::B512, 64, 4));
    disk.physical = BlockSize::B4096;
    assert_eq!(log(disk, &[set(3)], 4096), [Write(62, 2), Flush, Write(0, 3), Flush]);
}

#[test]
fn what_does_not_fit_the_scratch_goes_header_first() {
    let disk = two_slots_far_apart(Layout::vboot());
    let wanted = [Write(515, 2), Flush, Write(1, 1), Flush, Write(33, 1), Flush];
    assert_eq!(log(disk, &[set(128)], 4096), wanted);
    let mut disk = two_slots_far_apart(Layout { count: 25, backup_entries: 500, ..Layout::vboot() });
    disk.physical = BlockSize::B4096;
    assert_eq!(
        log(disk, &[set(25)], 4096),
        [Write(506, 1), Write(516, 1), Flush, Write(1, 1), Flush, Write(8, 1), Flush]
    );
}

#[test]
fn on_4096_byte_blocks_and_entries_elsewhere_each_part_is_flushed() {
    let large = Layout::usual(BlockSize::B4096, 64, 128);
    let wanted = [Write(59, 1), Write(63, 1), Flush, Write(1, 1), Flush, Write(2, 1), Flush];
    assert_eq!(log(two_slots(large), &[set(3)], 4096), wanted);
    assert_eq!(log(two_slots(large), &[set(3)], 65_536), wanted);
    let few = Layout::usual(BlockSize::B4096, 64, 4);
    assert_eq!(log(two_slots(few), &[set(3)], 8192), [Write(62, 2), Flush, Write(1, 1), Flush, Write(2, 1), Flush]);
    let apart = layouts()[1];
    let wanted = [Write(420, 1), Write(516, 1), Flush, Write(1, 1), Flush, Write(40, 1), Flush];
    assert_eq!(log(two_slots(apart), &[set(3)], 65_536), wanted);
}

#[test]
fn only_the_touched_blocks_are_written_where_their_span_does_not_fit() {
    let layout = Layout::usual(BlockSize::B512, 1200, 1024);
    let both = [set(1024), set(3)];
    let wanted = [Write(943, 1), Write(1198, 2), Flush, Write(1, 1), Flush, Write(2, 1), Write(257, 1), Flush];
    assert_eq!(log(two_slots_far_apart(layout), &both, 4096), wanted);
    let wanted = [Write(943, 257), Flush, Write(1, 257), Flush];
    assert_eq!(log(two_slots_far_apart(layout), &both, 257 * 512), wanted);
}

/// R22: nothing is written where nothing changes. It is flushed: what reads as done may be an earlier act's, and in the cache alone.
#[test]
fn no_change_is_no_write() {
    let mut disk = two_slots(Layout::vboot());
    let table = read(&mut disk);
    for edits in [&[edit(SLOT, OLD), edit(1, 0x8000)][..], &[]] {
        let done = commit(&mut disk, &table, edits, Backup::Required, &mut [0; 4096]).unwrap();
        assert_eq!((done.effect, done.repaired, done.warning), (Effect::Unchanged, None, None));
        assert_eq!(std::mem::take(&mut disk.log), [Flush]);
    }
    disk.flushes_left = 0;
    let failed = commit(&mut disk, &table, &[], Backup::Required, &mut [0; 4096]);
    assert!(matches!(failed, Err(Error::Medium(_))), "{failed:?}");
}

/// The next act makes the copies equal, also one that finds its bits there already.
#[test]
fn a_damaged_copy_is_written_anew_where_nothing_else_changes() {
    for (header, copy) in [(1, CopyId::Primary), (516, CopyId::Backup)] {
        let mut disk = two_slots(Layout::vboot());
        crate::gpt::fixture::block(&mut disk, header)[16] ^= 1;
        let table = read(&mut disk);
        let done = commit(&mut disk, &table, &[edit(SLOT, OLD)], Backup::Required, &mut [0; 4096]).unwrap();
        assert_eq!((done.effect, done.repaired, done.warning), (Effect::Unchanged, Some(copy), None));
        assert_eq!(disk.log, [Flush, Write(header, 1), Flush]);
        assert_eq!(states(&mut disk), BOTH_VALID);
    }
}

/// One entry changes, another is named but has its bits already: its block is not written.
#[test]
fn an_edit_that_changes_nothing_touches_no_block() {
    let disk = two_slots_far_apart(Layout::vboot());
    let edits = [edit(SLOT, OLD), set(128)];
    assert_eq!(log(disk, &edits, 4096), [Write(515, 2), Flush, Write(1, 1), Flush, Write(33, 1), Flush]);
}
