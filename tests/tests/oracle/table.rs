//! The partition table against foreign implementations: `sgdisk`, `sfdisk`, `cgpt`, the `gpt` and `gptman` crates.
//!
//! `sgdisk -v` and `sfdisk --verify` end with 0 on a damaged disk too, so that their words are compared, never their
//! exit status. Tables of 4096-byte blocks are judged by the two crates: on a file the tools assume 512.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Cursor;
use std::path::{Path, PathBuf};

use gpt::disk::LogicalBlockSize;
use libupdate::gpt::write::{Backup, BackupPlace, Edit, Effect, FreshTable, Relocate, commit, create, repair};
use libupdate::gpt::{
    Attributes, CopyState, DiskEnds, Entry, EntryNumber, Guid, PROBE_BYTES, Table, detect_block_size,
};
use libupdate::{BlockCount, BlockIo as _, BlockSize, ByteLen, Lba};
use tempfile::TempDir;
use tests::file_disk::FileDisk;
use tests::tool;

const BLOCKS: BlockCount = BlockCount::new(65_536);
const KERNEL_TYPE: &str = "fe3a2a5d-4f32-41a7-b725-accc3285a309";
/// Bits that are not ours, set on every slot of [`disk_of_sgdisk`].
const FOREIGN: u64 = 0x8a00_0000_0000_0005;
const SLOTS: [u32; 3] = [3, 5, 128];

/// Partitions 1, 3, 5 and 128, with gaps in numbers and places, foreign bits on the slots.
fn disk_of_sgdisk() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk");
    FileDisk::create(&path, BlockSize::B512, BLOCKS).unwrap();
    let mut arguments: Vec<String> = ["-n", "1:2048:4095", "-c", "1:esp"].map(str::to_owned).to_vec();
    for (number, place) in [(3, "8192:+2M"), (5, "20480:+2M"), (128, "16384:+1M")] {
        let options = [
            ("-n", format!("{number}:{place}")),
            ("-t", format!("{number}:{KERNEL_TYPE}")),
            ("-c", format!("{number}:root {number}")),
        ];
        arguments.extend(options.into_iter().flat_map(|(option, value)| [option.to_owned(), value]));
        for bit in (0..64).filter(|bit| FOREIGN >> bit & 1 == 1) {
            arguments.extend(["-A".to_owned(), format!("{number}:set:{bit}")]);
        }
    }
    arguments.push(text(&path));
    tool::run("sgdisk", &arguments);
    (dir, path)
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn open(path: &Path) -> FileDisk {
    FileDisk::open(path, BlockSize::B512).unwrap()
}

fn read(disk: &mut FileDisk) -> Table {
    Table::read(disk, &mut [0; 4096]).unwrap()
}

fn entries(disk: &mut FileDisk) -> BTreeMap<u32, Entry> {
    let table = read(disk);
    let mut found = BTreeMap::new();
    table
        .entries(disk, &mut [0; 4096], |entry| {
            found.insert(entry.number.get(), *entry);
        })
        .unwrap();
    found
}

fn both_valid(disk: &mut FileDisk) -> bool {
    let table = read(disk);
    [table.primary(), table.backup()].iter().all(|copy| copy.state() == CopyState::Valid)
}

/// `priority`, `tries left` and `successful`, as cgpt's words for them.
type Bits = (u64, u64, u64);

fn set(disk: &mut FileDisk, number: u32, (priority, tries, successful): Bits, scratch: usize) {
    let table = read(disk);
    let bits = Attributes::new(priority << 48 | tries << 52 | successful << 56).slot_bits();
    let edit = Edit { entry: EntryNumber::new(number).unwrap(), bits };
    let done = commit(disk, &table, &[edit], Backup::Required, &mut vec![0; scratch]).unwrap();
    assert_eq!((done.effect, done.repaired, done.warning), (Effect::Written, None, None));
}

fn bits(entry: &Entry) -> Bits {
    let word = entry.attributes.get() >> 48;
    (word & 0xf, word >> 4 & 0xf, word >> 8 & 1)
}

fn nobody_finds_a_problem(path: &Path) {
    sgdisk_finds_no_problem(path);
    let words = tool::run_silent("sfdisk", &["--verify".to_owned(), text(path)]);
    assert!(words.contains("No errors detected"), "sfdisk: {words}");
}

fn sgdisk_finds_no_problem(path: &Path) {
    // Of a damaged copy it says "No problems found" on stdout all the same, and the truth on stderr.
    let words = tool::run_silent("sgdisk", &["-v".to_owned(), text(path)]);
    assert!(words.trim_start().starts_with("No problems found"), "sgdisk: {words}");
}

/// What `sgdisk -i` says of every used entry, without its attribute flags, and the flags.
fn sgdisk_entries(path: &Path) -> BTreeMap<u32, (Vec<String>, u64)> {
    let judge = |number: u32| {
        let words = tool::run("sgdisk", &[format!("-i{number}"), text(path)]);
        let (flags, rest): (Vec<&str>, Vec<&str>) =
            words.lines().partition(|line| line.starts_with("Attribute flags: "));
        let flags = u64::from_str_radix(flags[0].strip_prefix("Attribute flags: ").unwrap(), 16).unwrap();
        (number, (rest.into_iter().map(str::to_owned).collect(), flags))
    };
    [1, 3, 5, 128].map(judge).into_iter().collect()
}

fn cgpt_bits(path: &Path, number: u32) -> Bits {
    let show = |what: &str| {
        let words =
            tool::run("cgpt", &["show".to_owned(), "-i".to_owned(), number.to_string(), what.to_owned(), text(path)]);
        words.trim().parse().unwrap_or_else(|_| panic!("cgpt show {what}: {words}"))
    };
    (show("-P"), show("-T"), show("-S"))
}

#[test]
fn a_table_of_sgdisk_is_read() {
    let (_dir, path) = disk_of_sgdisk();
    let mut disk = open(&path);
    assert!(both_valid(&mut disk));
    let theirs = sgdisk_entries(&path);
    let ours = entries(&mut disk);
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (number, entry) in ours {
        let (words, flags) = &theirs[&number];
        let words = words.join("\n").to_lowercase();
        assert_eq!(entry.attributes.get(), *flags);
        for part in [
            format!("guid code: {}", entry.type_guid),
            format!("unique guid: {}", entry.unique_guid),
            format!("first sector: {} ", entry.extent.first().get()),
            format!("last sector: {} ", entry.extent.last().get()),
            format!("name: '{}'", entry.name),
        ] {
            assert!(words.contains(&part), "{part} is not in\n{words}");
        }
    }
}

#[test]
fn after_our_commits_only_the_slot_bits_are_others() {
    for scratch in [4096, 65_536] {
        for physical in [BlockSize::B512, BlockSize::B4096] {
            let (_dir, path) = disk_of_sgdisk();
            let before = sgdisk_entries(&path);
            let mut disk = open(&path).with_physical_block_size(physical);
            for (number, wanted) in SLOTS.into_iter().zip([(15, 0, 1), (1, 15, 0), (8, 3, 1)]) {
                set(&mut disk, number, wanted, scratch);
                assert_eq!(cgpt_bits(&path, number), wanted);
            }
            nobody_finds_a_problem(&path);
            for (number, (words, flags)) in sgdisk_entries(&path) {
                assert_eq!(words, before[&number].0);
                let ours = if SLOTS.contains(&number) { 0x01ff << 48 } else { 0 };
                assert_eq!(flags & !ours, before[&number].1 & !ours);
            }
        }
    }
}

#[test]
fn bits_that_cgpt_wrote_are_read() {
    let (_dir, path) = disk_of_sgdisk();
    for (number, (priority, tries, successful)) in SLOTS.into_iter().zip([(15, 0, 1), (1, 15, 0), (8, 3, 1)]) {
        let number_text = number.to_string();
        let [priority_text, tries_text, successful_text] = [priority, tries, successful].map(|value| value.to_string());
        let disk = text(&path);
        let arguments =
            ["add", "-i", &number_text, "-P", &priority_text, "-T", &tries_text, "-S", &successful_text, &disk];
        tool::run("cgpt", &arguments);
        let mut disk = open(&path);
        assert!(both_valid(&mut disk));
        let entry = entries(&mut disk)[&number];
        assert_eq!(bits(&entry), (priority, tries, successful));
        assert_eq!(entry.attributes.get() & !(0x01ff << 48), FOREIGN);
        set(&mut disk, number, (2, 2, 0), 4096);
        assert_eq!(cgpt_bits(&path, number), (2, 2, 0));
    }
    nobody_finds_a_problem(&path);
}

/// The oracles are alive: a damaged header or entry of either copy is not "no problem".
#[test]
fn a_damaged_copy_is_a_problem_for_somebody() {
    let (_dir, path) = disk_of_sgdisk();
    let good = fs::read(&path).unwrap();
    let last = BLOCKS.get() - 1;
    for block in [1, 2, last, last - 32] {
        fs::write(&path, &good).unwrap();
        nobody_finds_a_problem(&path);
        damage(&path, block);
        let judge = std::panic::catch_unwind(|| nobody_finds_a_problem(&path));
        assert!(judge.is_err(), "the oracles do not see a damaged block {block}");
    }
}

fn damage(path: &Path, at: u64) {
    let mut disk = open(path);
    let mut block = [0; 512];
    disk.read(Lba::new(at), &mut block).unwrap();
    block[60] ^= 0xff;
    disk.write(Lba::new(at), &block).unwrap();
}

/// Our repair and `cgpt repair` make the same bytes of the same damage: those that were there before.
#[test]
fn our_repair_is_the_one_of_cgpt() {
    let (dir, path) = disk_of_sgdisk();
    let good = fs::read(&path).unwrap();
    let last = BLOCKS.get() - 1;
    for blocks in [&[1][..], &[2], &[1, 2], &[last], &[last - 32], &[last, last - 32]] {
        let theirs = dir.path().join("theirs");
        fs::write(&path, &good).unwrap();
        blocks.iter().for_each(|block| damage(&path, *block));
        fs::copy(&path, &theirs).unwrap();
        let mut disk = open(&path);
        let table = read(&mut disk);
        assert!(repair(&mut disk, &table, Relocate::No, &mut [0; 4096]).unwrap().repaired.is_some());
        tool::run("cgpt", &["repair".to_owned(), text(&theirs)]);
        assert!(fs::read(&theirs).unwrap() == good, "cgpt, blocks {blocks:?}");
        assert!(fs::read(&path).unwrap() == good, "ours, blocks {blocks:?}");
    }
}

/// Nothing that we write gives `cgpt repair` anything to do.
#[test]
fn cgpt_finds_nothing_to_repair_after_us() {
    let (_dir, path) = disk_of_sgdisk();
    let mut disk = open(&path);
    set(&mut disk, 128, (3, 1, 0), 4096);
    set(&mut disk, 3, (4, 0, 1), 65_536);
    let ours = fs::read(&path).unwrap();
    tool::run("cgpt", &["repair".to_owned(), text(&path)]);
    assert!(fs::read(&path).unwrap() == ours);
}

#[test]
fn a_relocated_backup_satisfies_everybody() {
    let (_dir, path) = disk_of_sgdisk();
    let before = sgdisk_entries(&path);
    OpenOptions::new().write(true).open(&path).unwrap().set_len(48 << 20).unwrap();
    let mut disk = open(&path);
    assert!(both_valid(&mut disk));
    let table = read(&mut disk);
    let done = repair(&mut disk, &table, Relocate::Yes, &mut [0; 4096]).unwrap();
    assert_eq!(done.backup, BackupPlace::MovedFrom(Lba::new(BLOCKS.get() - 1)));
    sgdisk_finds_no_problem(&path);
    let complaint = tool::output("sfdisk", &["--verify".to_owned(), text(&path)]).stderr;
    let complaint = String::from_utf8_lossy(&complaint).into_owned();
    let of_the_mbr = "GPT PMBR size mismatch (65535 != 98303) will be corrected by write.";
    assert_eq!(complaint.trim(), of_the_mbr, "block 0 is not ours to write");
    assert_eq!(sgdisk_entries(&path), before);
    let ours = fs::read(&path).unwrap();
    tool::run("cgpt", &["repair".to_owned(), text(&path)]);
    assert!(fs::read(&path).unwrap() == ours);
}

/// An `IGNOREME` that `cgpt legacy -p` wrote.
#[test]
fn a_primary_that_cgpt_ignores_is_never_written() {
    let (_dir, path) = disk_of_sgdisk();
    tool::run("cgpt", &["legacy".to_owned(), "-p".to_owned(), text(&path)]);
    let before = fs::read(&path).unwrap();
    let mut disk = open(&path);
    assert_eq!(read(&mut disk).primary().state(), CopyState::Ignored);
    set(&mut disk, 3, (3, 2, 0), 4096);
    let after = fs::read(&path).unwrap();
    assert!(after[..34 * 512] == before[..34 * 512]);
    assert_eq!(cgpt_bits(&path, 3), (3, 2, 0));
}

/// A table of the `gpt` crate in memory: disk bytes with two slots.
fn table_of_gpt_crate(size: LogicalBlockSize) -> Vec<u8> {
    let device = Cursor::new(vec![0_u8; 32 << 20]);
    let mut disk =
        gpt::GptConfig::new().writable(true).logical_block_size(size).create_from_device(device, None).unwrap();
    let kind = || gpt::partition_types::Type {
        guid: KERNEL_TYPE.parse().unwrap(),
        os: gpt::partition_types::OperatingSystem::Custom("slot".to_owned()),
    };
    disk.add_partition("root-a", 4 << 20, kind(), FOREIGN, None).unwrap();
    disk.add_partition("root-b", 4 << 20, kind(), FOREIGN, None).unwrap();
    let mut bytes = disk.write().unwrap().into_inner();
    let lba_size = usize::try_from(size.as_u64()).unwrap();
    let mbr = gpt::mbr::ProtectiveMBR::with_lb_size(u32::try_from(bytes.len() / lba_size).unwrap() - 1).to_bytes();
    bytes[..512].copy_from_slice(&mbr);
    bytes
}

const SIZES: [(BlockSize, LogicalBlockSize); 2] =
    [(BlockSize::B512, LogicalBlockSize::Lb512), (BlockSize::B4096, LogicalBlockSize::Lb4096)];

fn attributes_by_gpt_crate(path: &Path, size: LogicalBlockSize) -> Vec<(u32, String, u64)> {
    let config = gpt::GptConfig::new().logical_block_size(size).only_valid_headers(true);
    let disk = config.open(path).unwrap();
    disk.partitions().iter().map(|(number, part)| (*number, part.name.clone(), part.flags)).collect()
}

fn attributes_by_gptman(path: &Path, size: LogicalBlockSize) -> Vec<(u32, String, u64)> {
    let table = gptman::GPT::read_from(&mut File::open(path).unwrap(), size.as_u64()).unwrap();
    let used = table.iter().filter(|(_, entry)| entry.is_used());
    used.map(|(number, entry)| (number, entry.partition_name.as_str().to_owned(), entry.attribute_bits)).collect()
}

#[test]
fn tables_of_the_gpt_crate_are_read_and_changed_at_both_block_sizes() {
    for (size, theirs) in SIZES {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        fs::write(&path, table_of_gpt_crate(theirs)).unwrap();
        let mut disk = FileDisk::open(&path, size).unwrap();
        assert!(both_valid(&mut disk));
        set(&mut disk, 2, (9, 4, 0), 4096);
        let wanted = [(1, "root-a".to_owned(), FOREIGN), (2, "root-b".to_owned(), FOREIGN | 0x0049 << 48)];
        assert_eq!(attributes_by_gpt_crate(&path, theirs), wanted);
        assert_eq!(attributes_by_gptman(&path, theirs), wanted);
        // And from the backup alone.
        disk.write(Lba::new(1), &vec![0; size.bytes()]).unwrap();
        assert_eq!(attributes_by_gptman(&path, theirs), wanted);
    }
}

/// How `provision` makes a table: the crate computes it in memory, our writer puts it on the disk.
#[test]
fn a_table_that_we_create_satisfies_everybody() {
    for (size, theirs) in SIZES {
        let made = table_of_gpt_crate(theirs);
        let block = size.bytes();
        let header = &made[block..block + 92];
        let field = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().unwrap());
        let fresh = FreshTable {
            protective_mbr: made[..512].try_into().unwrap(),
            disk_guid: Guid::new(header[56..72].try_into().unwrap()),
            first_usable: Lba::new(field(40)),
            last_usable: Lba::new(field(48)),
            entries: &made[2 * block..2 * block + 128 * 128],
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        let blocks = BlockCount::new(u64::try_from(made.len() / block).unwrap());
        let mut disk = FileDisk::create(&path, size, blocks).unwrap();
        create(&mut disk, &fresh, &mut [0; 4096]).unwrap();
        assert!(both_valid(&mut disk));
        assert_eq!(attributes_by_gpt_crate(&path, theirs).len(), 2);
        assert_eq!(attributes_by_gptman(&path, theirs), attributes_by_gpt_crate(&path, theirs));
        assert!(fs::read(&path).unwrap() == made, "the crate's own writer makes the same bytes");
        if size == BlockSize::B512 {
            nobody_finds_a_problem(&path);
            assert_eq!(cgpt_bits(&path, 1), (0, 0, 0));
        }
    }
}

#[test]
fn the_block_size_of_foreign_tables_is_found() {
    for (size, theirs) in SIZES {
        let bytes = table_of_gpt_crate(theirs);
        let ends = DiskEnds {
            head: &bytes[..PROBE_BYTES],
            tail: &bytes[bytes.len() - PROBE_BYTES..],
            len: ByteLen::new(u64::try_from(bytes.len()).unwrap()),
        };
        assert_eq!(detect_block_size(ends), Ok(Some(size)));
    }
}
