//! What the tests of stores have in common.

use std::fs::File;

use libupdate::boot::Candidate;
use libupdate::gpt::{EntryNumber, Priority, SlotBits, Successful, TriesLeft};
use libupdate::loader::Ranking;
use libupdate::{BlockSize, SlotId};
use tempfile::TempDir;

use crate::{Disk, OpenHow};

/// Priority, tries left, and whether it is good.
pub type Bits = (u8, u8, bool);

/// What the bits of the first slots of the alphabet say, and who has just been marked good.
pub fn ranking(bits: &[Bits], confirmed: Option<SlotId>) -> Ranking {
    let row = |(index, (priority, left, good)): (usize, &Bits)| Candidate {
        slot: SlotId::from_index(index).unwrap(),
        entry: EntryNumber::new(u32::try_from(index).unwrap() + 1).unwrap(),
        bits: SlotBits {
            priority: Priority::new(*priority).unwrap(),
            tries_left: tries(*left),
            successful: if *good { Successful::Yes } else { Successful::No },
        },
    };
    Ranking::of(&bits.iter().enumerate().map(row).collect::<Vec<_>>(), confirmed, None)
}

pub fn tries(left: u8) -> TriesLeft {
    TriesLeft::new(left).unwrap()
}

/// A disk that no store of these tests is on.
pub fn disk(folder: &TempDir) -> Disk {
    let path = folder.path().join("disk.img");
    File::create(&path).unwrap().set_len(1 << 20).unwrap();
    Disk::open(&path, OpenHow { sector_size: Some(BlockSize::B512), ..OpenHow::read_write() }).unwrap()
}
