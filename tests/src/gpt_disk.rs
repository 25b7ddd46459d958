//! A disk with a partition table whose every byte a test may change: the conformance catalogue's fixture.
//!
//! Made by [`GptMaker`], from the specification. Bytes that no field covers are not zero, so that a lost one is seen.

use libupdate::gpt::write::{self, Backup, Edit, Outcome};
use libupdate::gpt::{EntryNumber, Guid, SlotBits};
use libupdate::slot::{Duty, PartitionSpec, SlotFinder, SlotTable};
use libupdate::{BlockCount, BlockIo, BlockSize, Error, SlotId, gpt};

use crate::gpt_maker::{GptMaker, Partition};
use crate::medium::{Medium, Sector};
use crate::sim_disk::{Event, SimDisk};

/// ChromeOS kernel, the only type whose bits `cgpt` prints and orders, in disk order.
pub const KERNEL_TYPE: [u8; 16] =
    [0x5d, 0x2a, 0x3a, 0xfe, 0x32, 0x4f, 0xa7, 0x41, 0xb7, 0x25, 0xac, 0xcc, 0x32, 0x85, 0xa3, 0x09];
/// Entries that are slots a, b and c; 1 and 8 are others'.
pub const SLOTS: [u32; 3] = [3, 4, 7];
/// Foreign attribute bits of every slot's entry.
pub const FOREIGN: u64 = 0xfe00_0000_0000_0005;

/// Priority, tries left, successful.
pub type Bits = (u8, u8, u8);

/// The bytes of a disk.
#[derive(Clone, Debug)]
pub struct GptDisk {
    /// All of it.
    pub bytes: Vec<u8>,
    block_size: BlockSize,
    physical: BlockSize,
}

/// Where a table of 128 entries stands on a disk of this many blocks, as most tools lay it out.
#[must_use]
pub fn usual(block_size: BlockSize, blocks: u64, partitions: Vec<Partition>) -> GptMaker {
    let array = block_size.blocks_for(128 * 128);
    GptMaker {
        block_size,
        disk_guid: vec![0xd1; 16],
        primary_entries: 2,
        first_usable: 2 + array,
        last_usable: blocks - 2 - array,
        backup_entries: blocks - 1 - array,
        blocks,
        partitions,
    }
}

/// A partition of one of the slots.
#[must_use]
pub fn slot_partition(slot: usize, first: u64, bits: Bits) -> Partition {
    let name = ["slot-a", "slot-b", "slot-c"][slot];
    let mut partition = Partition::new(SLOTS[slot], name, KERNEL_TYPE, first, 4);
    partition.attributes = FOREIGN | word(bits);
    partition
}

/// The bits, where they stand in the attribute word.
#[must_use]
pub fn word((priority, tries, successful): Bits) -> u64 {
    (u64::from(priority) | u64::from(tries) << 4 | u64::from(successful) << 8) << 48
}

/// The bits, as the core has them.
#[must_use]
pub fn slot_bits(bits: Bits) -> SlotBits {
    gpt::Attributes::new(word(bits)).slot_bits()
}

/// The bits of an attribute word.
#[must_use]
pub fn bits_of(attributes: u64) -> Bits {
    let [low, high, ..] = (attributes >> 48).to_le_bytes();
    (low & 0xf, low >> 4, high & 1)
}

/// The entry of a slot.
///
/// # Panics
/// Never: slots have numbers from 1.
#[must_use]
pub fn entry_number(slot: usize) -> EntryNumber {
    EntryNumber::new(SLOTS[slot]).expect("a number from 1")
}

/// What a profile says of the three slots.
#[must_use]
pub fn specs() -> Vec<PartitionSpec<'static>> {
    let spec = |(slot, label)| PartitionSpec {
        slot: SlotId::from_index(slot).expect("three slots"),
        role: "root",
        label,
        type_guid: Guid::new(KERNEL_TYPE),
        duty: Duty::Control,
    };
    ["slot-a", "slot-b", "slot-c"].into_iter().enumerate().map(spec).collect()
}

impl GptDisk {
    /// The disk of this table.
    #[must_use]
    pub fn new(maker: &GptMaker, physical: BlockSize) -> Self {
        let size = maker.block_size.bytes();
        let mut bytes = vec![0xb0; usize::try_from(maker.blocks).unwrap_or_default() * size];
        for (lba, sector) in maker.sectors() {
            let at = usize::try_from(lba).unwrap_or_default() * size;
            bytes[at..at + size].copy_from_slice(sector.bytes().unwrap_or_default());
        }
        let mut disk = Self { bytes, block_size: maker.block_size, physical };
        for header in [1, disk.last()] {
            disk.block(header)[92..].fill(0x7a);
        }
        disk
    }

    /// A disk that holds these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>, block_size: BlockSize) -> Self {
        Self { bytes, block_size, physical: block_size }
    }

    /// vboot's test disk, 517 blocks of 512 bytes, or 64 of 4096, with three slots between two other partitions.
    #[must_use]
    pub fn with_slots(block_size: BlockSize, bits: [Bits; 3]) -> Self {
        let blocks = if block_size == BlockSize::B512 { 517 } else { 64 };
        let mut maker = usual(block_size, blocks, vec![]);
        let first = maker.first_usable;
        maker.partitions.push(Partition::new(1, "esp", [0xc1; 16], first, 2));
        // Not in the order of their places.
        for (slot, at) in [(0, 8), (1, 4), (2, 16)] {
            maker.partitions.push(slot_partition(slot, first + at, bits[slot]));
        }
        maker.partitions.push(Partition::new(8, "data", [0xda; 16], first + 24, 8));
        Self::new(&maker, block_size)
    }

    /// The same on a drive that writes this much at once.
    #[must_use]
    pub fn with_physical(self, physical: BlockSize) -> Self {
        Self { physical, ..self }
    }

    /// Address of the last block: the backup's header.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.blocks() - 1
    }

    fn blocks(&self) -> u64 {
        u64::try_from(self.bytes.len() / self.block_size.bytes()).unwrap_or_default()
    }

    /// Makes the disk longer by blocks of zeros.
    pub fn grow(&mut self, blocks: usize) {
        self.bytes.resize(self.bytes.len() + blocks * self.block_size.bytes(), 0);
    }

    /// The bytes of a block.
    pub fn block(&mut self, lba: u64) -> &mut [u8] {
        let size = self.block_size.bytes();
        let at = usize::try_from(lba).unwrap_or_default() * size;
        &mut self.bytes[at..at + size]
    }

    /// First block of the entries of the copy whose header stands at `header`.
    pub fn entries_lba(&mut self, header: u64) -> u64 {
        u64::from_le_bytes(self.block(header)[72..80].try_into().unwrap_or_default())
    }

    /// The bytes of an entry of the copy whose header stands at `header`.
    pub fn entry(&mut self, header: u64, number: u32) -> &mut [u8] {
        let start = usize::try_from(self.entries_lba(header)).unwrap_or_default() * self.block_size.bytes();
        let at = start + (usize::try_from(number).unwrap_or_default() - 1) * 128;
        &mut self.bytes[at..at + 128]
    }

    /// Writes a field of a header and renews the header's checksum.
    pub fn set(&mut self, header: u64, at: usize, field: &[u8]) {
        self.block(header)[at..at + field.len()].copy_from_slice(field);
        self.seal(header);
    }

    /// Renews a header's checksum, over as many bytes as its size field says.
    pub fn seal(&mut self, header: u64) {
        let block = self.block(header);
        let size = u32::from_le_bytes(block[12..16].try_into().unwrap_or_default());
        let size = usize::try_from(size).unwrap_or_default().min(block.len());
        block[16..20].fill(0);
        let crc = crc32fast::hash(&block[..size]);
        block[16..20].copy_from_slice(&crc.to_le_bytes());
    }

    /// Renews the checksum of a copy's entries, and its header's.
    pub fn seal_entries(&mut self, header: u64) {
        let start = usize::try_from(self.entries_lba(header)).unwrap_or_default() * self.block_size.bytes();
        let count = u32::from_le_bytes(self.block(header)[80..84].try_into().unwrap_or_default());
        let crc = crc32fast::hash(&self.bytes[start..start + usize::try_from(count).unwrap_or_default() * 128]);
        self.set(header, 88, &crc.to_le_bytes());
    }

    /// The same entry in both copies, with their checksums.
    pub fn change_entry(&mut self, number: u32, change: impl Fn(&mut [u8])) {
        for header in [1, self.last()] {
            change(self.entry(header, number));
            self.seal_entries(header);
        }
    }

    /// The bytes, as a medium.
    #[must_use]
    pub fn medium(&self) -> Medium {
        let blank = Medium::blank([self.block_size, self.physical], BlockCount::new(self.blocks()), vec![]);
        blank.with((0..).zip(self.bytes.chunks(self.block_size.bytes()).map(Sector::new)).collect()).flattened()
    }

    /// A disk that holds the bytes.
    #[must_use]
    pub fn disk(&self) -> SimDisk {
        SimDisk::new(self.medium())
    }
}

/// All bytes of a medium. A lost sector reads as bytes that no table has.
#[must_use]
pub fn bytes_of(medium: &Medium) -> Vec<u8> {
    let lost = vec![0xee; medium.block_size().bytes()];
    let mut bytes = Vec::new();
    for lba in 0..medium.blocks().get() {
        bytes.extend_from_slice(medium.sector(lba).and_then(Sector::bytes).unwrap_or(&lost));
    }
    bytes
}

/// What is written and flushed, as first block and number of blocks; a flush is `(0, 0)`.
#[must_use]
pub fn writes(log: &[Event]) -> Vec<(u64, usize)> {
    let short = |event: &Event| match event {
        Event::Write(first, sectors) => (*first, sectors.len()),
        Event::Flush | Event::FailedFlush => (0, 0),
    };
    log.iter().map(short).collect()
}

/// The slots of a disk, found as a device finds them.
///
/// # Panics
/// Where there is no table or a slot is missing.
pub fn slot_table<'p>(disk: &mut SimDisk, specs: &'p [PartitionSpec<'p>]) -> SlotTable<'p> {
    let table = gpt::Table::read(disk, &mut [0; 4096]).expect("a table");
    let mut finder = SlotFinder::new(specs);
    table.entries(disk, &mut [0; 4096], |entry| finder.see(entry)).expect("its entries");
    finder.finish().expect("every slot")
}

/// The bits of the three slots.
pub fn slots_of(disk: &mut SimDisk) -> [Bits; 3] {
    let specs = specs();
    let table = slot_table(disk, &specs);
    [0, 1, 2].map(|slot| bits_of(table.slots()[slot].attributes.get()))
}

/// One commit of these bits, from the table as it is.
///
/// # Errors
/// The commit's.
pub fn set_bits<D: BlockIo>(disk: &mut D, bits: &[(usize, Bits)]) -> Result<Outcome, Error<D::Error>> {
    let table = gpt::Table::read(disk, &mut [0; 4096])?;
    let edit = |(slot, bits): &(usize, Bits)| Edit { entry: entry_number(*slot), bits: slot_bits(*bits) };
    write::commit(disk, &table, &bits.iter().map(edit).collect::<Vec<_>>(), Backup::Required, &mut [0; 4096])
}
