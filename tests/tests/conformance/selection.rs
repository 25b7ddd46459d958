//! Catalogue of cases, letter S: which entry boots next.
//!
//! The chooser agrees with vboot's `GptNextKernelEntry` for every combination of bits over three entries: same entries, same order.
//! What differs is what a boot costs, by decision:
//!
//! | case | vboot | GRUB gptprio | here |
//! |---|---|---|---|
//! | S = 1, T > 0 | boots, T stays | boots, T - 1 | boots; T - 1 where the profile guards, else T stays |
//! | S = 1, T = 0 | boots | boots | boots; where the profile guards, every block is read first |
//! | S = 0, T = 1, tried | T = 0 and P = 0 | T = 0, P stays | T = 0, P stays: mark-good need not restore it |
//! | P = 0, S = 1 | never | never (`cgpt next` of CoreOS: boots) | never |
//! | none bootable | recovery | key-wait, reboot loop | last resort of the profile: every slot once, read in full first |

use libupdate::boot::{Boot, Candidate, Choice, Guard, Kind, candidates, choose, last_resort, order};
use libupdate::gpt::TriesLeft;
use libupdate::transition::{Spent, spend_try};
use libupdate::{BlockSize, SlotId};
use tests::gpt_disk::{Bits, GptDisk, slot_bits, slot_table, slots_of, specs};
use tests::gpt_readers::vboot_order;
use tests::sim_disk::SimDisk;

fn table(rows: &[Bits]) -> Vec<Candidate> {
    let candidate = |(index, bits): (usize, &Bits)| Candidate {
        slot: SlotId::from_index(index).unwrap(),
        entry: libupdate::gpt::EntryNumber::new(u32::try_from(index).unwrap() + 1).unwrap(),
        bits: slot_bits(*bits),
    };
    rows.iter().enumerate().map(candidate).collect()
}

fn guard(boots: u8) -> Guard {
    Guard::new(TriesLeft::new(boots).unwrap())
}

fn slots(boots: &[Boot]) -> Vec<usize> {
    boots.iter().map(|boot| boot.candidate.slot.index()).collect()
}

fn tried(rows: &[Bits]) -> Vec<usize> {
    let with_guard = slots(&order(&table(rows), guard(3)));
    assert_eq!(with_guard, slots(&order(&table(rows), Guard::Off)), "the guard changes no order");
    with_guard
}

/// One boot of this disk: the slot, if one boots, with its try spent.
fn boot(disk: &mut SimDisk, guard: Guard) -> Option<usize> {
    let specs = specs();
    let Choice::Boot(boot) = choose(&candidates(&slot_table(disk, &specs)), guard) else { return None };
    let attempt = spend_try(disk, &specs, &boot, &mut [0; 4096]).unwrap();
    assert!(!matches!(attempt.spent, Spent::Failed(_)));
    Some(boot.candidate.slot.index())
}

/// S1, vboot `GetNextPrioTest`: P 3, 4, 0, 4.
#[test]
fn s1_higher_priority_first_and_zero_never() {
    assert_eq!(tried(&[(3, 0, 1), (4, 0, 1), (0, 0, 1), (4, 0, 1)]), [1, 3, 0]);
}

/// S2, vboot `GetNextNormalTest`: equal priorities in the order of the entries, whatever the order of the slots.
#[test]
fn s2_a_tie_goes_to_the_lower_entry() {
    assert_eq!(tried(&[(2, 0, 1), (2, 0, 1)]), [0, 1]);
    let mut rows = table(&[(2, 0, 1), (2, 0, 1)]);
    rows.reverse();
    assert_eq!(slots(&order(&rows, guard(3))), [0, 1]);
}

/// S3, vboot `GetNextTriesTest`.
#[test]
fn s3_tries_of_a_slot_without_success() {
    assert_eq!(tried(&[(2, 0, 1), (3, 0, 0), (4, 1, 0), (0, 5, 0)]), [2, 0]);
}

/// S4, decided: priority 0 never boots, successful or not.
#[test]
fn s4_priority_zero_never_boots() {
    for bits in [(0, 0, 1), (0, 15, 1), (0, 15, 0)] {
        assert_eq!(choose(&table(&[bits]), guard(3)), Choice::Nothing);
    }
}

/// S5, decided: S = 1 with T > 0 is legal; its tries are spent where the profile guards.
#[test]
fn s5_a_good_slot_with_tries() {
    for (boots, left) in [(0, 6), (3, 5)] {
        let mut disk = GptDisk::with_slots(BlockSize::B512, [(2, 6, 1), (0, 0, 0), (0, 0, 0)]).disk();
        assert_eq!(boot(&mut disk, guard(boots)), Some(0));
        assert_eq!(slots_of(&mut disk)[0], (2, left, 1));
        assert_eq!(disk.log().is_empty(), boots == 0, "without a guard a good boot writes nothing");
    }
}

/// S6: none selectable is a value of its own, and the last resort shows every slot once, those with a priority first.
#[test]
fn s6_nothing_selectable_is_the_last_resort() {
    let rows = table(&[(0, 0, 0), (1, 0, 0), (0, 3, 1), (2, 0, 0)]);
    assert_eq!(choose(&rows, guard(3)), Choice::Nothing);
    assert_eq!(last_resort(&rows).iter().map(|row| row.slot.index()).collect::<Vec<_>>(), [3, 1, 0, 2]);
    assert_eq!(choose(&[], guard(3)), Choice::Nothing);
}

/// S7, GRUB's unit test f, P3T3 P2T2 P1S1: 2, 2, 2, 3, 3, 4, 4, 4 there, in slots a, b, c here. With a guard the good slot's own
/// tries are already 0: it boots as suspect, without a write.
#[test]
fn s7_tries_run_down_through_three_slots() {
    for size in [BlockSize::B512, BlockSize::B4096] {
        let mut disk = GptDisk::with_slots(size, [(3, 3, 0), (2, 2, 0), (1, 0, 1)]).disk();
        let boots: Vec<_> = (0..8).map(|_| boot(&mut disk, guard(3))).collect();
        assert_eq!(boots, [0, 0, 0, 1, 1, 2, 2, 2].map(Some));
        assert_eq!(slots_of(&mut disk), [(3, 0, 0), (2, 0, 0), (1, 0, 1)]);
    }
}

/// S8, seismograph's `next` tests: try b, fall back to a; and with P0 S1 on a there is nothing to fall back to (there: a boots).
#[test]
fn s8_try_b_fall_back_to_a() {
    let mut disk = GptDisk::with_slots(BlockSize::B512, [(1, 0, 1), (2, 1, 0), (0, 0, 0)]).disk();
    assert_eq!([boot(&mut disk, guard(3)), boot(&mut disk, guard(3))], [Some(1), Some(0)]);
    let mut disk = GptDisk::with_slots(BlockSize::B512, [(0, 0, 1), (2, 1, 0), (0, 0, 0)]).disk();
    assert_eq!([boot(&mut disk, guard(3)), boot(&mut disk, guard(3))], [Some(1), None]);
}

/// S9, the regression of U-Boot e41e97e: no tries and successful is bootable.
#[test]
fn s9_no_tries_and_successful_is_bootable() {
    let Choice::Boot(found) = choose(&table(&[(1, 0, 1)]), guard(3)) else { panic!("nothing") };
    assert_eq!(found.kind, Kind::Suspect);
    let Choice::Boot(found) = choose(&table(&[(1, 0, 1)]), Guard::Off) else { panic!("nothing") };
    assert_eq!(found.kind, Kind::Good);
}

/// S10: to look spends nothing.
#[test]
fn s10_choosing_writes_nothing() {
    let mut disk = GptDisk::with_slots(BlockSize::B512, [(1, 0, 1), (2, 3, 0), (0, 0, 0)]).disk();
    let specs = specs();
    for _ in 0..3 {
        let found = choose(&candidates(&slot_table(&mut disk, &specs)), guard(3));
        assert!(matches!(found, Choice::Boot(boot) if boot.kind == Kind::Trial { left: TriesLeft::new(2).unwrap() }));
    }
    assert!(disk.log().is_empty());
}

/// S11, AVB `TriesRemainingNotDecreasingIfNotPriority`: over every pair, only the chosen slot's tries change, by one.
#[test]
fn s11_only_the_chosen_slot_pays() {
    for a in [(0, 2, 0), (1, 2, 0), (2, 0, 1), (3, 2, 1)] {
        for b in [(0, 2, 1), (2, 1, 0), (2, 0, 0), (3, 2, 0)] {
            let before = [a, b, (1, 15, 0)];
            let mut disk = GptDisk::with_slots(BlockSize::B512, before).disk();
            let booted = boot(&mut disk, guard(3)).unwrap();
            let mut wanted = before;
            wanted[booted].1 = wanted[booted].1.saturating_sub(1);
            assert_eq!(slots_of(&mut disk), wanted);
        }
    }
}

/// S12: eight slots, all orders of their priorities' rotations.
#[test]
fn s12_more_than_two_slots() {
    for shift in 0..8_usize {
        let rows: Vec<Bits> = (0..8).map(|slot| (u8::try_from((slot + shift) % 8).unwrap(), 1, 0)).collect();
        let wanted: Vec<usize> = (1..8).rev().map(|priority| (priority + 8 - shift) % 8).collect();
        assert_eq!(tried(&rows), wanted);
    }
}

/// Item 2: every combination of priority, tries and success over three entries, as far as the rules tell values apart: all orders
/// of three priorities and zero, none, one and more tries, success or not. vboot's order is ours.
#[test]
fn the_order_is_that_of_vboot_for_every_combination() {
    let priorities = [0, 1, 2, 15];
    let all = priorities.into_iter().flat_map(|p| [0, 1, 15].into_iter().flat_map(move |t| [0, 1].map(|s| (p, t, s))));
    let all: Vec<Bits> = all.collect();
    let mut compared = 0;
    for a in &all {
        for b in &all {
            for c in &all {
                let rows = [*a, *b, *c];
                assert_eq!(tried(&rows), vboot_order(&rows), "{rows:?}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 24_usize.pow(3));
}

/// The same for every value of one entry beside two fixed ones: nothing in the range behaves in another way.
#[test]
fn the_order_is_that_of_vboot_for_every_value() {
    for word in 0..512_u16 {
        let [p, t, s] = [word & 0xf, word >> 4 & 0xf, word >> 8].map(|field| u8::try_from(field).unwrap());
        for others in [[(7, 0, 1), (7, 3, 0)], [(1, 0, 1), (14, 1, 0)], [(0, 0, 0), (15, 0, 0)]] {
            for rows in [
                [(p, t, s), others[0], others[1]],
                [others[0], (p, t, s), others[1]],
                [others[0], others[1], (p, t, s)],
            ] {
                assert_eq!(tried(&rows), vboot_order(&rows), "{rows:?}");
            }
        }
    }
}
