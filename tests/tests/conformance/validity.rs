//! Catalogue of cases, R1 to R19: vboot's `ValidityCheckTest`, as a table.
//!
//! Beside vboot's verdict stands ours, on the table (which copy serves) and on the repair (which copies are written anew). They
//! differ in these rows only:
//!
//! | row | vboot | here | why |
//! |---|---|---|---|
//! | R8 | refuses: the primary's header fits neither array, so that the backup's is taken | the same, by another way: a copy is judged as a whole | no difference in what is read |
//! | R13, R14 | arrays that were never read | a read error: the other copy serves | the core has no null pointers |
//! | R17, R18 | the ignored copy counts as valid, in memory | ignored, and never written | its owner asks for it |

use libupdate::BlockSize;
use libupdate::gpt::write::{Relocate, repair};
use libupdate::gpt::{BothCopies, CopyId, CopyState, Table};
use tests::gpt_disk::{GptDisk, bytes_of, set_bits, word};
use tests::medium::Sector;
use tests::sim_disk::SimDisk;

/// What is done to a good table.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Header1,
    Header2,
    Entries1,
    Entries2,
    /// The header's size field plus one, with a renewed checksum.
    Size1,
    /// Both arrays, and the backup's header, describe another table: a primary header that stayed behind.
    OldHeader1,
    /// The whole backup describes another table.
    Older2,
    /// The block cannot be read.
    Lost1,
    Lost2,
    LostEntries1,
    LostEntries2,
    Ignore1,
    Ignore2,
}
use Damage::{
    Entries1, Entries2, Header1, Header2, Ignore1, Ignore2, Lost1, Lost2, LostEntries1, LostEntries2, OldHeader1,
    Older2, Size1,
};

/// Which copy serves, if one does, and which of the two a repair writes.
type Verdict = (Option<CopyId>, &'static [CopyId]);

const PRIMARY: Option<CopyId> = Some(CopyId::Primary);
const BACKUP: Option<CopyId> = Some(CopyId::Backup);
const WRITES_1: &[CopyId] = &[CopyId::Primary];
const WRITES_2: &[CopyId] = &[CopyId::Backup];

const ROWS: [(&str, &[Damage], Verdict); 20] = [
    ("R1 nothing", &[], (PRIMARY, &[])),
    ("R2 both headers", &[Header1, Header2], (None, &[])),
    ("R3 H1", &[Header1], (BACKUP, WRITES_1)),
    ("R4 H2", &[Header2], (PRIMARY, WRITES_2)),
    ("R5 H1 has another size", &[Size1], (PRIMARY, WRITES_2)),
    ("R6 both arrays", &[Entries1, Entries2], (None, &[])),
    ("R7 E1", &[Entries1], (BACKUP, WRITES_1)),
    ("R7 E2", &[Entries2], (PRIMARY, WRITES_2)),
    ("R8 both arrays are the backup's", &[OldHeader1], (BACKUP, WRITES_1)),
    ("R9 H1 E1", &[Header1, Entries1], (BACKUP, WRITES_1)),
    ("R10 H2 E2", &[Header2, Entries2], (PRIMARY, WRITES_2)),
    ("R11 both whole and different", &[Older2], (PRIMARY, WRITES_2)),
    ("R12 H1 E2: no whole copy", &[Header1, Entries2], (None, &[])),
    ("R13 E1 not read", &[LostEntries1], (BACKUP, WRITES_1)),
    ("R14 E2 not read", &[LostEntries2], (PRIMARY, WRITES_2)),
    ("R15 H1 not read", &[Lost1], (BACKUP, WRITES_1)),
    ("R16 H2 not read", &[Lost2], (PRIMARY, WRITES_2)),
    ("R17 H1 ignored", &[Ignore1], (BACKUP, &[])),
    ("R18 H2 ignored", &[Ignore2], (PRIMARY, &[])),
    ("R19 both ignored", &[Ignore1, Ignore2], (None, &[])),
];

/// More that follows from vboot's rules.
const MORE: [(&str, &[Damage], Verdict); 4] = [
    ("R12 H2 E1: no whole copy", &[Header2, Entries1], (None, &[])),
    ("R19 H2 ignored, H1 bad", &[Ignore2, Header1], (None, &[])),
    ("R19 H1 ignored, E2 bad", &[Ignore1, Entries2], (None, &[])),
    ("R19 H2 ignored, E1 bad", &[Ignore2, Entries1], (None, &[])),
];

fn damage(made: &mut GptDisk, what: Damage) {
    let last = made.last();
    let other_bits = |raw: &mut [u8]| raw[48..56].copy_from_slice(&word((7, 7, 0)).to_le_bytes());
    match what {
        Header1 => made.block(1)[16] ^= 1,
        Header2 => made.block(last)[16] ^= 1,
        Entries1 => made.entry(1, 3)[127] ^= 1,
        Entries2 => made.entry(last, 3)[127] ^= 1,
        Size1 => made.set(1, 12, &[93]),
        OldHeader1 => {
            other_bits(made.entry(1, 3));
            other_bits(made.entry(last, 3));
            made.seal_entries(last);
        }
        Older2 => {
            other_bits(made.entry(last, 3));
            made.seal_entries(last);
        }
        Ignore1 => made.block(1)[..8].copy_from_slice(b"IGNOREME"),
        Ignore2 => made.block(last)[..8].copy_from_slice(b"IGNOREME"),
        Lost1 | Lost2 | LostEntries1 | LostEntries2 => {}
    }
}

fn disk(size: BlockSize, damages: &[Damage]) -> (GptDisk, SimDisk) {
    let mut made = GptDisk::with_slots(size, [(2, 0, 1), (1, 3, 0), (0, 0, 0)]);
    let (last, first_of_backup) = (made.last(), made.last() - size.blocks_for(16384));
    let lost = |damage: &Damage| match damage {
        Lost1 => Some((1, Sector::lost())),
        Lost2 => Some((last, Sector::lost())),
        LostEntries1 => Some((2, Sector::lost())),
        LostEntries2 => Some((first_of_backup, Sector::lost())),
        _ => None,
    };
    let lost = damages.iter().filter_map(lost).collect();
    damages.iter().for_each(|what| damage(&mut made, *what));
    let disk = SimDisk::new(made.medium().with(lost));
    (made, disk)
}

#[test]
fn r1_to_r19_which_copy_serves() {
    for size in [BlockSize::B512, BlockSize::B4096] {
        for (name, damages, (serves, _)) in ROWS.into_iter().chain(MORE) {
            let (_, mut disk) = disk(size, damages);
            let survey = BothCopies::read(&mut disk, &mut [0; 4096]).unwrap();
            assert_eq!(survey.table().ok().map(|table| table.chosen()), serves, "{name}");
            assert!(disk.log().is_empty(), "{name}: reading writes nothing");
        }
    }
}

/// The repair writes the copies of the table's last column, and leaves two that are whole, equal, and those that served.
#[test]
fn r1_to_r19_what_a_repair_writes() {
    for size in [BlockSize::B512, BlockSize::B4096] {
        for (name, damages, (serves, written)) in ROWS.into_iter().chain(MORE) {
            let (made, mut disk) = disk(size, damages);
            let Ok(table) = Table::read(&mut disk, &mut [0; 4096]) else {
                assert_eq!(serves, None, "{name}");
                continue;
            };
            let done = repair(&mut disk, &table, Relocate::No, &mut [0; 4096]).unwrap();
            assert_eq!(done.repaired.as_slice(), written, "{name}");
            assert_eq!(disk.is_unwritten(), written.is_empty(), "{name}");
            let half = u64::try_from(made.bytes.len() / size.bytes() / 2).unwrap();
            for (lba, blocks) in tests::gpt_disk::writes(disk.log()).into_iter().filter(|write| *write != (0, 0)) {
                let of = if lba < half { CopyId::Primary } else { CopyId::Backup };
                assert!(written.contains(&of), "{name}: {blocks} blocks at {lba}");
            }
            let after = Table::read(&mut disk, &mut [0; 4096]).unwrap();
            let fine = |state| matches!(state, CopyState::Valid | CopyState::Ignored);
            assert!(fine(after.primary().state()) && fine(after.backup().state()), "{name}");
            if written.len() == 1 {
                assert!(after.primary().header().unwrap().same_table(table.header()), "{name}");
                assert!(after.backup().header().unwrap().same_table(table.header()), "{name}");
            }
        }
    }
}

/// A change of bits repairs by the same rows, and an ignored copy keeps every byte.
#[test]
fn r1_to_r19_a_change_repairs_first() {
    for size in [BlockSize::B512, BlockSize::B4096] {
        for (name, damages, (serves, written)) in ROWS.into_iter().chain(MORE) {
            let (made, mut disk) = disk(size, damages);
            let done = set_bits(&mut disk, &[(1, (3, 6, 0))]);
            assert_eq!(done.is_ok(), serves.is_some(), "{name}");
            let Ok(done) = done else { continue };
            assert_eq!(done.repaired.as_slice(), written, "{name}");
            let after = bytes_of(&disk.content());
            let kept = |from: usize, to: usize| after[from..to] == made.bytes[from..to];
            let array = 2 * size.bytes() + 16384;
            assert!(!damages.contains_ignored(1) || kept(0, array), "{name}");
            assert!(!damages.contains_ignored(2) || kept(after.len() - array + size.bytes(), after.len()), "{name}");
        }
    }
}

trait Ignored {
    fn contains_ignored(&self, copy: u8) -> bool;
}

impl Ignored for [Damage] {
    fn contains_ignored(&self, copy: u8) -> bool {
        self.iter().any(|damage| matches!((damage, copy), (Ignore1, 1) | (Ignore2, 2)))
    }
}
