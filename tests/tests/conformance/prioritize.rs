//! Catalogue of cases, U4 and U5: vboot's prioritize vectors (`run_cgpt_tests.sh`), and `cgpt prioritize` itself as
//! the oracle of our raise.
//!
//! What is the same: the raised entry comes first and alone; the others keep their order and their ties; what was 0 stays 0; the
//! lowest ranks coalesce at 1, never at 0. So the next boots are the same. What differs is the numbers:
//!
//! | | `cgpt prioritize -i N` | arm and rollback (docs/DESIGN.md, rule 3 of the slots) | why |
//! |---|---|---|---|
//! | the others | always renumbered from 1 | left alone while the new one fits 15 | one entry changes, in one sector: an act that is cut has less to tear |
//! | the raised one | number of groups | highest other + 1 | follows from it |
//! | past 15 | the same | others renumbered from 1, then the same | |
//! | none or `-P`, `-f` | renumber without raising, or raise a group | not there | no act of ours needs it |
//! | exit status on damaged copies | 0, and nothing is done | repaired first, then raised | an act needs two whole copies |

use std::fs;
use std::path::Path;

use libupdate::gpt::TriesLeft;
use libupdate::{BlockSize, SlotId, slot};
use tests::gpt_disk::{Bits, GptDisk, KERNEL_TYPE, bits_of, slot_bits, slots_of, usual, word};
use tests::gpt_maker::Partition;
use tests::gpt_readers::vboot_order;
use tests::tool;

/// Arguments of `cgpt prioritize`, and the priorities afterwards.
type Step = (&'static [&'static str], &'static [u8]);

/// Priorities at the start, and what follows one after the other.
const VECTORS: [(&[u8], &[Step]); 9] = [
    (&[2, 0, 0], &[(&["-i1"], &[1, 0, 0]), (&["-i2"], &[1, 2, 0]), (&["-i1"], &[2, 1, 0]), (&["-i2"], &[1, 2, 0])]),
    (
        &[8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 0, 0, 8],
        &[
            (&[], &[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1]),
            (&["-P4"], &[4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 0, 0, 4]),
            (&["-P5", "-i3"], &[4, 4, 5, 4, 4, 4, 4, 4, 4, 4, 4, 0, 0, 4]),
            (&["-P3", "-i4"], &[1, 1, 2, 3, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1]),
            (&["-P6", "-i1", "-f"], &[6, 6, 4, 5, 6, 6, 6, 6, 6, 6, 6, 0, 0, 6]),
        ],
    ),
    (&[0; 14], &[(&["-i2"], &[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])]),
    (
        &[0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0],
        &[
            (&["-P5", "-i2", "-f"], &[5, 5, 5, 5, 5, 5, 5, 5, 3, 4, 5, 5, 5, 5]),
            (&[], &[3, 3, 3, 3, 3, 3, 3, 3, 1, 2, 3, 3, 3, 3]),
        ],
    ),
    (&PAIRS, &[(&["-P6"], &[1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 0, 5, 6, 6])]),
    (&PAIRS, &[(&["-P7", "-i3"], &[1, 1, 7, 1, 2, 2, 3, 3, 4, 4, 0, 5, 6, 6])]),
    (&PAIRS, &[(&["-P6", "-i3", "-f"], &[1, 1, 6, 6, 1, 1, 2, 2, 3, 3, 0, 4, 5, 5])]),
    (
        &PAIRS,
        &[
            (&["-P2"], &[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 2, 2]),
            (&["-P1", "-i3"], &[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1]),
        ],
    ),
    (
        &[15, 15, 14, 14, 13, 13, 12, 12, 11, 11, 10, 10, 9, 9, 8, 8, 7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0],
        &[
            (
                &["-i3"],
                &[
                    14, 14, 15, 13, 12, 12, 11, 11, 10, 10, 9, 9, 8, 8, 7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 1, 1,
                    0,
                ],
            ),
            (
                &["-i5"],
                &[13, 13, 14, 12, 15, 11, 10, 10, 9, 9, 8, 8, 7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 0],
            ),
            (
                &["-i1", "-f"],
                &[15, 15, 13, 12, 14, 11, 10, 10, 9, 9, 8, 8, 7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 0],
            ),
        ],
    ),
];

const PAIRS: [u8; 14] = [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 0, 6, 7, 7];

/// A disk of ChromeOS kernel entries 1, 2, 3 .. with these priorities, each successful.
fn disk_of(path: &Path, priorities: &[u8]) {
    let partition = |(number, priority): (u32, &u8)| {
        let mut partition = Partition::new(number, "k", KERNEL_TYPE, 34 + u64::from(number), 1);
        partition.attributes = word((*priority, 0, 1));
        partition
    };
    let maker = usual(BlockSize::B512, 128, (1..).zip(priorities).map(partition).collect());
    fs::write(path, &GptDisk::new(&maker, BlockSize::B512).bytes).unwrap();
}

/// What `cgpt show -i N -P`, `-T` and `-S` say, all entries in one run.
fn shown(path: &Path) -> Vec<Bits> {
    let text = tool::run("cgpt", &["show".as_ref(), path.as_os_str()]);
    let value = |line: &str, name: &str| {
        let word = line.split_whitespace().find_map(|word| word.strip_prefix(name));
        word.map_or(0, |value| value.parse().unwrap())
    };
    let lines = text.lines().filter(|line| line.trim_start().starts_with("Attr: "));
    lines.map(|line| (value(line, "priority="), value(line, "tries="), value(line, "successful="))).collect()
}

fn prioritize(path: &Path, options: &[&str]) -> Vec<u8> {
    let mut arguments = vec!["prioritize"];
    arguments.extend(options);
    arguments.push(path.to_str().unwrap());
    tool::run("cgpt", &arguments);
    shown(path).into_iter().map(|(priority, ..)| priority).collect()
}

/// Our raise of the slot at `index` among good slots.
fn raised(priorities: &[u8], index: usize) -> Vec<u8> {
    let id = |index| SlotId::from_index(index).unwrap();
    let slots: Vec<_> = priorities.iter().enumerate().map(|(at, p)| (id(at), slot_bits((*p, 0, 1)))).collect();
    let mut after = priorities.to_vec();
    for (slot, bits) in slot::raise(&slots, id(index)).unwrap() {
        assert_eq!(bits, slot_bits((bits.priority.get(), 0, 1)), "tries and success stay");
        after[slot.index()] = bits.priority.get();
    }
    after
}

/// Whether two lists of priorities boot in the same order, ties and zeros included.
fn same_order(one: &[u8], other: &[u8]) -> bool {
    let pairs = (0..one.len()).flat_map(|a| (0..one.len()).map(move |b| (a, b)));
    let zeros = one.iter().zip(other).all(|(one, other)| (*one == 0) == (*other == 0));
    zeros && pairs.into_iter().all(|(a, b)| one[a].cmp(&one[b]) == other[a].cmp(&other[b]))
}

/// U4: Debian's cgpt makes every vector of vboot's own test.
#[test]
fn u4_vectors_hold_for_cgpt() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk");
    for (start, steps) in VECTORS {
        disk_of(&path, start);
        for (options, wanted) in steps {
            assert_eq!(prioritize(&path, options), *wanted, "{start:?} {options:?}");
        }
    }
}

/// U4: of the vectors that raise one entry, those with at most eight slots give the same order with our raise; here they are
/// even the same numbers, but for `2 0 0` with entry 1, which is first already and alone.
#[test]
fn u4_vectors_of_few_slots_hold_for_our_raise() {
    let mut compared = 0;
    for (start, steps) in VECTORS.into_iter().filter(|(start, _)| start.len() <= 8) {
        let mut now = start.to_vec();
        for (options, wanted) in steps {
            let index = options[0].strip_prefix("-i").unwrap().parse::<usize>().unwrap() - 1;
            now = raised(&now, index);
            assert!(same_order(&now, wanted), "{now:?} {wanted:?}");
            compared += 1;
        }
    }
    assert_eq!(compared, 4);
}

/// Item 2: over all three entries of these priorities and each raised one, `cgpt prioritize` on a file and our raise give the same
/// order; `cgpt show` and we read the same bits; vboot's next entries are ours.
#[test]
fn u4_cgpt_and_our_raise_agree_over_three_entries() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk");
    let (mut compared, mut equal) = (0, 0);
    let values = [0, 1, 2, 14, 15];
    let all = values.into_iter().flat_map(|a| values.into_iter().flat_map(move |b| values.map(|c| [a, b, c])));
    for before in all {
        for index in 0..3 {
            let disk = GptDisk::with_slots(BlockSize::B512, before.map(|priority| (priority, 0, 1)));
            fs::write(&path, &disk.bytes).unwrap();
            let number = format!("-i{}", tests::gpt_disk::SLOTS[index]);
            let theirs = prioritize(&path, &[&number]);
            let ours = raised(&before, index);
            assert!(same_order(&ours, &theirs), "{before:?} raise {index}: ours {ours:?}, cgpt {theirs:?}");
            let ours: Vec<Bits> = ours.into_iter().map(|priority| (priority, 0, 1)).collect();
            let theirs = shown(&path);
            assert_eq!(vboot_order(&ours), vboot_order(&theirs));
            let mut read = disk;
            read.bytes = fs::read(&path).unwrap();
            assert_eq!(slots_of(&mut read.disk()).to_vec(), theirs, "we read what cgpt shows");
            compared += 1;
            equal += usize::from(ours == theirs);
        }
    }
    eprintln!(
        "result: cgpt prioritize against our raise: {compared} compared, {compared} in the same order, {equal} with equal numbers"
    );
    assert_eq!(compared, 375);
}

/// U5: never to 0, and the lowest coalesce at 1, at eight slots with full priorities.
#[test]
fn u5_nothing_is_lowered_to_zero() {
    for index in 0..8 {
        let before = [15, 14, 13, 12, 11, 10, 9, 0];
        let after = raised(&before, index);
        assert!(before.iter().zip(&after).enumerate().all(|(at, (b, a))| at == index || (*b == 0) == (*a == 0)));
        assert_eq!(after.iter().max(), Some(&after[index]));
        let armed = slot::arm(
            &[(SlotId::A, slot_bits((15, 3, 1))), (SlotId::B, slot_bits((1, 0, 1)))],
            SlotId::B,
            TriesLeft::new(3).unwrap(),
        );
        let bits = |(id, bits): &(SlotId, libupdate::gpt::SlotBits)| {
            (*id, bits_of(libupdate::gpt::Attributes::new(0).with_slot_bits(*bits).get()))
        };
        assert_eq!(
            armed.unwrap().iter().map(bits).collect::<Vec<_>>(),
            [(SlotId::A, (1, 3, 1)), (SlotId::B, (2, 3, 0))]
        );
    }
}
