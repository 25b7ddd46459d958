use super::*;
use crate::gpt::PartitionName;
use crate::units::block::{BlockSize, Lba};

fn bits(priority: u8, tries: u8, successful: u8) -> SlotBits {
    SlotBits {
        priority: Priority::new(priority).unwrap(),
        tries_left: TriesLeft::new(tries).unwrap(),
        successful: if successful == 1 { Successful::Yes } else { Successful::No },
    }
}

fn id(index: usize) -> SlotId {
    SlotId::from_index(index).unwrap()
}

#[test]
fn every_row_of_the_state_table() {
    use SlotState::*;
    use Standing::*;
    use TrailerSeen as T;
    let rows = [
        (bits(0, 0, 0), T::None, NotBooted, Empty),
        (bits(0, 0, 0), T::Mark, NotBooted, Disarmed),
        (bits(0, 3, 0), T::Valid, NotBooted, Staged),
        (bits(2, 3, 0), T::Valid, NotBooted, Trial),
        (bits(2, 0, 0), T::Valid, Booted, Trial),
        (bits(2, 0, 0), T::Valid, NotBooted, Exhausted),
        (bits(0, 0, 0), T::Valid, NotBooted, Failed),
        (bits(1, 0, 1), T::Valid, NotBooted, Good),
        (bits(1, 7, 1), T::Valid, Booted, Good),
        (bits(0, 0, 1), T::Valid, NotBooted, Disarmed),
        (bits(2, 3, 0), T::None, NotBooted, Unverified),
        (bits(1, 0, 1), T::Mark, NotBooted, Unverified),
        (bits(1, 0, 1), T::NotAuthentic, Booted, Unverified),
        (bits(0, 1, 0), T::Mark, NotBooted, Disarmed),
        (bits(0, 1, 0), T::None, NotBooted, Disarmed),
        (bits(0, 1, 0), T::Valid, NotBooted, Staged),
        (bits(0, 1, 0), T::NotAuthentic, NotBooted, Unverified),
    ];
    for (bits, trailer, standing, state) in rows {
        assert_eq!(SlotState::of(bits, trailer, standing), state, "{bits:?} {trailer:?} {standing:?}");
    }
}

#[test]
fn only_a_valid_trailer_makes_a_slot_good() {
    for raw in 0..512_u64 {
        let bits = Attributes::new(raw << 48).slot_bits();
        for trailer in [TrailerSeen::None, TrailerSeen::Mark, TrailerSeen::NotAuthentic] {
            assert_ne!(SlotState::of(bits, trailer, Standing::Booted), SlotState::Good);
        }
        let good = SlotState::of(bits, TrailerSeen::Valid, Standing::NotBooted) == SlotState::Good;
        assert_eq!(good, bits.priority > Priority::ZERO && bits.successful == Successful::Yes);
    }
}

#[test]
fn arm_goes_one_above_the_highest_other() {
    let slots = [(id(0), bits(1, 0, 1)), (id(1), bits(9, 0, 0))];
    assert_eq!(arm(&slots, id(1), TriesLeft::new(3).unwrap()).unwrap().as_slice(), &[(id(1), bits(2, 3, 0))]);
    assert_eq!(arm(&slots, id(0), TriesLeft::new(3).unwrap()).unwrap().as_slice(), &[(id(0), bits(10, 3, 0))]);
    assert_eq!(arm(&slots, id(2), TriesLeft::ZERO), Err(Rejected::NoSuchSlot { slot: id(2) }));
}

#[test]
fn arm_past_fifteen_moves_the_others_down_in_order_and_none_to_zero() {
    let slots = [(id(0), bits(15, 2, 1)), (id(1), bits(0, 0, 0)), (id(2), bits(7, 1, 1)), (id(3), bits(7, 0, 0))];
    let edits = arm(&slots, id(1), TriesLeft::new(3).unwrap()).unwrap();
    let wanted = [(id(0), bits(2, 2, 1)), (id(2), bits(1, 1, 1)), (id(3), bits(1, 0, 0)), (id(1), bits(3, 3, 0))];
    assert_eq!(edits.as_slice(), &wanted);
}

#[test]
fn raising_keeps_tries_and_success() {
    let slots = [(id(0), bits(1, 2, 1)), (id(1), bits(2, 0, 1))];
    assert_eq!(raise(&slots, id(0)).unwrap().as_slice(), &[(id(0), bits(3, 2, 1))]);
}

/// Whatever the bits, the raised slot comes strictly first and the others keep their order.
#[test]
fn raising_never_reorders_the_others() {
    for (p0, p1, p2) in (0..16).flat_map(|a| (0..16).flat_map(move |b| (0..16).map(move |c| (a, b, c)))) {
        let slots = [(id(0), bits(p0, 1, 0)), (id(1), bits(p1, 1, 0)), (id(2), bits(p2, 1, 0))];
        let edits = arm(&slots, id(2), TriesLeft::MAX).unwrap();
        let after = |slot: SlotId| {
            let edited = edits.iter().find(|(id, _)| *id == slot).map(|(_, bits)| bits.priority);
            edited.unwrap_or(slots[slot.index()].1.priority)
        };
        assert!(after(id(2)) > after(id(0)) && after(id(2)) > after(id(1)), "{p0} {p1} {p2}");
        assert_eq!(p0.cmp(&p1), after(id(0)).cmp(&after(id(1))), "{p0} {p1} {p2}");
        assert_eq!((p0 == 0, p1 == 0), (after(id(0)) == Priority::ZERO, after(id(1)) == Priority::ZERO));
    }
}

#[test]
fn mark_good_restores_the_guard_and_refuses_a_slot_that_is_out() {
    let guard = TriesLeft::new(3).unwrap();
    assert_eq!(mark_good(id(0), bits(2, 0, 0), guard), Ok(bits(2, 3, 1)));
    assert!(matches!(mark_good(id(0), bits(0, 2, 0), guard), Err(Rejected::SlotState { .. })));
}

fn spec(index: usize, label: &'static str, duty: Duty) -> PartitionSpec<'static> {
    PartitionSpec {
        slot: id(index),
        role: if duty == Duty::Control { "root" } else { "boot" },
        label,
        type_guid: Guid::new([7; 16]),
        duty,
    }
}

fn name(label: &str) -> PartitionName {
    let mut units = [0; 36];
    units.iter_mut().zip(label.encode_utf16()).for_each(|(unit, letter)| *unit = letter);
    PartitionName::new(units)
}

fn entry(number: u32, label: &str, attributes: u64) -> Entry {
    let first = Lba::new(u64::from(number) * 100);
    Entry {
        number: EntryNumber::new(number).unwrap(),
        type_guid: Guid::new([7; 16]),
        unique_guid: Guid::new([1; 16]),
        extent: Extent::new(first, first, BlockSize::B512).unwrap(),
        attributes: Attributes::new(attributes),
        name: name(label),
    }
}

#[test]
fn slots_are_found_by_type_and_label_whatever_their_unique_guid() {
    let specs = [
        spec(0, "boot-a", Duty::Member),
        spec(0, "root-a", Duty::Control),
        spec(1, "boot-b", Duty::Member),
        spec(1, "root-b", Duty::Control),
    ];
    let mut finder = SlotFinder::new(&specs);
    for (number, label) in [(1, "root-b"), (2, "other"), (3, "boot-a"), (4, "root-a"), (9, "boot-b")] {
        finder.see(&entry(number, label, u64::from(number) << 48));
    }
    let table = finder.finish().unwrap();
    let b = table.get(SlotId::B).unwrap();
    assert_eq!((b.control.get(), b.bits()), (1, bits(1, 0, 0)));
    assert_eq!(b.partition("boot").unwrap().entry.get(), 9);
    assert_eq!(table.get(SlotId::A).unwrap().control.get(), 4);
}

#[test]
fn a_missing_or_doubled_partition_is_named_by_its_slot() {
    let specs = [spec(0, "root-a", Duty::Control), spec(1, "root-b", Duty::Control)];
    let mut finder = SlotFinder::new(&specs);
    finder.see(&entry(1, "root-a", 0));
    assert_eq!(finder.clone().finish(), Err(TableFault::PartitionMissing { slot: SlotId::B }));
    finder.see(&entry(2, "root-a", 0));
    assert_eq!(finder.finish(), Err(TableFault::PartitionAmbiguous { slot: SlotId::A }));
    let members = [spec(0, "boot-a", Duty::Member)];
    let mut finder = SlotFinder::new(&members);
    finder.see(&entry(1, "boot-a", 0));
    assert_eq!(finder.finish(), Err(TableFault::PartitionMissing { slot: SlotId::A }));
}

#[test]
fn slots_that_are_known_stay_known_where_one_is_not_found_again() {
    let specs = [spec(0, "root-a", Duty::Control), spec(1, "root-b", Duty::Control)];
    let mut finder = SlotFinder::new(&specs);
    finder.see(&entry(1, "root-a", 0));
    finder.see(&entry(2, "root-b", 0));
    let mut table = finder.clone().finish().unwrap();
    let before = table.clone();
    let mut again = SlotFinder::new(&specs);
    again.see(&entry(1, "root-a", 0));
    assert_eq!(again.fill(&mut table), Err(TableFault::PartitionMissing { slot: SlotId::B }));
    assert_eq!(table, before);
    finder.see(&entry(3, "root-a", 0));
    assert_eq!(finder.fill(&mut table), Err(TableFault::PartitionAmbiguous { slot: SlotId::A }));
    assert_eq!(table, before);
}
