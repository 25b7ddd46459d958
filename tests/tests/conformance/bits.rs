//! Catalogue of cases, letter B: the bits of the attribute word.

use libupdate::gpt::write::{Relocate, repair};
use libupdate::gpt::{Attributes, Priority, SlotBits, Successful, Table, TriesLeft};
use libupdate::{BlockSize, gpt, slot};
use tests::gpt_disk::{FOREIGN, GptDisk, SLOTS, bits_of, set_bits, slot_bits, word};
use tests::sim_disk::SimDisk;

/// Bits 48 to 56.
const OURS: u64 = 0x01ff << 48;

/// Attribute words of all used entries.
fn words(disk: &mut SimDisk) -> Vec<(u32, u64)> {
    let table = Table::read(disk, &mut [0; 4096]).unwrap();
    let mut found = Vec::new();
    table.entries(disk, &mut [0; 4096], |entry| found.push((entry.number.get(), entry.attributes.get()))).unwrap();
    found
}

/// B1, vboot `EntryAttributeGetSetTest`: mask of every field, from zero and from all ones.
#[test]
fn b1_masks_of_every_setter() {
    for (bits, mask) in
        [((15, 0, 0), 0x000f_0000_0000_0000), ((0, 15, 0), 0x00f0_0000_0000_0000), ((0, 0, 1), 0x0100_0000_0000_0000)]
    {
        assert_eq!(Attributes::new(0).with_slot_bits(slot_bits(bits)).get(), mask);
        let cleared = Attributes::new(u64::MAX).with_slot_bits(SlotBits::default());
        assert_eq!(cleared.get(), !OURS);
        assert_eq!(cleared.with_slot_bits(slot_bits(bits)).get(), !OURS | mask);
    }
}

/// B2, vboot: P3 T2 S1, error counter and legacy boot beside them.
#[test]
fn b2_the_word_of_vboot_is_decoded() {
    let attributes = Attributes::new(0x0323_0000_0000_0004);
    assert_eq!(attributes.slot_bits(), slot_bits((3, 2, 1)));
    assert_eq!(attributes.with_slot_bits(slot_bits((0, 0, 0))).get(), 0x0200_0000_0000_0004);
}

/// B3, Bottlerocket `gptprio` tests: patterns of alternating bits; and every value of ours over them, which changes no other bit.
#[test]
fn b3_alternating_patterns() {
    for word in [0, u64::MAX, 0x5555_5555_5555_5555, 0xaaaa_aaaa_aaaa_aaaa] {
        for raw in 0..=0x1ff_u64 {
            let wanted = Attributes::new(raw << 48).slot_bits();
            let changed = Attributes::new(word).with_slot_bits(wanted);
            assert_eq!((changed.slot_bits(), changed.get() & !OURS), (wanted, word & !OURS));
        }
    }
    for (pattern, bits) in [(0x5555_5555_5555_5555, (5, 5, 1)), (0xaaaa_aaaa_aaaa_aaaa, (10, 10, 0))] {
        let attributes = Attributes::new(pattern);
        assert_eq!(attributes.slot_bits(), slot_bits(bits));
        assert_eq!(attributes.with_slot_bits(slot_bits(bits)).get(), pattern);
        assert_eq!(attributes.with_slot_bits(slot_bits((0, 0, 0))).get(), pattern & !OURS);
    }
}

/// B4: bits 0 to 47 and 57 to 63 survive every act. EVE's `cgpt add -A` and sysupdate's `PartitionFlags=` break this.
#[test]
fn b4_foreign_bits_survive_every_act() {
    for size in [BlockSize::B512, BlockSize::B4096] {
        for foreign in [0, !OURS, 1 << 57, FOREIGN, 1 << 59 | 1 << 60 | 1 << 63] {
            let mut made = GptDisk::with_slots(size, [(2, 0, 1), (1, 0, 1), (0, 0, 0)]);
            for number in SLOTS {
                made.change_entry(number, |raw| {
                    let word = u64::from_le_bytes(raw[48..56].try_into().unwrap()) & OURS | foreign;
                    raw[48..56].copy_from_slice(&word.to_le_bytes());
                });
            }
            let mut disk = made.disk();
            let before = words(&mut disk);
            for bits in [(0, 0, 0), (15, 15, 1), (0, 6, 0), (3, 6, 0), (3, 5, 0), (3, 3, 1), (15, 0, 0)] {
                assert_eq!(set_bits(&mut disk, &[(1, bits)]).unwrap().warning, None);
                assert_eq!(repaired_words(&disk), words(&mut disk), "a repair changes no bit either");
            }
            let expected = |(number, old): &(u32, u64)| {
                (*number, if *number == SLOTS[1] { foreign | word((15, 0, 0)) } else { *old })
            };
            assert_eq!(words(&mut disk), before.iter().map(expected).collect::<Vec<_>>());
        }
    }
}

/// The words after the primary was lost and written anew.
fn repaired_words(disk: &SimDisk) -> Vec<(u32, u64)> {
    let lost = [(1, tests::medium::Sector::lost())].into_iter().collect();
    let mut disk = SimDisk::new(disk.content().with(lost));
    let table = Table::read(&mut disk, &mut [0; 4096]).unwrap();
    assert!(repair(&mut disk, &table, Relocate::No, &mut [0; 4096]).unwrap().repaired.is_some());
    words(&mut disk)
}

/// B5: more than 15 is refused, not wrapped, and nothing that computes bits leaves the range.
#[test]
fn b5_more_than_fifteen_is_refused() {
    for value in 16..=u8::MAX {
        assert_eq!((Priority::new(value), TriesLeft::new(value)), (None, None));
    }
    let ids = [0, 1].map(|index| libupdate::SlotId::from_index(index).unwrap());
    let full = |_| slot_bits((15, 15, 1));
    let slots = ids.map(|id| (id, full(id)));
    let armed = slot::arm(&slots, ids[1], TriesLeft::MAX).unwrap();
    assert!(armed.iter().all(|(_, bits)| bits.priority <= Priority::MAX && bits.priority > Priority::ZERO));
    assert_eq!(gpt::TriesLeft::ZERO.spent(), None);
}

/// F2: arbitrary attribute words through every function on bits keep the invariants: foreign bits stay, what was armed leads,
/// nothing bootable falls to 0.
#[test]
fn f2_arbitrary_words_keep_the_invariants() {
    let mut chance = tests::chance::Chance::new(2026);
    let ids: Vec<_> = (0..3).map(|index| libupdate::SlotId::from_index(index).unwrap()).collect();
    for _ in 0..20_000 {
        let words: Vec<u64> = (0..3).map(|_| chance.next()).collect();
        let slots: Vec<_> = ids.iter().copied().zip(words.iter().map(|w| Attributes::new(*w).slot_bits())).collect();
        let target = chance.below(3);
        let edits = slot::arm(&slots, ids[target], TriesLeft::new(3).unwrap()).unwrap();
        let mut after = slots.clone();
        for (id, bits) in &edits {
            after[id.index()].1 = *bits;
            let word = words[id.index()];
            let changed = Attributes::new(word).with_slot_bits(*bits).get();
            assert_eq!(changed & !OURS, word & !OURS);
            assert_eq!(slot_bits(bits_of(changed)), *bits);
        }
        let top = after[target].1;
        assert_eq!((top.tries_left.get(), top.successful), (3, Successful::No));
        for (index, (_, bits)) in after.iter().enumerate().filter(|(index, _)| *index != target) {
            assert!(bits.priority < top.priority);
            assert_eq!(bits.priority == Priority::ZERO, slots[index].1.priority == Priority::ZERO);
            assert_eq!((bits.tries_left, bits.successful), (slots[index].1.tries_left, slots[index].1.successful));
        }
    }
}
