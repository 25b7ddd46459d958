//! A machine with slots on a disk in memory: the acts of [`Device`], its memory, and a starter that says yes or no.

use libupdate::boot::{Detail, Guard, Reason};
use libupdate::bundle::Verified;
use libupdate::device::{Board, BootRules, Claim, Device, Installed, Next, Note, OnGrown, Request, Room, Work};
use libupdate::error::{Needed, Rejected};
use libupdate::gpt::write::{self, Backup, Edit, Relocate};
use libupdate::gpt::{SlotBits, Table, TriesLeft};
use libupdate::inspect::{self, Inspection, SlotTrailer, View};
use libupdate::install::progress::Silent;
use libupdate::install::{self, Buffers, Source, Tools};
use libupdate::policy::{Compression, Downgrade, FailedBefore, Wishes};
use libupdate::region::boot_note::{self, BootNote};
use libupdate::region::confirmation;
use libupdate::region::trailer::TRAILER_BYTES;
use libupdate::slot::Slot;
use libupdate::units::digest::Digest;
use libupdate::verity::CHUNK_BYTES;
use libupdate::{Error, SlotId, SoftHasher, UnixSeconds};

use crate::bundles::{ANCHORS, BLOCK, COMPATIBLE, RunLength};
use crate::disk::{Disk, Failed};

mod shape;
mod starts;

pub use shape::{FOREIGN, Shape};
pub use starts::{Boot, Refusal, Start};

/// What an act gives.
pub type Done<T> = Result<T, Error<Failed>>;

/// Bytes that the device has for pieces of the table: a whole one, so that the primary is one write.
const SCRATCH: usize = 17_408;

/// Sizes of a long act's buffers.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Bytes for data.
    pub data: usize,
    /// Bytes for carried chunks.
    pub carried: usize,
}

impl Sizes {
    /// Whole chunks.
    pub const USUAL: Self = Self { data: CHUNK_BYTES, carried: CHUNK_BYTES };
    /// Enough for images that are carried raw, and to read one.
    pub const SMALL: Self = Self { data: 16 * BLOCK, carried: 0 };
}

/// A machine.
#[derive(Clone, Debug)]
pub struct Machine {
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

/// The slot of this number.
///
/// # Panics
/// Past the bound of slots.
#[must_use]
pub fn id(slot: usize) -> SlotId {
    SlotId::from_index(slot).expect("fewer than eight slots")
}

impl Machine {
    /// A machine with an empty disk.
    #[must_use]
    pub fn blank(shape: Shape, guard: Guard, tries: TriesLeft) -> Self {
        let disk = Disk::new([shape.block_size; 2], shape.disk_blocks(), shape.zones());
        Self { disk, shape, booted: None, guard, tries }
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

    /// Lends the device and its memory to one act.
    fn on<T>(&mut self, act: impl FnOnce(&mut Device<'_, 'static, Disk>, &mut Room<'static>) -> T) -> T {
        let board = Board { view: self.view(), tries: self.tries, guard: self.guard, backup: OnGrown::Moves };
        act(&mut Device::new(&mut self.disk, board, &mut [0; SCRATCH]), &mut Room::new())
    }

    /// The same for a long one.
    fn at_work<T>(
        &mut self,
        sizes: Sizes,
        act: impl FnOnce(&mut Device<'_, 'static, Disk>, &mut Room<'static>, &mut Work<'_, SoftHasher, RunLength>) -> T,
    ) -> T {
        let (mut data, mut carried) = (vec![0; sizes.data], vec![0; sizes.carried]);
        let (hasher, decompressor) = (&mut SoftHasher, &mut RunLength);
        let mut work = Work { carried: &mut carried, ..Work::new(&mut data, hasher, decompressor) };
        self.on(|device, room| act(device, room, &mut work))
    }

    /// Reads table, slots and trailers.
    ///
    /// # Errors
    /// The core's.
    pub fn inspect(&mut self) -> Done<Inspection<'static>> {
        self.on(|device, room| device.inspect(room))
    }

    /// The bits of every slot.
    ///
    /// # Errors
    /// The core's.
    pub fn bits(&mut self) -> Done<Vec<SlotBits>> {
        let (_, slots) = inspect::find(&mut self.disk, self.shape.specs(), &mut [0; SCRATCH])?;
        Ok(slots.slots().iter().map(Slot::bits).collect())
    }

    /// The slot that boots next.
    ///
    /// # Errors
    /// The core's.
    pub fn boots_next(&mut self) -> Done<Next> {
        self.on(|device, room| device.next(room))
    }

    /// Makes a new table, and puts a bundle into the first slot. `source` stands behind the bundle's head.
    ///
    /// # Errors
    /// The core's.
    pub fn provision<R: Source>(&mut self, (verified, source): (Verified<'_>, &mut R), sizes: Sizes) -> Done<()> {
        let (shape, entries) = (self.shape, self.shape.entries());
        let fresh = shape.fresh(&entries);
        self.at_work(sizes, |device, room, work| {
            device.provision(&fresh, (verified, source), room, work, &mut Silent).map(|_| ())
        })
    }

    /// Installs what `source` gives.
    ///
    /// # Errors
    /// The core's.
    pub fn install<R: Source>(&mut self, source: &mut R, request: &Request, sizes: Sizes) -> Done<Installed> {
        self.at_work(sizes, |device, room, work| device.install(source, request, room, work, &mut Silent))
    }

    /// Arms a staged slot.
    ///
    /// # Errors
    /// The core's.
    pub fn activate(&mut self, slot: usize) -> Done<()> {
        self.at_work(Sizes::SMALL, |device, room, work| {
            device.activate(Some(id(slot)), room, work, &mut Silent).map(|_| ())
        })
    }

    /// Says that a slot is good.
    ///
    /// # Errors
    /// The core's.
    pub fn mark_good(&mut self, slot: usize, claim: Claim) -> Done<()> {
        self.on(|device, room| device.mark_good(id(slot), claim, room, &mut Silent).map(|_| ()))
    }

    /// Says that a slot is bad.
    ///
    /// # Errors
    /// The core's.
    pub fn mark_bad(&mut self, slot: usize) -> Done<()> {
        let note = Note { reason: Reason::MARKED_BAD, detail: Detail::new("it restarts"), at: UnixSeconds::UNKNOWN };
        self.on(|device, room| device.mark_bad(id(slot), &note, room, &mut Silent).map(|_| ()))
    }

    /// Takes back what is armed or staged.
    ///
    /// # Errors
    /// The core's.
    pub fn cancel(&mut self, slot: usize) -> Done<()> {
        self.on(|device, room| device.cancel(Some(id(slot)), room, &mut Silent).map(|_| ()))
    }

    /// Puts the other good slot first.
    ///
    /// # Errors
    /// The core's.
    pub fn rollback(&mut self) -> Done<()> {
        self.on(|device, room| device.rollback(None, room, &mut Silent).map(|_| ()))
    }

    /// Repairs the table.
    ///
    /// # Errors
    /// The core's.
    pub fn repair(&mut self) -> Done<()> {
        self.on(|device, _| device.repair(Relocate::No).map(|_| ()))
    }

    /// Boots: every slot starts but the refused one.
    ///
    /// # Errors
    /// The core's.
    pub fn boot(&mut self, refusal: Option<Refusal>) -> Done<Boot> {
        self.booted = None;
        let mut starts = starts::Starts::new(refusal);
        let booted = self
            .at_work(Sizes::SMALL, |device, room, work| device.boot(&BootRules::default(), room, work, &mut starts))?;
        Ok(Boot { booted, starts: starts.seen() })
    }

    /// Both copies of the table.
    ///
    /// # Errors
    /// The core's.
    pub fn table(&mut self) -> Done<Table> {
        Table::read(&mut self.disk, &mut [0; SCRATCH])
    }

    /// Reads every byte of a slot. Gives the manifest digest.
    ///
    /// # Errors
    /// The core's; [`Rejected::SlotState`] where there is no authentic trailer.
    pub fn verify(&mut self, slot: usize) -> Done<Digest> {
        let (_, slots) = inspect::find(&mut self.disk, self.shape.specs(), &mut [0; SCRATCH])?;
        let (place, view) = (slots.get(id(slot))?, self.view());
        let (mut trailer, mut data) = ([0; TRAILER_BYTES], vec![0; 16 * BLOCK]);
        let [mut leaf, mut block, mut page] = [[0; BLOCK]; 3];
        let found = inspect::trailer(&mut self.disk, place, &view, &mut trailer, [&mut leaf, &mut block])?;
        let SlotTrailer::Valid(verified, extents) = found else {
            return Err(Rejected::SlotState { slot: id(slot), needed: Needed::Staged }.into());
        };
        let mut buffers = Buffers::new(&mut data, [&mut leaf, &mut block, &mut page]);
        let mut tools = Tools { hasher: &mut SoftHasher, decompressor: &mut RunLength, observer: &mut Silent };
        let place = (place.id, place.control, extents.as_slice());
        install::restage(&mut self.disk, verified, place, &mut buffers, &mut tools)
            .map(|staged| staged.verified().digest())
    }

    /// Whether a slot that holds this manifest asks a person to confirm its trial.
    ///
    /// # Errors
    /// The core's.
    pub fn asks(&mut self, slot: usize, manifest: Digest) -> Done<bool> {
        let (_, slots) = inspect::find(&mut self.disk, self.shape.specs(), &mut [0; SCRATCH])?;
        Ok(confirmation::asked(&mut self.disk, slots.get(id(slot))?, manifest, &mut [0; BLOCK]).is_some())
    }

    /// What was left on a slot.
    ///
    /// # Errors
    /// The core's.
    pub fn note(&mut self, slot: usize) -> Done<Option<BootNote>> {
        let (_, slots) = inspect::find(&mut self.disk, self.shape.specs(), &mut [0; SCRATCH])?;
        Ok(boot_note::any(&mut self.disk, slots.get(id(slot))?, &mut [0; BLOCK]))
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
        let first = self.shape.first_byte(slot * self.shape.roles + role);
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
pub fn willing() -> Request {
    let wishes = Wishes { slot: None, downgrade: Downgrade::Allow, failed_before: FailedBefore::Retry };
    Request { wishes, ..Request::default() }
}
