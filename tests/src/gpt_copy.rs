//! One copy of a partition table as bytes, to be broken in one field, with the checksums made right again.
//!
//! ```text
//!  header   0 "EFI PART" | 8 revision | 12 size | 16 CRC | 20 zero | 24 my LBA | 32 alternate LBA | 40 first, 48 last usable
//!          56 GUID | 72 entries LBA | 80 count | 84 entry size | 88 CRC of the entries
//!  entry    0 type | 16 GUID | 32 first LBA | 40 last LBA | 48 attributes | 56 name
//! ```

use libupdate::BlockSize;

use crate::device::Device;

/// Bytes of an entry.
pub const ENTRY: usize = 128;

/// A copy that was read from a device.
#[derive(Clone, Debug)]
pub struct GptCopy {
    /// Bytes of its header.
    pub header: Vec<u8>,
    /// Bytes of its entries.
    pub entries: Vec<u8>,
    block: u64,
    at: u64,
    entries_at: u64,
}

/// Which copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// The one at the start of the disk.
    Primary,
    /// The one at its end.
    Backup,
}

impl GptCopy {
    /// Reads a copy that is good.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    pub fn read(device: &Device, which: Which) -> Self {
        let block = device.sectors().bytes_u64();
        let len = u64::try_from(device.bytes().len()).expect("a length fits 64 bits");
        let at = if which == Which::Primary { block } else { len - block };
        let header = device.range(at, 92);
        assert!(header.starts_with(b"EFI PART"), "no header of the {which:?} copy");
        let field = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes"));
        let entries_at = field(72) * block;
        let entries = device.range(entries_at, 128 * 128);
        Self { header, entries, block, at, entries_at }
    }

    /// Overwrites a field of the header.
    #[must_use]
    pub fn with(mut self, at: usize, field: &[u8]) -> Self {
        self.header[at..at + field.len()].copy_from_slice(field);
        self
    }

    /// Overwrites a field of an entry; entries count from 1.
    #[must_use]
    pub fn with_entry(mut self, number: usize, at: usize, field: &[u8]) -> Self {
        let at = (number - 1) * ENTRY + at;
        self.entries[at..at + field.len()].copy_from_slice(field);
        self
    }

    /// A field of eight bytes of an entry.
    ///
    /// # Panics
    /// Where the entry is not in the table.
    #[must_use]
    pub fn entry_field(&self, number: usize, at: usize) -> u64 {
        let at = (number - 1) * ENTRY + at;
        u64::from_le_bytes(self.entries[at..at + 8].try_into().expect("eight bytes"))
    }

    /// The same with both checksums right.
    #[must_use]
    pub fn summed(self) -> Self {
        let sum = crc32fast::hash(&self.entries);
        self.with(88, &sum.to_le_bytes()).header_summed()
    }

    /// The same with the header's checksum right.
    #[must_use]
    pub fn header_summed(self) -> Self {
        let bare = self.with(16, &[0; 4]);
        let sum = crc32fast::hash(&bare.header);
        bare.with(16, &sum.to_le_bytes())
    }

    /// Writes it where it was read.
    pub fn write(&self, device: &Device) {
        device.put(self.entries_at, &self.entries);
        device.put(self.at, &self.header);
    }

    /// The header of the same table for sectors of another size, checksum and all: what a disk image that was written twice looks like.
    #[must_use]
    pub fn header_for(&self, sectors: BlockSize, disk: u64) -> Vec<u8> {
        let block = sectors.bytes_u64();
        let last = disk / block - 1;
        let fields = [(24, 1), (32, last), (40, 2048), (48, last - 64), (72, 64)];
        let at = |copy: Self, (at, value): (usize, u64)| copy.with(at, &value.to_le_bytes());
        fields.into_iter().fold(self.clone(), at).header_summed().header
    }

    /// Bytes of a block.
    #[must_use]
    pub const fn block(&self) -> u64 {
        self.block
    }
}
