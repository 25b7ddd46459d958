//! Tables that somebody made up, with checksums that hold: nothing panics, and no write leaves the table's own blocks.

use super::*;
use crate::gpt::fixture::{block, seal, seal_entries};
use crate::gpt::write::{Relocate, repair};
use crate::io::ram_disk::Op;

/// A fixed sequence of numbers, so that a failure comes again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    /// A number as a field of a small disk has it: mostly near what is right, at times absurd.
    fn number(&mut self, right: u64) -> u64 {
        match self.roll(8) {
            0 => self.roll(80),
            1 => u64::MAX - self.roll(3),
            2 => right.wrapping_sub(1),
            3 => right + 1,
            _ => right,
        }
    }
}

fn made_up(dice: &mut Dice) -> RamDisk {
    let layout = layouts()[usize::try_from(dice.roll(7)).unwrap()];
    let mut disk = two_slots(layout);
    for header in [1, layout.backup] {
        for at in [24, 32, 40, 48, 72] {
            if dice.roll(6) == 0 {
                let right = u64::from_le_bytes(block(&mut disk, header)[at..at + 8].try_into().unwrap());
                let field = dice.number(right).to_le_bytes();
                block(&mut disk, header)[at..at + 8].copy_from_slice(&field);
            }
        }
        if dice.roll(10) == 0 {
            let at = usize::try_from(dice.roll(92)).unwrap();
            block(&mut disk, header)[at] ^= 1 << dice.roll(8);
        }
        if dice.roll(12) == 0 {
            block(&mut disk, header)[..8].copy_from_slice(b"IGNOREME");
        } else if dice.roll(8) != 0 {
            seal(block(&mut disk, header));
        }
    }
    for (header, number) in [(1, 1), (1, 3), (layout.backup, 4)] {
        if dice.roll(6) == 0 && disk.bytes.len() > 64 * 512 {
            let start = usize::try_from(layout.entries_lba(header)).unwrap() * layout.size.bytes() + (number - 1) * 128;
            let field = dice.number(layout.first_usable + 1).to_le_bytes();
            disk.bytes[start + 40..start + 48].copy_from_slice(&field);
        }
    }
    let len = disk.bytes.len() / layout.size.bytes();
    let len = match dice.roll(6) {
        0 => len + usize::try_from(dice.roll(60)).unwrap(),
        1 => len - usize::try_from(dice.roll(20)).unwrap(),
        _ => len,
    };
    disk.bytes.resize(len * layout.size.bytes(), 0);
    disk
}

/// Checksums of the entries renewed where a header still leads to them.
fn reseal(disk: &mut RamDisk, dice: &mut Dice) {
    let size = disk.block_size.bytes();
    let headers: Vec<u64> =
        (1..(disk.bytes.len() / size) as u64).filter(|at| block(disk, *at).starts_with(b"EFI PART")).collect();
    for header in headers {
        let field =
            |disk: &mut RamDisk, at: usize| u64::from_le_bytes(block(disk, header)[at..at + 8].try_into().unwrap());
        let end = field(disk, 72)
            .checked_mul(size as u64)
            .and_then(|start| start.checked_add((field(disk, 80) & 0xffff_ffff) * 128));
        let inside = end.is_some_and(|end| end <= disk.bytes.len() as u64);
        if inside && dice.roll(2) == 0 {
            seal_entries(disk, header);
        }
    }
}

/// No block of a used partition is written, whatever the table says.
fn partitions_are_safe(disk: &RamDisk, used: &[(u64, u64)]) {
    for op in &disk.log {
        if let Op::Write(first, blocks) = op {
            let hit = used.iter().find(|(start, end)| *first <= *end && first + blocks > *start);
            assert_eq!(hit, None, "a write of {blocks} blocks from {first}");
        }
    }
}

#[test]
fn no_table_makes_an_act_panic_or_write_into_a_partition() {
    let mut dice = Dice(0x0123_4567_89ab_cdef);
    let (mut served, mut changed) = (0, 0);
    for _ in 0..6_000 {
        let mut disk = made_up(&mut dice);
        reseal(&mut disk, &mut dice);
        let Ok(table) = Table::read(&mut disk, &mut [0; 4096]) else { continue };
        served += 1;
        let mut used = Vec::new();
        let each = |entry: &crate::gpt::Entry| used.push((entry.extent.first().get(), entry.extent.last().get()));
        table.entries(&mut disk, &mut [0; 4096], each).unwrap();
        let mut changing = disk.clone();
        let result =
            commit(&mut changing, &table, &[edit(SLOT, NEW), edit(4, 0x0011)], Backup::Required, &mut [0; 4096]);
        changed += usize::from(result.is_ok());
        assert!(result.is_ok() || changing.log == [Op::Flush], "{result:?} of {table:?}");
        partitions_are_safe(&changing, &used);
        let relocate = if dice.roll(2) == 0 { Relocate::Yes } else { Relocate::No };
        let result = repair(&mut disk, &table, relocate, &mut [0; 4096]);
        assert!(result.is_ok(), "{result:?} of {table:?}");
        partitions_are_safe(&disk, &used);
        assert!(Table::read(&mut disk, &mut [0; 4096]).is_ok());
    }
    assert!(served > 2000 && changed > 2000, "only {served} tables served and {changed} changed");
}
