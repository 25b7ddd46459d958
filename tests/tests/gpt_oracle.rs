//! The partition table against foreign implementations: `sgdisk`, `sfdisk`, `cgpt`, the `gpt` and `gptman` crates.

use std::path::{Path, PathBuf};

use libupdate::gpt::{CopyState, Entry, Table};
use libupdate::{BlockCount, BlockSize};
use tests::file_disk::FileDisk;
use tests::tool;

const MIB_32: BlockCount = BlockCount::new(65_536);

fn disk_of_sgdisk(dir: &Path) -> PathBuf {
    let path = dir.join("disk");
    FileDisk::create(&path, BlockSize::B512, MIB_32).unwrap();
    let arguments =
        ["-n", "1:2048:4095", "-c", "1:esp", "-n", "3:8192:+2M", "-c", "3:root-a", "-n", "5:0:+2M", "-c", "5:root-b"];
    tool::run("sgdisk", &[&arguments[..], &[path.to_str().unwrap()]].concat());
    path
}

fn entries(disk: &mut FileDisk, table: &Table) -> Vec<Entry> {
    let mut found = Vec::new();
    table.entries(disk, &mut [0; 4096], |entry| found.push(*entry)).unwrap();
    found
}

#[test]
fn a_table_of_sgdisk_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = disk_of_sgdisk(dir.path());
    let mut disk = FileDisk::open(&path, BlockSize::B512).unwrap();
    let table = Table::read(&mut disk, &mut [0; 4096]).unwrap();
    assert_eq!((table.primary().state(), table.backup().state()), (CopyState::Valid, CopyState::Valid));
    let found = entries(&mut disk, &table);
    let numbers: Vec<u32> = found.iter().map(|entry| entry.number.get()).collect();
    assert_eq!(numbers, [1, 3, 5]);
    assert!(found[1].name.eq_str("root-a"));
}
