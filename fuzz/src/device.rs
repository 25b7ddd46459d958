//! A device with slots on a disk in memory: the acts as `updater-cli` puts them together, without the operating system.

use std::sync::LazyLock;

use libupdate::boot::{self, Boot, Choice, Guard};
use libupdate::bundle::Unverified;
use libupdate::error::Rejected;
use libupdate::gpt::write::{self, Backup, Edit, FreshTable, Relocate};
use libupdate::gpt::{Guid, SlotBits, Table, TriesLeft};
use libupdate::inspect::{self, Memory, SlotTrailer, Inspection, View};
use libupdate::install::Buffers;
use libupdate::install::progress::Silent;
use libupdate::install::{self, Source, Tools};
use libupdate::transition::Staged;
use libupdate::policy::{self, Compression, Downgrade, FailedBefore, Wishes};
use libupdate::region::trailer::TRAILER_BYTES;
use libupdate::slot::{Duty, PartitionSpec};
use libupdate::transition::{self, cancel, disarm};
use libupdate::units::digest::Digest;
use libupdate::verity::CHUNK_BYTES;
use libupdate::{BlockIo, BlockSize, Error, Lba, SlotId, SoftHasher};
use tests::medium::Zone;

use crate::bundles::{ANCHORS, BLOCK, COMPATIBLE, ROLES, RunLength};
use crate::disk::{Disk, Failed};

/// What an act gives.
pub type Done<T> = Result<T, Error<Failed>>;

/// Foreign attribute bits of every slot's entry, which no act may change.
pub const FOREIGN: u64 = 0x8200_0000_0000_0005;
/// Type of every slot's partition.
const TYPE: Guid = Guid::new([0x5f; 16]);
const LABELS: [[&str; 2]; 3] = [["root-a", "boot-a"], ["root-b", "boot-b"], ["root-c", "boot-c"]];
const SCRATCH: usize = 17_408;
/// 4096-byte blocks before the first partition: room for a table of 8 entries and for nothing else.
const FIRST: usize = 4;

/// How a device is made.
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

/// Sizes of a long act's buffers.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Bytes for data.
    pub data: usize,
    /// Bytes for carried chunks.
    pub carried: usize,
}

/// What becomes of a staged slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// It is armed.
    Arm,
    /// It stays staged.
    Keep,
    /// It is the first one on the disk, and good.
    FirstGood,
}

/// A device.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its disk.
    pub disk: Disk,
    /// Its shape.
    pub shape: Shape,
    /// The slot that it came up from.
    pub booted: Option<usize>,
    /// The profile's guard.
    pub guard: Guard,
    /// The profile's tries.
    pub tries: TriesLeft,
}

/// Memory of the acts.
struct Bench {
    trailer: Box<[u8; TRAILER_BYTES]>,
    blocks: [Box<[u8; BLOCK]>; 3],
    data: Vec<u8>,
    carried: Vec<u8>,
}

impl Room {
    /// Whole chunks.
    pub const USUAL: Self = Self { data: CHUNK_BYTES, carried: CHUNK_BYTES };
}

impl Bench {
    fn new(room: Room) -> Self {
        let blocks = [(); 3].map(|()| Box::new([0; BLOCK]));
        let (data, carried) = (vec![0; room.data], vec![0; room.carried]);
        Self { trailer: Box::new([0; TRAILER_BYTES]), blocks, data, carried }
    }

    fn buffers(&mut self) -> Buffers<'_> {
        let [leaf, block, page] = &mut self.blocks;
        Buffers { data: &mut self.data, carried: &mut self.carried, leaf, block, page }
    }
}

/// The slot of this number.
///
/// # Panics
/// Past the bound of slots.
#[must_use]
pub fn id(slot: usize) -> SlotId {
    SlotId::from_index(slot).expect("fewer than eight slots")
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

    /// The array of the new table: one entry for each partition, and one that is nobody's business.
    fn entries(&self) -> Vec<u8> {
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

impl Device {
    /// A device with an empty disk.
    #[must_use]
    pub fn blank(shape: Shape, guard: Guard, tries: TriesLeft) -> Self {
        let partition = |(index, spec): (usize, &PartitionSpec<'_>)| {
            let [first, end] = [index, index + 1].map(|index| shape.partition_first(index) as u64);
            (first..end, Zone::of_slot(spec.slot.index()))
        };
        let slots = shape.specs().iter().enumerate().map(partition).collect();
        let disk = Disk::new([shape.block_size; 2], shape.disk_blocks(), slots);
        Self { disk, shape, booted: None, guard, tries }
    }

    /// Writes the new table.
    ///
    /// # Errors
    /// The core's.
    pub fn create_table(&mut self) -> Done<()> {
        let lba = |blocks: usize| Lba::new(blocks as u64);
        let entries = self.shape.entries();
        let fresh = FreshTable {
            protective_mbr: &[0x11; 512],
            disk_guid: Guid::new([0xd1; 16]),
            first_usable: lba(self.shape.partition_first(0)),
            last_usable: lba(self.shape.partition_first(self.shape.slots * self.shape.roles) - 1),
            entries: &entries,
        };
        write::create(&mut self.disk, &fresh, &mut [0; SCRATCH])
    }

    fn view(&self) -> View<'static> {
        View {
            compatible: COMPATIBLE,
            specs: self.shape.specs(),
            anchors: &ANCHORS,
            booted: self.booted.map(id),
            compression: Compression::Zstd,
        }
    }

    /// Reads table, slots and trailers.
    ///
    /// # Errors
    /// The core's.
    pub fn survey(&mut self) -> Done<Inspection<'static>> {
        let view = self.view();
        let Bench { mut trailer, blocks: [mut block, mut other, _], .. } = Bench::new(Room { data: 0, carried: 0 });
        let mut memory = Memory { trailer: &mut trailer, block: &mut block, other: &mut other };
        inspect::inspect(&mut self.disk, &view, &mut memory)
    }

    /// Both copies of the table.
    ///
    /// # Errors
    /// The core's.
    pub fn table(&mut self) -> Done<Table> {
        Table::read(&mut self.disk, &mut [0; SCRATCH])
    }

    /// Installs what `source` gives.
    ///
    /// # Errors
    /// The core's.
    pub fn install<R: Source>(&mut self, source: &mut R, wishes: Wishes, then: Then, room: Room) -> Done<SlotId> {
        let survey = self.survey()?;
        let mut head = Box::new([0; 8192]);
        let verified = Unverified::read(source, &mut head)?.verify(&ANCHORS)?;
        let admitted = match then {
            Then::FirstGood => policy::admit_first(verified, &survey.facts, &survey.slots)?,
            _ => policy::admit(verified, &survey.facts, &survey.slots, wishes)?,
        };
        let (specs, mut scratch) = (self.shape.specs(), [0; SCRATCH]);
        let (disarmed, _) = disarm(&mut self.disk, specs, admitted, &mut scratch)?;
        let mut bench = Bench::new(room);
        let mut tools = Tools { hasher: &mut SoftHasher, decompressor: &mut RunLength, observer: &mut Silent };
        let staged = install::stage(&mut self.disk, disarmed, source, &mut bench.buffers(), &mut tools)?;
        self.after(&staged, then)?;
        Ok(staged.slot())
    }

    fn after(&mut self, staged: &Staged<'_>, then: Then) -> Done<()> {
        let (specs, mut scratch) = (self.shape.specs(), [0; SCRATCH]);
        match then {
            Then::Arm => transition::arm(&mut self.disk, specs, staged, self.tries, &mut scratch),
            Then::Keep => transition::keep_staged(&mut self.disk, specs, staged, self.tries, &mut scratch),
            Then::FirstGood => transition::first_good(&mut self.disk, specs, staged, self.guard, &mut scratch),
        }
        .map(|_| ())
    }

    /// Reads every byte of a slot. Gives the manifest digest.
    ///
    /// # Errors
    /// The core's; [`Rejected::SlotState`] where there is no authentic trailer.
    pub fn verify(&mut self, slot: usize) -> Done<Digest> {
        self.checked(slot, |_, staged| Ok(staged.verified().digest()))
    }

    /// Reads every byte of a slot, and arms it.
    ///
    /// # Errors
    /// As [`Device::verify`].
    pub fn activate(&mut self, slot: usize) -> Done<()> {
        self.checked(slot, |device, staged| device.after(staged, Then::Arm))
    }

    fn checked<T>(&mut self, slot: usize, then: impl FnOnce(&mut Self, &Staged<'_>) -> Done<T>) -> Done<T> {
        let mut bench = Bench::new(Room { data: 16 * BLOCK, carried: 0 });
        let (_, slots) = inspect::find(&mut self.disk, self.shape.specs(), &mut [0; SCRATCH])?;
        let place = slots.get(id(slot))?;
        let view = self.view();
        let mut trailer = Box::new([0; TRAILER_BYTES]);
        let [block, other, _] = &mut bench.blocks;
        let SlotTrailer::Valid(verified, extents) =
            inspect::trailer(&mut self.disk, place, &view, &mut trailer, [block, other])?
        else {
            return Err(Rejected::SlotState { slot: id(slot), needed: "staged" }.into());
        };
        let mut tools = Tools { hasher: &mut SoftHasher, decompressor: &mut RunLength, observer: &mut Silent };
        let place = (id(slot), place.control, extents.as_slice());
        let staged = install::restage(&mut self.disk, verified, place, &mut bench.buffers(), &mut tools)?;
        then(self, &staged)
    }

    /// The slot that boots next, and what that costs.
    ///
    /// # Errors
    /// The core's.
    pub fn boots_next(&mut self) -> Done<Option<Boot>> {
        let (_, slots) = inspect::find(&mut self.disk, self.shape.specs(), &mut [0; SCRATCH])?;
        Ok(match boot::choose(&boot::candidates(&slots), self.guard) {
            Choice::Boot(boot) => Some(boot),
            Choice::Nothing => None,
        })
    }

    /// Spends the try of this boot.
    ///
    /// # Errors
    /// The core's: then it does not boot.
    pub fn spend(&mut self, boot: &Boot) -> Done<transition::Attempt<Failed>> {
        transition::spend_try(&mut self.disk, self.shape.specs(), boot, &mut [0; SCRATCH])
    }

    /// Says that a slot is good.
    ///
    /// # Errors
    /// The core's.
    pub fn mark_good(&mut self, slot: usize) -> Done<()> {
        transition::mark_good(&mut self.disk, self.shape.specs(), id(slot), self.guard, &mut [0; SCRATCH]).map(|_| ())
    }

    /// Says that a slot is bad.
    ///
    /// # Errors
    /// The core's.
    pub fn mark_bad(&mut self, slot: usize) -> Done<()> {
        let facts = self.survey()?.facts;
        transition::mark_bad(&mut self.disk, self.shape.specs(), &facts, id(slot), &mut [0; SCRATCH]).map(|_| ())
    }

    /// Takes back what is armed or staged.
    ///
    /// # Errors
    /// The core's.
    pub fn cancel(&mut self, slot: usize) -> Done<()> {
        let Inspection { facts, slots, .. } = self.survey()?;
        let slot = slots.get(id(slot))?;
        transition::cancel(&mut self.disk, self.shape.specs(), &facts, slot, &mut [0; SCRATCH]).map(|_| ())
    }

    /// Puts the other good slot first.
    ///
    /// # Errors
    /// The core's.
    pub fn rollback(&mut self) -> Done<()> {
        let facts = self.survey()?.facts;
        let to = facts.rollback_target()?;
        transition::rollback(&mut self.disk, self.shape.specs(), &facts, to, &mut [0; SCRATCH]).map(|_| ())
    }

    /// Repairs the table.
    ///
    /// # Errors
    /// The core's.
    pub fn repair(&mut self) -> Done<()> {
        let table = self.table()?;
        write::repair(&mut self.disk, &table, Relocate::No, &mut [0; SCRATCH]).map(|_| ())
    }

    /// Sets bits behind the back of every rule, as `cgpt` would.
    ///
    /// # Errors
    /// The core's.
    pub fn force(&mut self, slot: usize, bits: SlotBits) -> Done<()> {
        let (table, slots) = inspect::find(&mut self.disk, self.shape.specs(), &mut [0; SCRATCH])?;
        let edit = Edit { entry: slots.get(id(slot))?.control, bits };
        write::commit(&mut self.disk, &table, &[edit], Backup::Required, &mut [0; SCRATCH]).map(|_| ())
    }

    /// The first bytes of a slot's partition.
    #[must_use]
    pub fn partition(&self, slot: usize, role: usize, len: usize) -> Vec<u8> {
        let first = self.shape.partition_first(slot * self.shape.roles + role) * self.disk.block_size().bytes();
        self.disk.bytes(first..first + len)
    }

    /// Whether a slot's partition begins with this image.
    #[must_use]
    pub fn holds(&self, slot: usize, role: usize, image: &[u8]) -> bool {
        self.partition(slot, role, image.len()) == image
    }
}

/// The operator who takes lower versions and wants failed ones again.
#[must_use]
pub const fn willing(slot: Option<SlotId>) -> Wishes {
    Wishes { slot, downgrade: Downgrade::Allow, failed_before: FailedBefore::Retry }
}
