//! Partition tables for the tests, written from the layout in the specification and not with the code under test.

use std::vec::Vec;

use crate::io::BlockIo as _;
use crate::io::ram_disk::RamDisk;
use crate::units::block::{BlockSize, Lba};
use crate::units::crc::crc32;

/// A type GUID, in disk order.
pub const SLOT_TYPE: [u8; 16] = [0x11; 16];

/// Where everything of a table is.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    pub size: BlockSize,
    pub blocks: u64,
    pub count: u32,
    pub primary_entries: u64,
    pub first_usable: u64,
    pub last_usable: u64,
    pub backup_entries: u64,
    pub backup: u64,
}

impl Layout {
    /// As most tools lay it out: entries right after LBA 1, backup in the last block.
    pub fn usual(size: BlockSize, blocks: u64, count: u32) -> Self {
        let array = size.blocks_for(u64::from(count) * 128);
        let backup = blocks - 1;
        Self {
            size,
            blocks,
            count,
            primary_entries: 2,
            first_usable: 2 + array,
            last_usable: backup - array - 1,
            backup_entries: backup - array,
            backup,
        }
    }

    /// vboot's test disk: 517 blocks of 512 bytes, 128 entries.
    pub fn vboot() -> Self {
        Self::usual(BlockSize::B512, 517, 128)
    }

    pub fn entries_lba(&self, header: u64) -> u64 {
        if header == 1 { self.primary_entries } else { self.backup_entries }
    }
}

/// A used entry: number from 1, first and last LBA, attribute word.
#[derive(Clone, Copy, Debug)]
pub struct Used(pub u32, pub u64, pub u64, pub u64);

/// A disk with this table in both copies. Bytes that no field covers are not zero, so that a lost one is seen.
pub fn disk(layout: Layout, used: &[Used]) -> RamDisk {
    let mut disk = RamDisk::new(layout.size, usize::try_from(layout.blocks).unwrap());
    disk.bytes[..layout.size.bytes()].fill(0xb0);
    for (header, other) in [(1, layout.backup), (layout.backup, 1)] {
        write_entries(&mut disk, layout, layout.entries_lba(header), used);
        let start = usize::try_from(header).unwrap() * layout.size.bytes();
        let block = &mut disk.bytes[start..start + layout.size.bytes()];
        block[92..].fill(0x7a);
        block[..92].copy_from_slice(&raw_header(layout, header, other));
        seal_entries(&mut disk, header);
    }
    disk
}

fn write_entries(disk: &mut RamDisk, layout: Layout, at: u64, used: &[Used]) {
    let start = usize::try_from(at).unwrap() * layout.size.bytes();
    for Used(number, first, last, attributes) in used {
        let at = start + (usize::try_from(*number).unwrap() - 1) * 128;
        let raw = &mut disk.bytes[at..at + 128];
        raw[..16].copy_from_slice(&SLOT_TYPE);
        raw[16..32].fill(0x20);
        raw[16..20].copy_from_slice(&number.to_le_bytes());
        raw[32..40].copy_from_slice(&first.to_le_bytes());
        raw[40..48].copy_from_slice(&last.to_le_bytes());
        raw[48..56].copy_from_slice(&attributes.to_le_bytes());
        let name: Vec<u8> = "slot".encode_utf16().flat_map(u16::to_le_bytes).collect();
        raw[56..56 + name.len()].copy_from_slice(&name);
    }
}

/// The 92 bytes without their checksums.
fn raw_header(layout: Layout, my_lba: u64, other: u64) -> [u8; 92] {
    let mut raw = [0; 92];
    raw[..8].copy_from_slice(b"EFI PART");
    raw[8..12].copy_from_slice(&[0, 0, 1, 0]);
    raw[12..16].copy_from_slice(&92_u32.to_le_bytes());
    raw[24..32].copy_from_slice(&my_lba.to_le_bytes());
    raw[32..40].copy_from_slice(&other.to_le_bytes());
    raw[40..48].copy_from_slice(&layout.first_usable.to_le_bytes());
    raw[48..56].copy_from_slice(&layout.last_usable.to_le_bytes());
    raw[56..72].fill(0xd1);
    raw[72..80].copy_from_slice(&layout.entries_lba(my_lba).to_le_bytes());
    raw[80..84].copy_from_slice(&layout.count.to_le_bytes());
    raw[84..88].copy_from_slice(&128_u32.to_le_bytes());
    raw
}

/// The block at `lba`.
pub fn block(disk: &mut RamDisk, lba: u64) -> &mut [u8] {
    let size = disk.block_size().bytes();
    let start = usize::try_from(lba).unwrap() * size;
    &mut disk.bytes[start..start + size]
}

/// Writes `field` into the header at `lba` and renews the header's checksum.
pub fn set(disk: &mut RamDisk, lba: u64, at: usize, field: &[u8]) {
    block(disk, lba)[at..at + field.len()].copy_from_slice(field);
    seal(block(disk, lba));
}

/// Renews a header's checksum.
pub fn seal(block: &mut [u8]) {
    let size = usize::try_from(u32::from_le_bytes(block[12..16].try_into().unwrap())).unwrap().min(block.len());
    block[16..20].fill(0);
    let crc = crc32(&block[..size]);
    block[16..20].copy_from_slice(&crc.to_le_bytes());
}

/// Renews the entries' checksum in the header at `lba`, and the header's.
pub fn seal_entries(disk: &mut RamDisk, lba: u64) {
    let header = block(disk, lba);
    let entries = u64::from_le_bytes(header[72..80].try_into().unwrap());
    let count = u32::from_le_bytes(header[80..84].try_into().unwrap());
    let start = usize::try_from(entries).unwrap() * disk.block_size().bytes();
    let crc = crc32(&disk.bytes[start..start + usize::try_from(count).unwrap() * 128]);
    set(disk, lba, 88, &crc.to_le_bytes());
}

/// The bytes of entry `number` of the copy whose header is at `lba`.
pub fn entry(disk: &mut RamDisk, lba: u64, number: u32) -> &mut [u8] {
    let entries = u64::from_le_bytes(block(disk, lba)[72..80].try_into().unwrap());
    let start = usize::try_from(entries).unwrap() * disk.block_size().bytes();
    let at = start + (usize::try_from(number).unwrap() - 1) * 128;
    &mut disk.bytes[at..at + 128]
}

/// Two slots and an unrelated partition, with a gap in the numbers and foreign bits everywhere.
pub fn two_slots(layout: Layout) -> RamDisk {
    let first = layout.first_usable;
    let foreign = 0xfe00_0000_0000_0005;
    disk(
        layout,
        &[
            Used(1, first, first, 0x8000_0000_0000_0001),
            Used(3, first + 1, first + 2, foreign | 0x0112 << 48),
            Used(4, first + 3, first + 4, foreign),
        ],
    )
}

/// The address of a block.
pub fn lba(at: u64) -> Lba {
    Lba::new(at)
}
