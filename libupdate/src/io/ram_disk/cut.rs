//! Cuts of power: every state that a disk may be found in when an act was stopped, from the act's own journal.
//!
//! What was flushed is on the medium. Of what was written since the last flush, each block may be old, new, or torn:
//! new up to its middle, or from there on. Blocks do not depend on each other, so that reordering inside a flush window
//! is among the states.

use std::format;
use std::string::String;
use std::vec::Vec;

use super::{Event, RamDisk};

/// States of one window, at most; of a larger one, every prefix and as many random states are shown.
const ALL_OF: usize = 4096;

/// What became of one block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Old,
    New,
    HeadNew,
    TailNew,
}

const FATES: [Fate; 4] = [Fate::Old, Fate::New, Fate::HeadNew, Fate::TailNew];

/// Runs `act` on a copy of `before` and returns what it did to the disk.
pub fn journal_of(before: &RamDisk, act: impl FnOnce(&mut RamDisk)) -> Vec<Event> {
    let mut disk = before.clone();
    disk.journal = Some(Vec::new());
    act(&mut disk);
    disk.journal.unwrap()
}

/// Shows `check` every state that a cut may leave, with a word on how it came. Returns their number.
pub fn each_cut(before: &RamDisk, journal: &[Event], mut check: impl FnMut(RamDisk, &str)) -> usize {
    let mut durable = RamDisk { log: Vec::new(), journal: None, ..before.clone() };
    let mut shown = 0;
    for (number, window) in journal.split(|event| *event == Event::Flush).enumerate() {
        let changes = changed_blocks(&durable, window);
        for fates in states(changes.len()) {
            let mut disk = durable.clone();
            for ((at, new), fate) in changes.iter().zip(&fates) {
                tear(&mut disk.bytes[*at..*at + new.len()], new, *fate);
            }
            check(disk, &format!("window {number}: {}", describe(&changes, &fates, before)));
            shown += 1;
        }
        for (at, new) in &changes {
            durable.bytes[*at..*at + new.len()].copy_from_slice(new);
        }
    }
    shown
}

/// Place in bytes and new content of every block that the window changes.
fn changed_blocks(durable: &RamDisk, window: &[Event]) -> Vec<(usize, Vec<u8>)> {
    let size = durable.block_size.bytes();
    let mut changes: Vec<(usize, Vec<u8>)> = Vec::new();
    for event in window {
        let Event::Write(first, bytes) = event else { continue };
        for (block, index) in bytes.chunks(size).zip(usize::try_from(*first).unwrap()..) {
            let at = index * size;
            changes.retain(|(earlier, _)| *earlier != at);
            if durable.bytes[at..at + size] != *block {
                changes.push((at, block.to_vec()));
            }
        }
    }
    changes
}

fn states(blocks: usize) -> Vec<Vec<Fate>> {
    let all = u32::try_from(blocks).ok().and_then(|blocks| 4_usize.checked_pow(blocks)).filter(|all| *all <= ALL_OF);
    if let Some(all) = all {
        return (0..all).map(|number| (0..blocks).map(|block| FATES[number >> (2 * block) & 3]).collect()).collect();
    }
    let prefix = |len: usize, torn: Fate| {
        (0..blocks)
            .map(|block| {
                if block < len {
                    Fate::New
                } else if block == len {
                    torn
                } else {
                    Fate::Old
                }
            })
            .collect()
    };
    let prefixes = (0..=blocks).flat_map(|len| FATES.map(|torn| prefix(len, torn)));
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        FATES[usize::try_from(seed >> 62).unwrap()]
    };
    let mut states: Vec<Vec<Fate>> = prefixes.collect();
    states.extend((0..500).map(|_| (0..blocks).map(|_| random()).collect()));
    states
}

fn tear(block: &mut [u8], new: &[u8], fate: Fate) {
    let middle = new.len() / 2;
    match fate {
        Fate::Old => {}
        Fate::New => block.copy_from_slice(new),
        Fate::HeadNew => block[..middle].copy_from_slice(&new[..middle]),
        Fate::TailNew => block[middle..].copy_from_slice(&new[middle..]),
    }
}

fn describe(changes: &[(usize, Vec<u8>)], fates: &[Fate], disk: &RamDisk) -> String {
    let size = disk.block_size.bytes();
    changes.iter().zip(fates).map(|((at, _), fate)| format!("{} {fate:?}, ", at / size)).collect()
}
