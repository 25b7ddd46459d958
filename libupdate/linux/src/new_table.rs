//! The partition table of a new disk, built in memory by the `gpt` crate from the profile. The core writes it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};

use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::partition_types::{OperatingSystem, Type};
use gpt::{GptConfig, GptDisk, GptError};
use libupdate::gpt::write::FreshTable;
use libupdate::gpt::{Attributes, ENTRY_BYTES, Entry, EntryNumber, Guid, PartitionName};
use libupdate::units::bytes;
use libupdate::{BlockIo, BlockSize, ByteLen, Extent, Lba};

use crate::Disk;
use crate::find::Selection;
use crate::printable::Size;
use crate::profile::{self, Profile};

/// Partitions begin on whole MiB: whole erase blocks of nearly every medium.
const ALIGNMENT: u64 = 1 << 20;

/// Why a profile's partitions are no table of a disk.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NewTableError {
    /// The disk is smaller than the partitions together.
    TooSmall {
        /// Bytes of the partitions with a size of their own.
        needed: ByteLen,
        /// Bytes between the two copies of the table.
        usable: ByteLen,
    },
    /// The builder of tables refuses.
    Unbuildable {
        /// What it says.
        why: String,
    },
}

/// A table in memory.
pub struct NewTable {
    protective_mbr: [u8; 512],
    disk_guid: Guid,
    first_usable: Lba,
    last_usable: Lba,
    entries: Vec<u8>,
    block_size: BlockSize,
}

impl NewTable {
    /// The profile's partitions on a disk of this size. Nothing is written.
    ///
    /// # Errors
    /// They do not fit.
    pub fn of(profile: &Profile, disk: &Disk) -> Result<Self, NewTableError> {
        Self::for_size(profile, disk.block_size(), disk.block_count().get())
    }

    fn for_size(profile: &Profile, block_size: BlockSize, blocks: u64) -> Result<Self, NewTableError> {
        let sector = match block_size {
            BlockSize::B512 => LogicalBlockSize::Lb512,
            BlockSize::B4096 => LogicalBlockSize::Lb4096,
        };
        let memory = Memory { sectors: BTreeMap::new(), at: 0, len: blocks * block_size.bytes_u64() };
        let config = GptConfig::new().writable(true).logical_block_size(sector);
        let mut table = config.create_from_device(memory, None).map_err(|error| unfit(&error))?;
        place(profile, &mut table, block_size)?;
        table.write_inplace().map_err(|error| unfit(&error))?;
        let header = table.primary_header().map_err(|error| unfit(&error.into()))?.clone();
        let mut memory = table.take_device();
        let mut entries = vec![0; ENTRY_BYTES * usize::try_from(header.num_parts).unwrap_or(0)];
        let at = header.part_start * block_size.bytes_u64();
        memory
            .seek(SeekFrom::Start(at))
            .and_then(|_| memory.read_exact(&mut entries))
            .map_err(|error| unfit(&error.into()))?;
        let mbr = ProtectiveMBR::with_lb_size(u32::try_from(blocks.saturating_sub(1)).unwrap_or(u32::MAX));
        Ok(Self {
            protective_mbr: mbr.to_bytes(),
            disk_guid: match profile.disk {
                Selection::Guid(guid) => Guid::new(guid),
                _ => Guid::new(header.disk_guid.to_bytes_le()),
            },
            first_usable: Lba::new(header.first_usable),
            last_usable: Lba::new(header.last_usable),
            entries,
            block_size,
        })
    }

    /// Its partitions, as they will be read.
    pub fn partitions(&self) -> Vec<Entry> {
        let used = (1..).zip(self.entries.chunks(ENTRY_BYTES)).filter(|(_, raw)| !bytes::all_zero(raw));
        used.filter_map(|(number, raw)| entry(number, raw, self.block_size)).collect()
    }

    /// The table as the core takes it.
    pub fn fresh(&self) -> FreshTable<'_> {
        FreshTable {
            protective_mbr: &self.protective_mbr,
            disk_guid: self.disk_guid,
            first_usable: self.first_usable,
            last_usable: self.last_usable,
            entries: &self.entries,
        }
    }
}

fn entry(number: u32, raw: &[u8], block_size: BlockSize) -> Option<Entry> {
    let guid = |at| bytes::array(raw, at).map(Guid::new);
    let lba = |at| bytes::u64_at(raw, at).map(Lba::new);
    let unit = |index: usize| bytes::u16_at(raw, 56 + 2 * index).unwrap_or_default();
    Some(Entry {
        number: EntryNumber::new(number)?,
        type_guid: guid(0)?,
        unique_guid: guid(16)?,
        extent: Extent::new(lba(32)?, lba(40)?, block_size)?,
        attributes: Attributes::new(bytes::u64_at(raw, 48)?),
        name: PartitionName::new(std::array::from_fn(unit)),
    })
}

fn unfit(error: &GptError) -> NewTableError {
    NewTableError::Unbuildable { why: error.to_string() }
}

/// One partition after the other, in the profile's order; the one that takes the rest gets what the later ones leave.
fn place(profile: &Profile, table: &mut GptDisk<Memory>, block_size: BlockSize) -> Result<(), NewTableError> {
    let header = table.header();
    let align = ALIGNMENT / block_size.bytes_u64();
    let (first, last) = (header.first_usable.next_multiple_of(align), header.last_usable);
    let usable = (last + 1).saturating_sub(first) / align * align;
    let blocks = |size: &profile::Size| match size {
        profile::Size::Bytes(bytes) => Some(bytes.get().div_ceil(block_size.bytes_u64()).next_multiple_of(align)),
        profile::Size::Rest => None,
    };
    let fixed: u64 = profile.layout.iter().filter_map(|planned| blocks(&planned.size)).sum();
    let rests = profile.layout.iter().any(|planned| blocks(&planned.size).is_none());
    let left = usable.checked_sub(fixed).filter(|left| !rests || *left >= align);
    let left = left.ok_or_else(|| too_small(fixed, usable, block_size))?;
    let mut at = first;
    for (number, planned) in (1..).zip(&profile.layout) {
        let len = blocks(&planned.size).unwrap_or(left);
        let kind = Type { guid: uuid::Uuid::from_bytes_le(*planned.type_guid.as_bytes()), os: OperatingSystem::None };
        table
            .add_partition_at(&planned.label, number, at, len, kind, planned.attributes.get())
            .map_err(|error| unfit(&error))?;
        at += len;
    }
    Ok(())
}

fn too_small(needed: u64, usable: u64, block_size: BlockSize) -> NewTableError {
    let bytes = |blocks: u64| ByteLen::new(blocks * block_size.bytes_u64());
    NewTableError::TooSmall { needed: bytes(needed), usable: bytes(usable) }
}

/// As much of a disk as a table writes: the sectors that were written, the rest zero.
#[derive(Debug)]
struct Memory {
    sectors: BTreeMap<u64, [u8; SECTOR]>,
    at: u64,
    len: u64,
}

const SECTOR: usize = 512;

impl Memory {
    /// Number of the sector under the cursor, the place in it, and how many of `len` bytes are left in both.
    fn here(&self, len: usize) -> (u64, usize, usize) {
        let sector = u64::try_from(SECTOR).unwrap_or(u64::MAX);
        let place = usize::try_from(self.at % sector).unwrap_or(0);
        let left = usize::try_from(self.len.saturating_sub(self.at)).unwrap_or(usize::MAX);
        (self.at / sector, place, len.min(SECTOR - place).min(left))
    }

    fn pass(&mut self, len: usize) -> usize {
        self.at += u64::try_from(len).unwrap_or(0);
        len
    }
}

impl Read for Memory {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let (sector, place, len) = self.here(buf.len());
        let bytes = self.sectors.get(&sector).unwrap_or(&[0; SECTOR]);
        buf[..len].copy_from_slice(&bytes[place..place + len]);
        Ok(self.pass(len))
    }
}

impl Write for Memory {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let (sector, place, len) = self.here(buf.len());
        let bytes = self.sectors.entry(sector).or_insert([0; SECTOR]);
        bytes[place..place + len].copy_from_slice(&buf[..len]);
        Ok(self.pass(len))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Memory {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

impl fmt::Display for NewTableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall { needed, usable } => {
                let (needed, usable) = (Size(needed.get()), Size(usable.get()));
                write!(f, "the profile's partitions need {needed}, the disk has {usable}")
            }
            Self::Unbuildable { why } => write!(f, "the table cannot be built: {why}"),
        }
    }
}

impl core::error::Error for NewTableError {}

#[cfg(all(test, feature = "profile"))]
mod tests {
    use super::*;

    #[test]
    fn the_profiles_partitions_stand_in_its_order_on_whole_mebibytes() {
        let profile = Profile::load(Some("qemu-x86_64")).unwrap();
        for (block_size, blocks) in [(BlockSize::B512, 4 << 21), (BlockSize::B4096, 4 << 18)] {
            let table = NewTable::for_size(&profile, block_size, blocks).unwrap();
            let places: Vec<(u64, u64)> = (table.entries.chunks(ENTRY_BYTES))
                .take(profile.layout.len())
                .map(|raw| {
                    (
                        libupdate::units::bytes::u64_at(raw, 32).unwrap(),
                        libupdate::units::bytes::u64_at(raw, 40).unwrap(),
                    )
                })
                .collect();
            let mib = ALIGNMENT / block_size.bytes_u64();
            assert!(places.iter().all(|(first, last)| first % mib == 0 && (last + 1) % mib == 0), "{places:?}");
            assert!(places.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{places:?}");
        }
    }

    #[test]
    fn a_disk_that_is_too_small_is_told_by_how_much() {
        let profile = Profile::load(Some("qemu-x86_64")).unwrap();
        let error = NewTable::for_size(&profile, BlockSize::B512, 1 << 21).err().unwrap();
        assert!(matches!(error, NewTableError::TooSmall { .. }) && error.to_string().contains("1.0 GiB"), "{error}");
    }
}
