//! Partition tables written from the specification (UEFI 2.10, section 5.3), not with the code under test.

use libupdate::BlockSize;

use crate::medium::{Sector, Sectors};

const ENTRIES: usize = 128;
const ENTRY_BYTES: usize = 128;

/// One used entry.
#[derive(Clone, Debug)]
pub struct Partition {
    /// Number from 1.
    pub number: u32,
    /// Its name.
    pub label: String,
    /// Its type, in disk order.
    pub type_guid: [u8; 16],
    /// First sector.
    pub first: u64,
    /// Last sector.
    pub last: u64,
    /// The attribute word.
    pub attributes: u64,
}

impl Partition {
    /// A partition of `blocks` sectors, without attributes.
    #[must_use]
    pub fn new(number: u32, label: &str, type_guid: [u8; 16], first: u64, blocks: u64) -> Self {
        Self { number, label: label.to_owned(), type_guid, first, last: first + blocks - 1, attributes: 0 }
    }

    fn raw(&self) -> [u8; ENTRY_BYTES] {
        let mut raw = [0; ENTRY_BYTES];
        raw[..16].copy_from_slice(&self.type_guid);
        raw[16..32].fill(0x20);
        raw[16..20].copy_from_slice(&self.number.to_le_bytes());
        raw[32..40].copy_from_slice(&self.first.to_le_bytes());
        raw[40..48].copy_from_slice(&self.last.to_le_bytes());
        raw[48..56].copy_from_slice(&self.attributes.to_le_bytes());
        for (to, unit) in raw[56..].chunks_mut(2).zip(self.label.encode_utf16()) {
            to.copy_from_slice(&unit.to_le_bytes());
        }
        raw
    }
}

/// A table and where its parts stand.
#[derive(Clone, Debug)]
pub struct GptMaker {
    /// Sectors of the disk.
    pub block_size: BlockSize,
    /// 16 bytes.
    pub disk_guid: Vec<u8>,
    /// Where the primary's entries begin.
    pub primary_entries: u64,
    /// First sector for partitions.
    pub first_usable: u64,
    /// Last sector for partitions.
    pub last_usable: u64,
    /// Where the backup's entries begin.
    pub backup_entries: u64,
    /// Sectors of the disk; the backup's header is the last one.
    pub blocks: u64,
    /// What is on it.
    pub partitions: Vec<Partition>,
}

impl GptMaker {
    /// Every sector of both copies and the protective MBR.
    #[must_use]
    pub fn sectors(&self) -> Sectors {
        let (size, array) = (self.block_size.bytes(), self.array());
        let mut sectors = Sectors::default();
        sectors.insert(0, Sector::new(&self.protective_mbr()));
        let last = self.blocks - 1;
        for (header, other, entries) in [(1, last, self.primary_entries), (last, 1, self.backup_entries)] {
            sectors.extend((entries..).zip(array.chunks(size).map(Sector::new)));
            sectors.insert(header, Sector::new(&self.header(header, other, entries, crc32fast::hash(&array))));
        }
        sectors
    }

    /// The entries as they stand in either copy.
    #[must_use]
    pub fn array(&self) -> Vec<u8> {
        let mut array = vec![0; ENTRIES * ENTRY_BYTES];
        for partition in &self.partitions {
            let at = (usize::try_from(partition.number).unwrap_or_default() - 1) * ENTRY_BYTES;
            array[at..at + ENTRY_BYTES].copy_from_slice(&partition.raw());
        }
        array
    }

    /// The first 512 bytes of block 0, in a whole block.
    #[must_use]
    pub fn protective_mbr(&self) -> Vec<u8> {
        let mut block = vec![0; self.block_size.bytes()];
        block[446..462].copy_from_slice(&[0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        block[510..512].copy_from_slice(&[0x55, 0xaa]);
        block
    }

    fn header(&self, my_lba: u64, other: u64, entries: u64, crc: u32) -> Vec<u8> {
        let mut raw = vec![0; self.block_size.bytes()];
        raw[..16].copy_from_slice(b"EFI PART\x00\x00\x01\x00\x5c\x00\x00\x00");
        for (at, field) in [(24, my_lba), (32, other), (40, self.first_usable), (48, self.last_usable), (72, entries)] {
            raw[at..at + 8].copy_from_slice(&field.to_le_bytes());
        }
        raw[56..72].copy_from_slice(&self.disk_guid);
        raw[80..84].copy_from_slice(&128_u32.to_le_bytes());
        raw[84..88].copy_from_slice(&128_u32.to_le_bytes());
        raw[88..92].copy_from_slice(&crc.to_le_bytes());
        let crc = crc32fast::hash(&raw[..92]);
        raw[16..20].copy_from_slice(&crc.to_le_bytes());
        raw
    }
}
