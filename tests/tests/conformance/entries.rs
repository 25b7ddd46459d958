//! Catalogue of cases, letter E and fuzz case F1: the array of entries.

use libupdate::BlockSize;
use libupdate::error::TableFault;
use libupdate::gpt::write::{Relocate, repair};
use libupdate::gpt::{BothCopies, CopyState, SlotBits, Table};
use tests::chance::Chance;
use tests::gpt_disk::{GptDisk, SLOTS, set_bits, slots_of, usual};
use tests::gpt_maker::Partition;

const SIZES: [BlockSize; 2] = [BlockSize::B512, BlockSize::B4096];

fn disk(size: BlockSize) -> GptDisk {
    GptDisk::with_slots(size, [(2, 0, 1), (1, 3, 0), (0, 0, 0)])
}

fn states(made: &GptDisk) -> [CopyState; 2] {
    let survey = BothCopies::read(&mut made.disk(), &mut [0; 4096]).unwrap();
    [survey.primary().state(), survey.backup().state()]
}

/// The verdict on both copies, which are equal.
fn verdict(made: &GptDisk) -> Result<(), TableFault> {
    match states(made) {
        [CopyState::Valid, CopyState::Valid] => Ok(()),
        [CopyState::Faulty(one), CopyState::Faulty(other)] if one == other => Err(one),
        other => panic!("{other:?}"),
    }
}

/// E1, vboot `EntriesCrcTest`: first byte of the primary's entries, last byte of the backup's, and the other two.
#[test]
fn e1_the_checksum_covers_the_first_and_the_last_byte() {
    const CRC: CopyState = CopyState::Faulty(TableFault::EntriesCrc);
    for size in SIZES {
        for (number, byte) in [(1, 0), (128, 127)] {
            let mut made = disk(size);
            made.entry(1, number)[byte] ^= 1;
            assert_eq!(states(&made), [CRC, CopyState::Valid]);
            let last = made.last();
            made.entry(last, number)[byte] ^= 1;
            assert_eq!(states(&made), [CRC, CRC]);
            made.entry(1, number)[byte] ^= 1;
            assert_eq!(states(&made), [CopyState::Valid, CRC]);
        }
    }
}

/// E2, vboot `ValidEntryTest`.
#[test]
fn e2_an_entry_outside_the_usable_range() {
    for size in SIZES {
        let maker = usual(size, if size == BlockSize::B512 { 517 } else { 64 }, vec![]);
        let (low, high) = (maker.first_usable, maker.last_usable);
        for (first, last, good) in [
            (low, low, true),
            (high, high, true),
            (low, high, true),
            (low - 1, low, false),
            (high, high + 1, false),
            (low + 1, low, false),
            (0, 0, false),
            (0, u64::MAX, false),
            (low, u64::MAX, false),
            (high + 1, high + 2, false),
            (u64::MAX, u64::MAX, false),
        ] {
            let mut made = GptDisk::new(&maker, size);
            let mut raw = [0x11_u8; 128];
            raw[32..40].copy_from_slice(&first.to_le_bytes());
            raw[40..48].copy_from_slice(&last.to_le_bytes());
            made.change_entry(5, |entry| entry.copy_from_slice(&raw));
            let wanted = if good { Ok(()) } else { Err(TableFault::EntryRange { entry: 5 }) };
            assert_eq!(verdict(&made), wanted, "{first} to {last}");
        }
    }
}

/// E3, vboot `OverlappedPartitionTest`: used or not, first and last block of up to six entries, and which two overlap.
#[test]
fn e3_overlaps() {
    type Layout = (&'static [(bool, u64, u64)], Option<(u32, u32)>);
    const ROWS: [Layout; 20] = [
        (&[(true, 100, 199)], None),
        (&[(true, 100, 150), (true, 200, 250), (true, 300, 350)], None),
        (&[(true, 200, 299), (true, 100, 199)], None),
        (&[(true, 100, 199), (true, 99, 100)], Some((1, 2))),
        (&[(true, 100, 199), (true, 200, 299)], None),
        (&[(true, 100, 199), (true, 199, 299)], Some((1, 2))),
        (&[(true, 100, 200), (true, 100, 200)], Some((1, 2))),
        (&[(true, 100, 200), (true, 150, 250)], Some((1, 2))),
        (&[(true, 100, 200), (true, 120, 180)], Some((1, 2))),
        (&[(true, 120, 180), (true, 100, 200)], Some((1, 2))),
        (&[(true, 100, 100), (true, 100, 100)], Some((1, 2))),
        (&[(true, 100, 100), (true, 101, 101), (true, 102, 102)], None),
        (&[(true, 100, 200), (false, 100, 200), (true, 201, 300)], None),
        (&[(false, 100, 200), (false, 100, 200)], None),
        (&[(true, 200, 299), (false, 150, 250), (true, 100, 199), (true, 300, 399)], None),
        (&[(true, 200, 299), (true, 100, 199), (true, 299, 399)], Some((1, 3))),
        (&[(true, 300, 399), (true, 200, 299), (true, 100, 199), (true, 150, 160)], Some((3, 4))),
        (&[(true, 100, 100), (true, 200, 200), (true, 300, 300), (true, 34, 483)], Some((1, 4))),
        (&[(true, 34, 483), (false, 0, 0), (true, 483, 483)], Some((1, 3))),
        (&[(true, 34, 34), (true, 35, 35), (true, 36, 482), (true, 483, 483)], None),
    ];
    for (row, wanted) in ROWS {
        let partition = |(number, (_, first, last)): (u32, &(bool, u64, u64))| {
            Partition::new(number, "", [0x11; 16], *first, last - first + 1)
        };
        let used = (1..).zip(row).filter(|(_, (used, ..))| *used).map(partition).collect();
        let mut made = GptDisk::new(&usual(BlockSize::B512, 517, used), BlockSize::B512);
        // An unused entry keeps its place, which nobody reads.
        for (number, (_, first, last)) in (1..).zip(row).filter(|(_, (used, ..))| !used) {
            made.change_entry(number, |raw| {
                raw[32..40].copy_from_slice(&first.to_le_bytes());
                raw[40..48].copy_from_slice(&last.to_le_bytes());
            });
        }
        let wanted = wanted.map_or(Ok(()), |(entry, other)| Err(TableFault::Overlap { entry, other }));
        assert_eq!(verdict(&made), wanted, "{row:?}");
    }
}

/// E4, decided (gpt/entry.rs rule 4): vboot refuses two equal unique GUIDs; Linux boots such a disk, and so do we.
#[test]
fn e4_one_unique_guid_may_serve_twice() {
    for size in SIZES {
        let mut made = disk(size);
        for number in SLOTS {
            made.change_entry(number, |raw| raw[16..32].fill(0x77));
        }
        assert_eq!(verdict(&made), Ok(()));
        assert_eq!(slots_of(&mut made.disk()), [(2, 0, 1), (1, 3, 0), (0, 0, 0)], "known by type and label");
    }
}

/// E5: an entry of type zero is unused, whatever else stands in it; and its bytes survive a change of another.
#[test]
fn e5_unused_entries_are_ignored() {
    let mut made = disk(BlockSize::B512);
    made.change_entry(5, |raw| raw[16..].fill(0xff));
    assert_eq!(verdict(&made), Ok(()));
    let mut disk = made.disk();
    assert_eq!(set_bits(&mut disk, &[(0, (5, 5, 0))]).unwrap().repaired, None);
    let after = tests::gpt_disk::bytes_of(&disk.content());
    assert_eq!(after[1024 + 4 * 128..1024 + 5 * 128], made.bytes[1024 + 4 * 128..1024 + 5 * 128]);
}

/// E6, GBL: entries need not be in the order of their places. The fixture's slots a and b are not.
#[test]
fn e6_unsorted_entries_keep_their_numbers() {
    for size in SIZES {
        let made = disk(size);
        let mut disk = made.disk();
        let table = Table::read(&mut disk, &mut [0; 4096]).unwrap();
        let mut found = Vec::new();
        let each = |entry: &libupdate::gpt::Entry| found.push((entry.number.get(), entry.extent.first()));
        table.entries(&mut disk, &mut [0; 4096], each).unwrap();
        assert_eq!(found.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 3, 4, 7, 8]);
        assert!(found[1].1 > found[2].1, "slot a stands behind slot b");
    }
}

fn byte(chance: &mut Chance) -> u8 {
    u8::try_from(chance.below(256)).unwrap()
}

/// F1, vboot `cgpt_fuzzer`: arbitrary bytes in every place of a table, through read, repair, commit and read. Nothing panics, and
/// what is written is written inside the table.
#[test]
fn f1_arbitrary_bytes_through_read_repair_iterate() {
    let mut chance = Chance::new(57);
    let mut read = 0;
    for round in 0..400 {
        let size = SIZES[round % 2];
        let mut made = disk(size);
        let last = made.last();
        let partitions = made.bytes[made.bytes.len() / 2..made.bytes.len() / 2 + 4096].to_vec();
        // Entries first: afterwards a header may name another place for them.
        for _ in 0..chance.below(3) {
            let header = [1, last][chance.below(2)];
            made.entry(header, [1, 3, 4, 7, 8][chance.below(5)])[chance.below(128)] ^= byte(&mut chance);
            if chance.below(3) > 0 {
                made.seal_entries(header);
            }
        }
        for _ in 0..chance.below(4) {
            let header = [1, last][chance.below(2)];
            match chance.below(2) {
                0 => made.set(header, 8 + chance.below(84), &[byte(&mut chance)]),
                _ => made.block(header)[chance.below(size.bytes())] ^= byte(&mut chance),
            }
        }
        let mut disk = made.disk();
        let Ok(table) = Table::read(&mut disk, &mut [0; 4096]) else { continue };
        read += 1;
        let repaired = repair(&mut disk, &table, Relocate::No, &mut [0; 4096]);
        if repaired.is_ok() {
            let table = Table::read(&mut disk, &mut [0; 4096]).expect("a repaired table is one");
            let mut bits = Vec::new();
            let each = |entry: &libupdate::gpt::Entry| bits.push(entry.attributes.slot_bits());
            table.entries(&mut disk, &mut [0; 4096], each).unwrap();
            assert!(
                bits.len() <= 128 && bits.iter().all(|bits| *bits != SlotBits::default() || bits.priority.get() == 0)
            );
        }
        let after = tests::gpt_disk::bytes_of(&disk.content());
        assert!(after[after.len() / 2..after.len() / 2 + 4096] == partitions, "a write into a partition");
    }
    assert!(read > 150, "{read} of 400 had a table");
}
