// The partition table of a disk in memory, which a device has from its factory. Also included by the documentation of lib.rs.

use libupdate::gpt::write::{self, FreshTable};
use libupdate::gpt::{Attributes, Guid, Priority, SlotBits, Successful, TriesLeft};
use libupdate::io::OutsideSlice;
use libupdate::slot::PartitionSpec;
use libupdate::{BlockSize, Error, Lba, SliceDisk, guid};

/// Bytes of the disk: 2048 blocks of 512.
pub const DISK_BYTES: usize = 1 << 20;
const FIRST_USABLE: Lba = Lba::new(34);
const LAST_USABLE: Lba = Lba::new(2048 - 34);
/// Blocks of a partition, and where the first one is.
const PARTITION_BLOCKS: u64 = 512;
const FIRST_LBA: u64 = 40;

/// Bits of a slot that has proved itself, and of a newer one with one try.
pub const GOOD: SlotBits = bits(1, TriesLeft::ZERO, Successful::Yes);
pub const TRIAL: SlotBits = bits(2, TriesLeft::ONE, Successful::No);

const fn bits(priority: u8, tries_left: TriesLeft, successful: Successful) -> SlotBits {
    let priority = match Priority::new(priority) {
        Some(priority) => priority,
        None => Priority::MAX,
    };
    SlotBits { priority, tries_left, successful }
}

/// The array of a table with these partitions, one after the other, and the slot bits of each.
pub fn entries(partitions: &[(PartitionSpec<'_>, SlotBits)]) -> Vec<u8> {
    let mut array = vec![0; 128 * 128];
    for ((at, (partition, bits)), entry) in (0_u8..).zip(partitions).zip(array.chunks_mut(128)) {
        let first = FIRST_LBA + u64::from(at) * PARTITION_BLOCKS;
        let name = partition.label.encode_utf16().flat_map(u16::to_le_bytes);
        let fields = [
            partition.type_guid.as_bytes().to_vec(),
            vec![at + 1; 16],
            first.to_le_bytes().to_vec(),
            (first + PARTITION_BLOCKS - 1).to_le_bytes().to_vec(),
            Attributes::new(0).with_slot_bits(*bits).get().to_le_bytes().to_vec(),
            name.collect(),
        ];
        let fields = fields.concat();
        entry[..fields.len()].copy_from_slice(&fields);
    }
    array
}

/// The table with this array.
pub fn fresh(entries: &[u8]) -> FreshTable<'_> {
    const DISK: Guid = guid!("6c0ffee0-ab1e-4d15-8a11-0123456789ab");
    // One partition of type 0xee over the whole disk, and the signature (UEFI 2.10, section 5.2.3).
    const MBR: &[u8; 512] = &{
        let mut block = [0; 512];
        block[450] = 0xee;
        block[454] = 1;
        (block[458], block[459], block[460], block[461]) = (0xff, 0xff, 0xff, 0xff);
        (block[510], block[511]) = (0x55, 0xaa);
        block
    };
    FreshTable { protective_mbr: MBR, disk_guid: DISK, first_usable: FIRST_USABLE, last_usable: LAST_USABLE, entries }
}

/// A disk with such a table.
pub fn disk(partitions: &[(PartitionSpec<'_>, SlotBits)]) -> Result<Vec<u8>, Error<OutsideSlice>> {
    let mut memory = vec![0; DISK_BYTES];
    let mut disk = SliceDisk::new(&mut memory, BlockSize::B512);
    write::create(&mut disk, &fresh(&entries(partitions)), &mut [0; 4096])?;
    Ok(memory)
}
