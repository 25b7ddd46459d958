//! An editor of the table that takes no lock, such as `sgdisk`, at work during an act: a table is left, whatever the moment.

use std::vec::Vec;

use super::*;
use crate::error::TableFault;
use crate::gpt::fixture::{block, seal_entries};
use crate::io::BlockIo;
use crate::units::block::{BlockCount, Lba};

/// First block and bytes of each write, in order.
type Writes = Vec<(u64, Vec<u8>)>;

/// A disk to which somebody else writes these blocks right before one access of ours, and the rest once we are done.
struct Meddled {
    disk: RamDisk,
    accesses_left: usize,
    now: Writes,
    later: Writes,
}

impl Meddled {
    fn access(&mut self) {
        if self.accesses_left == 0 {
            put(&mut self.disk, &std::mem::take(&mut self.now));
        }
        self.accesses_left = self.accesses_left.wrapping_sub(1);
    }
}

fn put(disk: &mut RamDisk, blocks: &Writes) {
    for (at, bytes) in blocks {
        let start = usize::try_from(*at).unwrap() * disk.block_size.bytes();
        disk.bytes[start..start + bytes.len()].copy_from_slice(bytes);
    }
}

impl BlockIo for Meddled {
    type Error = Failed;

    fn block_size(&self) -> BlockSize {
        self.disk.block_size()
    }
    fn block_count(&self) -> BlockCount {
        self.disk.block_count()
    }
    fn read(&mut self, at: Lba, buf: &mut [u8]) -> Result<(), Failed> {
        self.access();
        self.disk.read(at, buf)
    }
    fn write(&mut self, at: Lba, buf: &[u8]) -> Result<(), Failed> {
        self.access();
        self.disk.write(at, buf)
    }
    fn flush(&mut self) -> Result<(), Failed> {
        self.access();
        self.disk.flush()
    }
}

/// What the editor writes, in the order of `sgdisk`: E2, H2, E1, H1. It changes entry 1, and the last entry.
fn edited(before: &RamDisk, layout: Layout) -> Writes {
    let mut after = before.clone();
    for header in [1, layout.backup] {
        entry(&mut after, header, 1)[56] ^= 0x20;
        entry(&mut after, header, layout.count)[57] ^= 0x20;
        seal_entries(&mut after, header);
    }
    let blocks = u64::from(layout.count * 128).div_ceil(u64::try_from(layout.size.bytes()).unwrap());
    let mut writes = Vec::new();
    for (entries, header) in [(layout.backup_entries, layout.backup), (layout.primary_entries, 1)] {
        let array = (entries..entries + blocks).flat_map(|at| block(&mut after, at).to_vec()).collect();
        writes.push((entries, array));
        writes.push((header, block(&mut after, header).to_vec()));
    }
    writes
}

/// Runs a commit with the editor at work from one access on: `split` of its writes come there, the others after the commit.
fn meddled(
    before: &RamDisk,
    writes: &Writes,
    (at, split): (usize, usize),
    on_error: Backup,
) -> (Meddled, Result<Outcome, Error<Failed>>) {
    let table = read(&mut before.clone());
    let (now, later) = (writes[..split].to_vec(), writes[split..].to_vec());
    let mut disk = Meddled { disk: before.clone(), accesses_left: at, now, later };
    let result = commit(&mut disk, &table, &[edit(SLOT, NEW)], on_error, &mut [0; 17_408]);
    (disk, result)
}

#[test]
fn whoever_edits_the_table_during_an_act_leaves_one() {
    for layout in layouts() {
        let before = two_slots(layout);
        let writes = edited(&before, layout);
        let (mut stopped, mut went_through) = (0, 0);
        let ways = (1..=writes.len()).flat_map(|split| [Backup::Required, Backup::Optional].map(|way| (split, way)));
        for (split, on_error) in ways {
            for at in 0.. {
                let (mut disk, result) = meddled(&before, &writes, (at, split), on_error);
                if !disk.now.is_empty() {
                    break;
                }
                put(&mut disk.disk, &disk.later.clone());
                let after = BothCopies::read(&mut disk.disk, &mut [0; 4096]).unwrap();
                let moment = std::format!("{layout:?}: {split} writes at access {at}, {result:?}");
                assert!(after.table().is_ok(), "{moment}: {after:?}");
                match result {
                    Ok(_) => went_through += 1,
                    Err(Error::Table(TableFault::ChangedUnderUs | TableFault::ReadBack)) => stopped += 1,
                    Err(other) => panic!("{other:?}"),
                }
            }
        }
        assert!(stopped > 20 && went_through < stopped, "{layout:?}: {stopped} stopped, {went_through} went through");
    }
}
