//! One read that fails, wherever it is: what a commit then says is what the disk holds.

use super::*;
use crate::gpt::fixture::block;
use crate::io::BlockIo;
use crate::units::block::{BlockCount, Lba};

/// A disk of which one read fails, once.
struct OneBadRead {
    disk: RamDisk,
    reads_left: usize,
}

impl BlockIo for OneBadRead {
    type Error = Failed;

    fn block_size(&self) -> BlockSize {
        self.disk.block_size()
    }
    fn block_count(&self) -> BlockCount {
        self.disk.block_count()
    }
    fn read(&mut self, at: Lba, buf: &mut [u8]) -> Result<(), Failed> {
        let due = self.reads_left == 0;
        self.reads_left = self.reads_left.wrapping_sub(1);
        if due { Err(Failed) } else { self.disk.read(at, buf) }
    }
    fn write(&mut self, at: Lba, buf: &[u8]) -> Result<(), Failed> {
        self.disk.write(at, buf)
    }
    fn flush(&mut self) -> Result<(), Failed> {
        self.disk.flush()
    }
}

/// Found by the fuzzer: where a read failed right after the repair, one copy kept the old bits and nobody was told.
#[test]
fn a_read_that_fails_at_any_point_never_leaves_a_stale_copy_in_silence() {
    let layout = Layout::vboot();
    for damaged in [1, layout.backup] {
        let mut before = two_slots(layout);
        block(&mut before, damaged)[0] ^= 1;
        let table = read(&mut before);
        let mut told = 0;
        for reads_left in 0.. {
            let mut disk = OneBadRead { disk: before.clone(), reads_left };
            let result = commit(&mut disk, &table, &[edit(SLOT, NEW)], Backup::Optional, &mut [0; 17_408]);
            let reached = disk.reads_left > reads_left;
            if let Ok(Outcome { warning, .. }) = &result {
                assert_eq!(words(&mut disk.disk), with_slot(NEW), "block {damaged}, read {reads_left}");
                assert!(
                    warning.is_some() || states(&mut disk.disk) == BOTH_VALID,
                    "block {damaged}, read {reads_left}"
                );
            }
            if !reached {
                break;
            }
            told += usize::from(!matches!(result, Ok(Outcome { warning: None, .. })));
        }
        assert!(told > 5, "{told} of the reads mattered");
    }
}
