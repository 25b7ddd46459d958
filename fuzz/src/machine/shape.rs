//! How a machine's disk is laid out.

use std::ops::Range;
use std::sync::LazyLock;

use libupdate::gpt::Guid;
use libupdate::gpt::write::FreshTable;
use libupdate::slot::{Duty, PartitionSpec};
use libupdate::{BlockSize, Lba};
use tests::medium::Zone;

use super::id;
use crate::bundles::{BLOCK, ROLES};

/// Foreign attribute bits of every slot's entry, which no act may change.
pub const FOREIGN: u64 = 0x8200_0000_0000_0005;
/// Type of every slot's partition.
const TYPE: Guid = Guid::new([0x5f; 16]);
const LABELS: [[&str; 2]; 3] = [["root-a", "boot-a"], ["root-b", "boot-b"], ["root-c", "boot-c"]];
/// 4096-byte blocks before the first partition: room for a table of 8 entries and for nothing else.
const FIRST: usize = 4;

/// How a machine is made.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Of the disk.
    pub block_size: BlockSize,
    /// 2 or 3.
    pub slots: usize,
    /// Partitions of a slot, 1 or 2.
    pub roles: usize,
    /// 4096-byte blocks of a partition.
    pub partition_blocks: usize,
}

impl Shape {
    /// The profile's partitions.
    #[must_use]
    pub fn specs(&self) -> &'static [PartitionSpec<'static>] {
        static SPECS: LazyLock<Vec<Vec<PartitionSpec<'static>>>> =
            LazyLock::new(|| [(2, 1), (2, 2), (3, 1), (3, 2)].map(|(slots, roles)| specs(slots, roles)).to_vec());
        &SPECS[(self.slots - 2) * 2 + self.roles - 1]
    }

    /// Blocks of the disk in all.
    #[must_use]
    pub fn disk_blocks(&self) -> usize {
        (self.partition_first(self.slots * self.roles) + FIRST * BLOCK / self.block_size.bytes()).max(1)
    }

    /// The first block of partition number `index`, from 0.
    fn partition_first(&self, index: usize) -> usize {
        (FIRST + index * self.partition_blocks) * BLOCK / self.block_size.bytes()
    }

    /// Where a partition begins on the disk.
    #[must_use]
    pub fn first_byte(&self, index: usize) -> usize {
        self.partition_first(index) * self.block_size.bytes()
    }

    /// The blocks of every partition, and whose they are.
    pub(super) fn zones(&self) -> Vec<(Range<u64>, Zone)> {
        let zone = |(index, spec): (usize, &PartitionSpec<'_>)| {
            let [first, end] = [index, index + 1].map(|index| self.partition_first(index) as u64);
            (first..end, Zone::of_slot(spec.slot.index()))
        };
        self.specs().iter().enumerate().map(zone).collect()
    }

    /// The new table.
    #[must_use]
    pub fn fresh<'e>(&self, entries: &'e [u8]) -> FreshTable<'e> {
        let lba = |blocks: usize| Lba::new(blocks as u64);
        FreshTable {
            protective_mbr: &[0x11; 512],
            disk_guid: Guid::new([0xd1; 16]),
            first_usable: lba(self.partition_first(0)),
            last_usable: lba(self.partition_first(self.slots * self.roles) - 1),
            entries,
        }
    }

    /// The array of the new table: one entry for each partition, and one that is nobody's business.
    #[must_use]
    pub fn entries(&self) -> Vec<u8> {
        let mut entries = vec![0; 8 * 128];
        for (index, (spec, raw)) in self.specs().iter().zip(entries.chunks_mut(128)).enumerate() {
            raw[..16].copy_from_slice(spec.type_guid.as_bytes());
            raw[16..32].fill(0x40 + u8::try_from(index).unwrap_or_default());
            raw[32..40].copy_from_slice(&(self.partition_first(index) as u64).to_le_bytes());
            raw[40..48].copy_from_slice(&(self.partition_first(index + 1) as u64 - 1).to_le_bytes());
            raw[48..56].copy_from_slice(&FOREIGN.to_le_bytes());
            for (at, unit) in spec.label.encode_utf16().enumerate() {
                raw[56 + 2 * at..58 + 2 * at].copy_from_slice(&unit.to_le_bytes());
            }
        }
        entries
    }
}

fn specs(slots: usize, roles: usize) -> Vec<PartitionSpec<'static>> {
    let labels = LABELS.iter().take(slots).enumerate();
    let of_slot = |(slot, labels): (usize, &'static [&'static str; 2])| {
        ROLES.iter().zip(labels).take(roles).enumerate().map(move |(role, (name, label))| PartitionSpec {
            slot: id(slot),
            role: name,
            label,
            type_guid: TYPE,
            duty: if role == 0 { Duty::Control } else { Duty::Member },
        })
    };
    labels.flat_map(of_slot).collect()
}
